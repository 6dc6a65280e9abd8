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

from nerfgan_cli.checkpoints.checksum import space_checksum, weights_checksum
from nerfgan_cli.checkpoints.conversion import sha256_of
from nerfgan_cli.checkpoints.measuring import IMAGENET
from nerfgan_cli.checkpoints.published import find, find_or_fetch, how_to_get
from nerfgan_cli.errors import NerfganError, UsageError
from nerfgan_cli.evaluation.extractors import name_of
from nerfgan_cli.evaluation.features import generator_facts, network_facts
from nerfgan_cli.evaluation.looks import Array
from nerfgan_cli.evaluation.metric import (
    HIGHER,
    LOWER,
    MissingWeights,
    Setting,
    Value,
    mean_value,
)
from nerfgan_cli.evaluation.rows import Rows, Work, fill, folder_of
from nerfgan_cli.evaluation.samples import (
    Indices,
    available,
    batches,
    cameras_for,
    cameras_name,
    drawn_with,
    render,
    short,
)
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, Generator
from nerfgan_cli.losses.lpips import Lpips
from nerfgan_cli.media import Picture, to_pixels
from nerfgan_cli.metrics.psnr import LARGEST, PEAK, psnr, squared_error
from nerfgan_cli.metrics.ssim import ssim

QUICK, MOST = 200, 1000  # pairs of a bare evaluation, and those of the paper's table 4
PAIRS, LPIPS = "pairs", "lpips"  # tables; further networks look at the pairs without measuring anew
COLUMNS = ("psnr", "error", "psnr_raw", "error_raw", "ssim")  # of pairs; errors: mean squared
ALTERNATIVE = "leave lpips out of --metrics"


class Judge(NamedTuple):
    """The network of LPIPS, where there is one."""

    network: Lpips
    checksum: str


@dataclass(frozen=True)
class Likeness:
    """PSNR, SSIM or LPIPS."""

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
        columns = compare_pairs(setting, count, judge)
        assert setting.teacher is not None
        assert setting.generator is not None
        protocol: dict[str, object] = {
            "pairs": count,
            "teacher": f"{weights_checksum(setting.teacher):08x}",
            "cameras": cameras_name(setting),
            **drawn_with("the camera of the picture"),
            "resolution": setting.generator.img_resolution,
        }
        if self.name == "ssim":
            return [mean_value(f"ssim{short(count)}", columns["ssim"], "", HIGHER, protocol)]
        if self.name == "lpips":
            assert judge is not None
            network = setting.networks.lpips
            told = protocol | {"network": network, "network_sha256": judge.checksum}
            name = f"lpips{short(count)}:{name_of(network, judge.checksum, IMAGENET[network])}"
            return [mean_value(name, columns[LPIPS], "", LOWER, told)]
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
            f"it needs {published.name}, which is not installed: "
            + how_to_get(published, networks.lpips, "--lpips-weights")
        )

    def _judge(self, setting: Setting) -> Judge | None:
        """Also for the others, where it lies ready and can be read: they share the pass."""
        if setting.world.tell(self._lacking_network(setting) is not None):
            return None
        networks = setting.networks
        network = Lpips(networks.lpips)
        try:
            with setting.world.alike():
                published = IMAGENET[networks.lpips]
                file = networks.lpips_weights or find_or_fetch(published, ALTERNATIVE)
                network.load(file)
        except NerfganError:
            if self.name == "lpips":
                raise
            return None
        return Judge(network.to(setting.device), sha256_of(file))


def compare_pairs(setting: Setting, count: int, judge: Judge | None) -> dict[str, Array]:
    """Columns with a number for each pair; no LPIPS without its network."""
    generator, teacher = setting.generator, setting.teacher
    assert generator is not None
    assert teacher is not None
    facts = generator_facts(setting, generator, frontal=False) | {
        "teacher": network_facts(setting, teacher, DEFAULT_OPTIONS),
    }
    folders = {PAIRS: folder_of(setting.cache, PAIRS, facts)}
    if judge is not None:
        network = [setting.networks.lpips, judge.checksum]
        folders[LPIPS] = folder_of(setting.cache, LPIPS, facts | {"network": network})

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        for part in work:
            rows: dict[str, list[Rows]] = {name: [] for name in part.lacking}
            for some in batches(setting, part.indices):
                pair = _draw(setting, some, generator, teacher)
                for name in part.lacking:
                    rows[name].append(_distance(pair, judge) if name == LPIPS else _compare(pair))
            yield {name: np.concatenate(each) for name, each in rows.items()}

    what = f"pairs of {setting.name} and its teacher"
    tables = fill(
        setting.world, folders, count, make, lambda done: setting.progress(what, done, count)
    )
    columns = dict(zip(COLUMNS, tables[PAIRS].all().T, strict=True))
    if judge is not None:
        columns[LPIPS] = tables[LPIPS].all()[:, 0]
    return {name: column.astype(np.float64) for name, column in columns.items()}


class Pair(NamedTuple):
    """As saved: the student's and the teacher's, [B, H, W, 3]."""

    final: tuple[Picture, Picture]
    raw: tuple[Picture, Picture]


@torch.inference_mode()
def _draw(setting: Setting, indices: Indices, generator: Generator, teacher: Generator) -> Pair:
    cameras = cameras_for(setting, indices)
    ours = render(generator, setting.seed, indices, cameras, options=setting.options)
    theirs = render(teacher, setting.seed, indices, cameras)
    final = to_pixels(ours.image), to_pixels(theirs.image)
    return Pair(final, (to_pixels(ours.image_raw), to_pixels(theirs.image_raw)))


def _compare(pair: Pair) -> Rows:  # [B, COLUMNS]
    raw = np.full((2, len(pair.raw[0])), np.nan)
    if pair.raw[0].shape == pair.raw[1].shape:
        raw = np.stack([psnr(*pair.raw), squared_error(*pair.raw)])
    columns = [psnr(*pair.final), squared_error(*pair.final), *raw, ssim(*pair.final)]
    return np.stack(columns, axis=1).astype(np.float32)


@torch.inference_mode()
def _distance(pair: Pair, judge: Judge | None) -> Rows:  # [B, 1]
    assert judge is not None
    device = next(judge.network.parameters()).device
    found: torch.Tensor = judge.network(*(_quantised(shown).to(device) for shown in pair.final))
    rows: Rows = found.float().cpu().numpy()[:, None]
    return rows


def _quantised(pictures: Picture) -> torch.Tensor:  # [B, 3, H, W] in [−1, 1]
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def _decibels(name: str, numbers: Array, errors: Array, protocol: dict[str, object]) -> Value:
    """The mean of the PSNRs; that of the mean error, which is never larger, is in the protocol."""
    mean_error = max(float(errors.mean()), 1e-12)
    of_mean = min(float(10 * np.log10(PEAK**2 / mean_error)), LARGEST)
    return mean_value(name, numbers, "dB", HIGHER, protocol | {"psnr_of_mean_error": of_mean})


LIKENESS = [Likeness("psnr"), Likeness("ssim"), Likeness("lpips")]
