"""View consistency (metrics.md 8).

    views      one view carried over to another along the teacher's depth (`warped_psnr.py`)
    multiview  how well one scene explains thirty views, by the compact field of `reconstruction`

Values of `multiview` end in _fast: they are no PSNR_mv and SSIM_mv, whose scenes NeuS makes in
hours (`nerfgan consistency --export` writes what it needs). psnr_mv_gain is by how much the scene
explains the views better than one still picture does: a head that never turns is a flat card, and
only this number tells.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import degrees

import numpy as np
from numpy.typing import NDArray

from nerfgan_cli.checkpoints.checksum import space_checksum, weights_checksum
from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.features import generator_facts
from nerfgan_cli.evaluation.metric import HIGHER, Metric, Setting, Value
from nerfgan_cli.evaluation.rows import Rows, Work, fill, folder_of
from nerfgan_cli.evaluation.samples import SEEDS_APART, available, gather, own_share
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import Person, choose_batch
from nerfgan_cli.metrics.warped_psnr import TOLERANCE, YAW, both_ways, see_both_sides
from nerfgan_cli.reconstruction.fit import Fitting, explain
from nerfgan_cli.reconstruction.sweep import VIEWS, draw_sweep, half_depth, reduced, sweep
from nerfgan_cli.reconstruction.sweep import YAW as SWEEP_YAW
from nerfgan_cli.training.distributed import World

QUICK_PAIRS, PAIRS = 64, 1000  # subjects of a bare evaluation, and the most
QUICK_SUBJECTS, SUBJECTS = 3, 50  # the protocol of PSNR_mv has 50
SIDE = 64  # pixels of the views, for a scene in seconds

Array = NDArray[np.float64]


class Views:
    name = "views"

    def obstacle(self, setting: Setting) -> str | None:
        generator, teacher = setting.generator, _teacher(setting)
        if generator is None:
            return "it turns subjects to both sides: give a --model, not pictures"
        if teacher is None:
            return "it follows a teacher's depth from view to view: name the teacher with --teacher"
        if not teacher.has_depth:
            return "the --teacher draws no depth: name a volumetric one"
        if space_checksum(generator) != space_checksum(teacher):
            return "the teacher does not understand this model's latents: name its own --teacher"
        return None

    def measure(self, setting: Setting) -> list[Value]:
        generator, teacher = setting.generator, _teacher(setting)
        assert generator is not None
        assert teacher is not None
        count = min(available(setting, QUICK_PAIRS), PAIRS)
        own = own_share(setting.world, count)
        found = self._pairs(setting, generator, teacher, own)
        both = gather(setting.world, own, found)
        values = both[np.isfinite(both).all(axis=1)]
        if not len(values):
            raise InputError(
                "the teacher's depth has no point that both cameras see: train it further."
            )
        protocol: dict[str, object] = {
            "subjects": count,
            "without_common_points": count - len(values),
            "yaw_degrees": degrees(YAW),
            "tolerance": TOLERANCE,
            "teacher": f"{weights_checksum(teacher):08x}",
            "teachers_own": float(values[:, 1].mean()),
        }
        return [_mean(f"warped_psnr{count}", values[:, 0], "dB", protocol)]

    def _pairs(
        self, setting: Setting, generator: Generator, teacher: Generator, own: NDArray[np.int64]
    ) -> Array:  # [N, 2]: the generator's and the teacher's own
        rows = []
        seeds = [setting.seed * SEEDS_APART + int(index) for index in own]
        batch = setting.batch or choose_batch(teacher)
        for some in see_both_sides(teacher, seeds, batch=batch):
            networks = (generator, teacher)
            ways = [both_ways(each, some).mean(dim=1).cpu().numpy() for each in networks]
            rows.append(np.stack(ways, axis=1).astype(np.float64))
            done = sum(map(len, rows))
            setting.progress("pairs of views", min(done * setting.world.size, len(own)), len(own))
        return np.concatenate(rows) if rows else np.empty((0, 2))


class Multiview:
    name = "multiview"

    def obstacle(self, setting: Setting) -> str | None:
        if setting.generator is None:
            return (
                "it turns each subject: give a --model; nerfgan consistency --images takes the "
                "pictures of one subject"
            )
        return None

    def measure(self, setting: Setting) -> list[Value]:
        generator = setting.generator
        assert generator is not None
        count = min(available(setting, QUICK_SUBJECTS), SUBJECTS)
        own = own_share(setting.world, count)
        rows = []
        for done, index in enumerate(own):
            setting.progress("scenes of thirty views", done * setting.world.size, count)
            rows.append(_subject(setting, generator, int(index)))
        setting.progress("scenes of thirty views", count, count)
        found = gather(setting.world, own, np.array(rows, dtype=np.float64).reshape(-1, 3))
        protocol: dict[str, object] = {
            "subjects": count,
            "views": VIEWS,
            "yaw_rad": SWEEP_YAW,
            "side": min(SIDE, generator.img_resolution),
            "field": asdict(Fitting()),
            "psnr_still": float(found[:, 2].mean()),
        }
        return [
            _mean(f"psnr_mv_fast{count}", found[:, 0], "dB", protocol),
            _mean(f"ssim_mv_fast{count}", found[:, 1], "", protocol),
            _mean(f"psnr_mv_gain{count}", found[:, 0] - found[:, 2], "dB", protocol),
        ]


def _subject(setting: Setting, generator: Generator, index: int) -> Array:  # [3]
    """PSNR and SSIM of its scene, PSNR of its best still picture; means over the views."""
    facts = generator_facts(setting, generator, frontal=True) | {
        "subject": index,
        "views": [VIEWS, SWEEP_YAW, SIDE],
        "field": asdict(Fitting()),
    }

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        for _ in work:
            cameras = sweep(generator.camera_preset)
            person = Person(setting.seed * SEEDS_APART + index)
            batch = setting.batch or choose_batch(generator)
            pictures = np.stack(list(draw_sweep(generator, person, cameras, batch)))
            found = explain(reduced(pictures, SIDE), cameras, half_depth(generator.camera_preset))
            numbers = [found.psnr.mean(), found.ssim.mean(), found.psnr_still.mean()]
            yield {"multiview": np.array([numbers], dtype=np.float32)}

    folders = {"multiview": folder_of(setting.cache, "multiview", facts)}
    alone = World(setting.device)  # each process has subjects of its own
    table = fill(alone, folders, 1, make, lambda done: None)["multiview"]
    numbers: Array = table.all()[0].astype(np.float64)
    return numbers


def _teacher(setting: Setting) -> Generator | None:
    """A volumetric model is its own."""
    own = setting.generator is not None and setting.generator.has_depth
    return setting.teacher or (setting.generator if own else None)


def _mean(name: str, numbers: Array, unit: str, protocol: dict[str, object]) -> Value:
    error = float(numbers.std(ddof=1) / np.sqrt(len(numbers))) if len(numbers) > 1 else None
    return Value(name, float(numbers.mean()), error, unit, HIGHER, protocol)


CONSISTENCY: list[Metric] = [Views(), Multiview()]
