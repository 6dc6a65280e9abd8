"""PSNR, SSIM and LPIPS to the teacher's pictures of the same (z, camera): table 4 (metrics.md 7).

One pass draws both and measures all three, so that what the teacher draws, which is most of the
work, is drawn once. Rows of the pass are kept like features. Pictures are compared as they are
saved, at their own resolution; LPIPS with AlexNet unless another network is named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nerfgan_cli.checkpoints.checksum import space_checksum, weights_checksum
from nerfgan_cli.checkpoints.conversion import sha256_of
from nerfgan_cli.checkpoints.measuring import IMAGENET
from nerfgan_cli.checkpoints.published import find, find_or_fetch
from nerfgan_cli.checkpoints.zoo import weights_folder
from nerfgan_cli.errors import NerfganError, UsageError
from nerfgan_cli.evaluation.extractors import name_of
from nerfgan_cli.evaluation.features import generator_facts
from nerfgan_cli.evaluation.metric import HIGHER, LOWER, MissingWeights, Setting, Value
from nerfgan_cli.evaluation.rows import Rows, Table, Work, fill, folder_of
from nerfgan_cli.evaluation.samples import (
    available,
    batches,
    cameras_for,
    cameras_name,
    render,
    short,
)
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.losses.lpips import Lpips
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.psnr import LARGEST, PEAK, psnr
from nerfgan_cli.metrics.ssim import ssim

QUICK, MOST = 200, 1000  # pairs of a bare evaluation, and those of the paper's table 4
COLUMNS = ("psnr", "error", "psnr_raw", "error_raw", "ssim", "lpips")  # errors: mean squared
ALTERNATIVE = "leave lpips out of --metrics"


class Judge(NamedTuple):
    """The network of LPIPS, where there is one."""

    network: Lpips
    checksum: str


@dataclass(frozen=True)
class Likeness:
    """One of the three."""

    name: str

    def obstacle(self, setting: Setting) -> str | None:
        generator, teacher = setting.generator, setting.teacher
        if generator is None:
            return "it compares pictures of the same latent: give a --model, not pictures"
        if teacher is None:
            return "it compares with the teacher's pictures: name it with --teacher"
        if weights_checksum(generator) == weights_checksum(teacher):
            return "the model is its own teacher: evaluate a student"
        if space_checksum(generator) != space_checksum(teacher):
            return "the teacher does not understand this model's latents: name its own --teacher"
        if generator.img_resolution != teacher.img_resolution:
            return (
                f"the teacher draws {teacher.img_resolution}² and the model "
                f"{generator.img_resolution}²: name a teacher of that size"
            )
        return self._lacking_network(setting) if self.name == "lpips" else None

    def measure(self, setting: Setting) -> list[Value]:
        count = min(available(setting, QUICK), MOST)
        judge = self._judge(setting)
        found = compare_pairs(setting, count, judge).astype(np.float64)
        columns = dict(zip(COLUMNS, found.T, strict=True))
        assert setting.teacher is not None
        assert setting.generator is not None
        protocol: dict[str, object] = {
            "pairs": count,
            "teacher": f"{weights_checksum(setting.teacher):08x}",
            "cameras": cameras_name(setting),
            "conditioning": "the camera of the picture",
            "truncation": 1.0,
            "noise": "const",
            "resolution": setting.generator.img_resolution,
        }
        if self.name == "ssim":
            return [_mean(f"ssim{short(count)}", columns["ssim"], "", HIGHER, protocol)]
        if self.name == "lpips":
            assert judge is not None
            network = setting.networks.lpips
            told = protocol | {"network": network, "network_sha256": judge.checksum}
            name = f"lpips{short(count)}:{name_of(network, judge.checksum, IMAGENET[network])}"
            return [_mean(name, columns["lpips"], "", LOWER, told)]
        raw = protocol | {"resolution": setting.generator.raw_resolution}
        values = [_decibels(f"psnr{short(count)}", columns["psnr"], columns["error"], protocol)]
        if setting.teacher.raw_resolution == setting.generator.raw_resolution:
            name = f"psnr_raw{short(count)}"
            values.append(_decibels(name, columns["psnr_raw"], columns["error_raw"], raw))
        return values

    def _lacking_network(self, setting: Setting) -> MissingWeights | None:
        networks = setting.networks
        published = IMAGENET.get(networks.lpips)
        if published is None:
            raise UsageError(
                f"unknown network {networks.lpips!r}: use one of {', '.join(IMAGENET)}."
            )
        if networks.lpips_weights is not None or find(published) is not None:
            return None
        return MissingWeights(
            f"it needs {published.name}, which is not installed: fetch it with nerfgan weights "
            f"get {networks.lpips}, put it into {weights_folder()}, or give --lpips-weights FILE"
        )

    def _judge(self, setting: Setting) -> Judge | None:
        """Also for the others, where it lies ready and can be read: they share the pass."""
        if self._lacking_network(setting) is not None:
            return None
        networks = setting.networks
        network = Lpips(networks.lpips)
        file = networks.lpips_weights or find_or_fetch(IMAGENET[networks.lpips], ALTERNATIVE)
        try:
            network.load(file)
        except NerfganError:
            if self.name == "lpips":
                raise
            return None
        return Judge(network.to(setting.device), sha256_of(file))


def compare_pairs(setting: Setting, count: int, judge: Judge | None) -> Rows:  # [N, COLUMNS]
    """A row for each pair; LPIPS is NaN without its network."""
    generator, teacher = setting.generator, setting.teacher
    assert generator is not None
    assert teacher is not None
    facts = generator_facts(setting, generator, frontal=False) | {
        "teacher": generator_facts(setting, teacher, frontal=False),
        "lpips": None if judge is None else [setting.networks.lpips, judge.checksum],
    }

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        for part in work:
            rows = [
                _compare(setting, some, generator, teacher, judge)
                for some in batches(setting, part.indices)
            ]
            yield {"pairs": np.concatenate(rows)}

    folders = {"pairs": folder_of(setting.cache, "pairs", facts)}
    what = f"pairs of {setting.name} and its teacher"
    tables: dict[str, Table] = fill(
        setting.world, folders, count, make, lambda done: setting.progress(what, done, count)
    )
    return tables["pairs"].all()


@torch.inference_mode()
def _compare(
    setting: Setting,
    indices: NDArray[np.int64],
    generator: Generator,
    teacher: Generator,
    judge: Judge | None,
) -> Rows:
    cameras = cameras_for(setting, indices)
    ours, theirs = (
        render(network, setting.seed, indices, cameras) for network in (generator, teacher)
    )
    pictures = to_pixels(ours.image), to_pixels(theirs.image)
    raw = to_pixels(ours.image_raw), to_pixels(theirs.image_raw)
    distance = np.full(len(indices), np.nan)
    compare_raw = [distance, distance]
    if raw[0].shape == raw[1].shape:
        compare_raw = [psnr(*raw), _squared_error(*raw)]
    if judge is not None:
        shown = [_quantised(picture).to(setting.device) for picture in pictures]
        distance = judge.network(*shown).double().cpu().numpy()
    columns = [
        *(psnr(*pictures), _squared_error(*pictures)),
        *compare_raw,
        *(ssim(*pictures), distance),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _quantised(pictures: NDArray[np.uint8]) -> torch.Tensor:  # [B, 3, H, W] in [−1, 1]
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def _squared_error(
    first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> NDArray[np.float64]:  # [B]
    error = first.astype(np.float64) - second.astype(np.float64)
    found: NDArray[np.float64] = np.square(error).reshape(len(error), -1).mean(axis=1)
    return found


def _mean(
    name: str, numbers: NDArray[np.float64], unit: str, better: str, protocol: dict[str, object]
) -> Value:
    error = float(numbers.std(ddof=1) / np.sqrt(len(numbers))) if len(numbers) > 1 else None
    return Value(name, float(numbers.mean()), error, unit, better, protocol)


def _decibels(
    name: str,
    numbers: NDArray[np.float64],
    errors: NDArray[np.float64],
    protocol: dict[str, object],
) -> Value:
    """The mean of the PSNRs; that of the mean error, which is never larger, is in the protocol."""
    mean_error = max(float(errors.mean()), 1e-12)
    of_mean = min(float(10 * np.log10(PEAK**2 / mean_error)), LARGEST)
    return _mean(name, numbers, "dB", HIGHER, protocol | {"psnr_of_mean_error": of_mean})


LIKENESS = [Likeness("psnr"), Likeness("ssim"), Likeness("lpips")]
