"""PSNR, SSIM and LPIPS to the teacher's pictures of the same (z, camera): table 4 (metrics.md 7).

One pass draws both and measures all, so that what the teacher draws, which is most of the work, is
drawn once. Rows of the pass are kept like features. Pictures are compared as they are saved, at
their own resolution; by networks in `judges.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from nerfgan_cli.checkpoints.checksum import space_checksum, weights_checksum
from nerfgan_cli.errors import NerfganError
from nerfgan_cli.evaluation.features import generator_facts, network_facts
from nerfgan_cli.evaluation.judges import JUDGES, Judge, find_judge_obstacle, open_judge
from nerfgan_cli.evaluation.looks import Array
from nerfgan_cli.evaluation.metric import (
    HIGHER,
    LOWER,
    Setting,
    Value,
    mean_value,
    teacher_facts,
)
from nerfgan_cli.evaluation.rows import Rows, Work, fill, folder_of
from nerfgan_cli.evaluation.samples import (
    Indices,
    batches,
    beside_teacher,
    cameras_for,
    cameras_name,
    drawn_with,
    render,
    short,
)
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, Generator
from nerfgan_cli.media import Picture, to_pixels
from nerfgan_cli.metrics.psnr import LARGEST, PEAK, psnr, squared_error
from nerfgan_cli.metrics.ssim import ssim

QUICK, MOST = 200, 1000  # pairs of a bare evaluation, and those of the paper's table 4
PAIRS = "pairs"  # a table; each judge has one of its own, so that no pair is measured anew for it
COLUMNS = ("psnr", "error", "psnr_raw", "error_raw", "ssim")  # of pairs; errors: mean squared


@dataclass(frozen=True)
class Likeness:
    """PSNR, SSIM, or what a judge says."""

    name: str

    def obstacle(self, setting: Setting) -> str | None:
        generator, teacher = setting.generator, setting.teacher
        if generator is None:
            return "it compares pictures of the same latent: give a --model, not pictures"
        if setting.options.raw_only:
            return "it compares whole pictures, psnr their raw ones too: leave --what raw out"
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
        return find_judge_obstacle(setting, self.name) if self.name in JUDGES else None

    def measure(self, setting: Setting) -> list[Value]:
        count = min(beside_teacher(setting, QUICK), MOST)
        judges = self._judges(setting)
        columns = compare_pairs(setting, count, judges)
        assert setting.teacher is not None
        assert setting.generator is not None
        protocol: dict[str, object] = {
            "pairs": count,
            **teacher_facts(setting.teacher),
            "cameras": cameras_name(setting),
            **drawn_with("the camera of the picture"),
            "resolution": setting.generator.img_resolution,
        }
        if self.name == "ssim":
            return [mean_value(f"ssim{short(count)}", columns["ssim"], "", HIGHER, protocol)]
        if self.name in JUDGES:
            judge = judges[self.name]
            told = protocol | {"network": judge.name, "network_sha256": judge.checksum}
            name = f"{self.name}{short(count)}:{judge.name}"
            return [mean_value(name, columns[self.name], "", LOWER, told)]
        raw = protocol | {"resolution": setting.generator.raw_resolution}
        values = [_decibels(f"psnr{short(count)}", columns["psnr"], columns["error"], protocol)]
        if setting.teacher.rays_per_side() == setting.generator.raw_resolution:
            name = f"psnr_raw{short(count)}"
            values.append(_decibels(name, columns["psnr_raw"], columns["error_raw"], raw))
        return values

    def _judges(self, setting: Setting) -> dict[str, Judge]:
        """Those of other metrics too, where they can be had: they share the pass.

        Where metrics were named, of those alone.
        """
        found: dict[str, Judge] = {}
        for kind in JUDGES:
            if setting.named and kind not in {self.name, *setting.named}:
                continue
            if setting.world.tell(find_judge_obstacle(setting, kind) is not None):
                continue
            try:
                found[kind] = open_judge(setting, kind)
            except NerfganError:
                if self.name == kind:
                    raise
        return found


def compare_pairs(setting: Setting, count: int, judges: Mapping[str, Judge]) -> dict[str, Array]:
    """Columns with a number for each pair."""
    generator, teacher = setting.generator, setting.teacher
    assert generator is not None
    assert teacher is not None
    facts = generator_facts(setting, generator, frontal=False) | {
        "teacher": network_facts(setting, teacher, DEFAULT_OPTIONS),
    }
    folders = {PAIRS: folder_of(setting.cache, PAIRS, facts)} | {
        kind: folder_of(setting.cache, kind, facts | {"network": judge[1:]})
        for kind, judge in judges.items()
    }

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        for part in work:
            rows: dict[str, list[Rows]] = {name: [] for name in part.lacking}
            for some in batches(setting, part.indices):
                pair = _draw(setting, some, generator, teacher)
                for name in part.lacking:
                    judge = judges.get(name)
                    rows[name].append(_compare(pair) if judge is None else _ask(judge, pair))
            yield {name: np.concatenate(each) for name, each in rows.items()}

    what = f"pairs of {setting.name} and its teacher"
    tables = fill(
        setting.world, folders, count, make, lambda done: setting.progress(what, done, count)
    )
    columns = dict(zip(COLUMNS, tables[PAIRS].all().T, strict=True))
    columns |= {kind: tables[kind].all()[:, 0] for kind in judges}
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
def _ask(judge: Judge, pair: Pair) -> Rows:  # [B, 1]
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


LIKENESS = [Likeness(name) for name in ("psnr", "ssim", *JUDGES)]
