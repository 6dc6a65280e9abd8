"""View consistency (metrics.md 8).

    warped_psnr  one view carried over to another along the teacher's depth (`metrics/warped_psnr`)
    psnr_mv      how well one scene explains thirty views, by the compact field of `reconstruction`

Values of `psnr_mv` have _fast in their names: they are no PSNR_mv and SSIM_mv, whose scenes NeuS
makes in hours (`nerfgan consistency --export` writes what it needs). psnr_mv_gain is by how much
the scene explains the views better than one still picture does: a head that never turns is a flat
card, and only this number tells. The field has no room for a picture of its own for each view: five
yaws between those it was made from are explained as well as these (both branches of the bundled
Mimic3D, three subjects: within 0.3 dB), so no second number tells of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import degrees
from typing import NamedTuple

import numpy as np

from nerfgan_cli.checkpoints.checksum import space_checksum, weights_checksum
from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.features import network_facts
from nerfgan_cli.evaluation.looks import Array
from nerfgan_cli.evaluation.metric import (
    HIGHER,
    Metric,
    Setting,
    Value,
    mean_value,
    teacher_facts,
)
from nerfgan_cli.evaluation.rows import Rows, Work, fill, folder_of
from nerfgan_cli.evaluation.samples import (
    SEEDS_APART,
    Indices,
    available,
    beside_teacher,
    gather,
    own_share,
)
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator
from nerfgan_cli.generators.drawing import Person, Sitter
from nerfgan_cli.media import Picture
from nerfgan_cli.metrics.warped_psnr import TOLERANCE, YAW, both_ways, see_both_sides, see_codes
from nerfgan_cli.reconstruction.fit import Explained, Fitting, explain
from nerfgan_cli.reconstruction.sweep import (
    TRUNCATION,
    VIEWS,
    draw_sweep,
    half_depth,
    reduced,
    sweep,
)
from nerfgan_cli.reconstruction.sweep import YAW as SWEEP_YAW
from nerfgan_cli.training.distributed import World

QUICK_PAIRS, PAIRS = 48, 1000  # subjects of a bare evaluation, and the most
QUICK_SUBJECTS, SUBJECTS = 3, 50  # the protocol of PSNR_mv has 50
# How the subjects of a scene are drawn, for the protocol.
TAKEN = {"truncation": TRUNCATION, "conditioning": "frontal", "noise": DEFAULT_OPTIONS.noise_mode}
SIDE = 64  # pixels of the views, for a scene in seconds
# Views at once. The last bits of a picture depend on how many are drawn with it, and a scene that
# is fitted to it shows them; so neither --batch nor a machine's memory decides.
ALONE = 1


class Scene(NamedTuple):
    """A subject's views, and the scene that explains them."""

    views: Picture  # [N, S, S, 3]
    explained: Explained

    @property
    def psnr(self) -> float:
        """In dB, as the others: means over the views."""
        return float(self.explained.psnr.mean())

    @property
    def ssim(self) -> float:
        return float(self.explained.ssim.mean())

    @property
    def gain(self) -> float:
        """By how much better than the best still picture."""
        return float((self.explained.psnr - self.explained.psnr_still).mean())


def make_scene(
    generator: Generator,
    person: Sitter,
    views: int,
    side: int,
    options: DrawOptions,
    batch: int = ALONE,
) -> Scene:
    """Of views side by side, reduced to a side."""
    cameras = sweep(generator.camera_preset, views)
    pictures = np.stack(list(draw_sweep(generator, person, cameras, batch, options)))
    small = reduced(pictures, side)
    return Scene(small, explain(small, cameras, half_depth(generator.camera_preset)))


def carry(
    generator: Generator, teacher: Generator, seeds: Sequence[int], options: DrawOptions
) -> Iterator[Array]:  # [1, 2], dB: the generator's, the teacher's own
    """Between two sides along the teacher's depth, mean of both ways; NaN without common points."""
    lead = teachers_options(generator, teacher, options)
    for one in see_both_sides(teacher, seeds, batch=ALONE, options=lead):
        ways = both_ways(generator, one, options), both_ways(teacher, one, lead)
        yield np.stack([each.double().nanmean(dim=1).cpu().numpy() for each in ways], axis=1)


def carry_one(
    generator: Generator, teacher: Generator, person: Sitter, options: DrawOptions
) -> tuple[float, float]:
    """The same of somebody, whom each draws from the codes that it understands."""
    lead = teachers_options(generator, teacher, options)
    seen = see_codes(teacher, person.codes(teacher), options=lead)
    own = both_ways(generator, seen._replace(ws=person.codes(generator)), options)
    first, second = (ways.double().nanmean() for ways in (own, both_ways(teacher, seen, lead)))
    return float(first), float(second)


def teachers_options(generator: Generator, teacher: Generator, options: DrawOptions) -> DrawOptions:
    """Whoever is its own teacher follows the depth of the branch that is judged."""
    if weights_checksum(generator) != weights_checksum(teacher):
        return DEFAULT_OPTIONS
    return DrawOptions(branch=options.branch)


class WarpedPsnr:
    name = "warped_psnr"

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
        count = min(beside_teacher(setting, QUICK_PAIRS), PAIRS)
        both = _pairs(setting, generator, teacher, count)
        values = both[np.isfinite(both).all(axis=1)]
        if not len(values):
            raise InputError(
                "the teacher's depth has no point that both cameras see: train it further."
            )
        protocol: dict[str, object] = {
            "subjects": count,
            "truncation": 1.0,
            "conditioning": "frontal",
            "without_common_points": count - len(values),
            "yaw_degrees": degrees(YAW),
            "tolerance": TOLERANCE,
            **teacher_facts(teacher, teachers_options(generator, teacher, setting.options)),
            "teachers_own": float(values[:, 1].mean()),
        }
        name = f"warped_psnr{len(values)}{setting.shown}"
        return [mean_value(name, values[:, 0], "dB", HIGHER, protocol)]


def _pairs(setting: Setting, generator: Generator, teacher: Generator, count: int) -> Array:
    """See `carry`; what was carried is kept."""
    facts = network_facts(setting, generator, setting.options) | {
        "teacher": network_facts(
            setting, teacher, teachers_options(generator, teacher, setting.options)
        ),
        "sides": [YAW, TOLERANCE, ALONE],
    }

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        for some in work:
            found = carry(generator, teacher, _seeds(setting, some.indices), setting.options)
            yield {"warped": np.concatenate(list(found)).astype(np.float32)}

    folders = {"warped": folder_of(setting.cache, "warped", facts)}
    what = f"pairs of views of {setting.name}"
    tables = fill(
        setting.world, folders, count, make, lambda done: setting.progress(what, done, count)
    )
    rows: Array = tables["warped"].all().astype(np.float64)
    return rows


class Multiview:
    name = "psnr_mv"

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
        facts = network_facts(setting, generator, setting.options)
        own, rows = own_share(setting.world, count), []
        with setting.world.alike():
            for done, index in enumerate(own):
                setting.progress("scenes of thirty views", done * setting.world.size, count)
                rows.append(_subject(setting, generator, facts, int(index)))
        setting.progress("scenes of thirty views", count, count)
        found = gather(setting.world, own, np.array(rows, dtype=np.float64).reshape(-1, 3))
        protocol: dict[str, object] = {
            "subjects": count,
            **TAKEN,
            "views": VIEWS,
            "yaw_rad": SWEEP_YAW,
            "side": min(SIDE, setting.side),
            "field": asdict(Fitting()),
        }
        names = ("psnr_mv_fast", "dB"), ("ssim_mv_fast", ""), ("psnr_mv_gain", "dB")
        return [
            mean_value(f"{name}{count}{setting.shown}", numbers, unit, HIGHER, protocol)
            for (name, unit), numbers in zip(names, found.T, strict=True)
        ]


def _subject(
    setting: Setting, generator: Generator, facts: Mapping[str, object], index: int
) -> Array:  # [3]: PSNR, SSIM, gain
    """Each is kept by itself: a scene takes long."""
    views = [VIEWS, SWEEP_YAW, TRUNCATION, SIDE, ALONE]
    about = {"subject": index, "views": views, "field": asdict(Fitting())}

    def make(work: Sequence[Work]) -> Iterator[Mapping[str, Rows]]:
        for _ in work:
            (seed,) = _seeds(setting, np.array([index]))
            scene = make_scene(generator, Person(seed, TRUNCATION), VIEWS, SIDE, setting.options)
            numbers = [scene.psnr, scene.ssim, scene.gain]
            yield {"scene": np.array([numbers], dtype=np.float32)}

    folders = {"scene": folder_of(setting.cache, "scene", {**facts, **about})}
    alone = World(setting.device)  # each process has subjects of its own
    table = fill(alone, folders, 1, make, lambda done: None)["scene"]
    numbers: Array = table.all()[0].astype(np.float64)
    return numbers


def _seeds(setting: Setting, indices: Indices) -> list[int]:
    return [setting.seed * SEEDS_APART + int(index) for index in indices]


def _teacher(setting: Setting) -> Generator | None:
    """A volumetric model is its own."""
    own = setting.generator is not None and setting.generator.has_depth
    return setting.teacher or (setting.generator if own else None)


CONSISTENCY: list[Metric] = [WarpedPsnr(), Multiview()]
