"""The samples of a distillation: (z, camera) drawn by number, and what the teacher makes of them.

Lesson `number` of a run is always the same. A subject may be seen by several cameras: its w and its
planes are made once. What a teacher with two branches shows is in `targets.py`.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.data.contract import ImageSet
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.nn.patches import draw_corners
from nerfgan_cli.training import teacher_recipe
from nerfgan_cli.training.distill import Lesson
from nerfgan_cli.training.distill_recipe import CAMERAS_ALONE, DistillRecipe
from nerfgan_cli.training.feed import open_data, random_cameras
from nerfgan_cli.training.randomness import keyed
from nerfgan_cli.training.recipe_reader import to_plain
from nerfgan_cli.training.target_cache import TargetCache
from nerfgan_cli.training.targets import Targets, Wanted, choose, draw_targets, prepare
from nerfgan_cli.training.viewpoints import (
    DrawCameras,
    Spread,
    mixed_cameras,
    spread_cameras,
    usual_spread,
)

SURVEY_BATCH = 2048  # codes at once; feature images are surveyed one slice at a time
# Of [teacher], what changes no lesson.
UNSEEN = (
    *("model", "discriminator", "img_resolution", "cache_targets", "cache_folder"),
    *("statistics", "statistics_images"),
)


@dataclass(frozen=True)
class Lessons:
    """Draws lessons of `size` samples."""

    teacher: VolumetricGenerator
    table: teacher_recipe.Teacher
    cameras: DrawCameras
    seed: int
    size: int  # a multiple of the views per latent
    wanted: Wanted
    purpose: str = "lesson"
    raw_only: bool = False
    official_raw: bool = True
    cache: TargetCache | None = None

    @torch.no_grad()
    def __call__(self, number: int) -> Lesson:
        if self.cache is None:
            return self.draw(number)
        found = self.cache.get(f"{self.purpose}-{number:09d}", lambda: to_tensors(self, number))
        tensors = {name: tensor.to(self.device) for name, tensor in found.items()}
        return Lesson(camera=Camera.from_label(tensors.pop("label")), **tensors)

    @property
    def device(self) -> torch.device:
        return next(self.teacher.parameters()).device

    @torch.no_grad()
    def draw(self, number: int) -> Lesson:
        V, teacher = self.table.views_per_latent, self.teacher
        draws = keyed("cpu", self.seed, self.purpose, number)
        camera = self.cameras(self.size, draws)
        ws = self.codes(camera[::V], draws)
        jitter = keyed(self.device, self.seed, f"{self.purpose} jitter", number)
        options = DrawOptions(
            resolution=self.table.raw_resolution,
            raw_only=self.raw_only,
            generator=jitter if self.table.jitter else None,
            official_raw=self.official_raw,
        )
        camera = camera.to(self.device)
        wanted = self.wanted.for_raw() if self.raw_only else self.wanted
        corners = self._corners(number) if wanted.patch else None
        subject = prepare(teacher, ws, wanted, options)
        views = [
            draw_targets(
                *(teacher, subject, camera[v::V]),
                None if corners is None else corners[v::V],
                *(wanted, options),
            )
            for v in range(V)
        ]
        w = ws[:, 0].repeat_interleave(V, dim=0)
        return Lesson(w, camera, **side_by_side(views)._asdict(), corners=corners)

    def _corners(self, number: int) -> Tensor:  # [size, 2]
        """Of patches, anywhere in the picture."""
        draws = keyed("cpu", self.seed, f"{self.purpose} patches", number)
        assert self.wanted.patch is not None
        corners = draw_corners(self.size, self.teacher.img_resolution, self.wanted.patch, draws)
        return corners.to(self.device)

    @torch.no_grad()
    def codes(self, camera: Camera, draws: torch.Generator) -> Tensor:  # [n, L, w_dim]
        """Style codes of new subjects whose first view is this one."""
        table, n = self.table, len(camera)
        z = torch.randn(n, self.teacher.z_dim, generator=draws).to(self.device)
        conditioning = self._conditioning(camera, draws).to(self.device)
        psi = self._truncation(n, draws).to(self.device)
        ws = self.teacher.mapping(z, conditioning)
        if table.truncation == 1 and not table.truncation_share:
            return ws
        average = self.teacher.mapping(z, conditioning, truncation=0.0)
        return average.lerp(ws, psi[:, None, None])

    def _conditioning(self, camera: Camera, draws: torch.Generator) -> Camera:
        """The camera of the mapping network: now and then not the one of the picture."""
        others = self.cameras(len(camera), draws).label
        swapped = torch.rand(len(camera), 1, generator=draws) < self.swap_probability
        if self.table.conditioning == "frontal":
            return PRESETS[self.teacher.camera_preset].frontal().expand(len(camera))
        if self.table.conditioning == "same":
            return camera
        return Camera.from_label(torch.where(swapped, others, camera.label))

    @property
    def swap_probability(self) -> float:
        if self.table.swap_probability is not None:
            return self.table.swap_probability
        return self.teacher.swap_probability

    def _truncation(self, count: int, draws: torch.Generator) -> Tensor:  # [count]
        table = self.table
        chosen, place = torch.rand(2, count, generator=draws)
        between = table.truncation_least + place * (table.truncation - table.truncation_least)
        return torch.where(chosen < table.truncation_share, between, table.truncation)

    def survey(self) -> tuple[Tensor, Tensor, Tensor]:
        """Codes [N, w_dim] and cameras [N, 25] of new subjects, and their mean features [32]."""
        count = self.table.statistics
        surveyed: list[tuple[Tensor, Tensor]] = []
        for start in range(0, count, SURVEY_BATCH):
            draws = keyed("cpu", self.seed, f"{self.purpose} survey", start)
            camera = self.cameras(min(SURVEY_BATCH, count - start), draws)
            surveyed.append((self.codes(camera, draws)[:, 0], camera.label))
        codes, labels = (torch.cat(parts) for parts in zip(*surveyed, strict=True))
        few = replace(self, purpose=f"{self.purpose} features", raw_only=True, cache=None)
        numbers = range(-(-self.table.statistics_images // self.size))
        means = [few(number).features.mean(dim=(0, 2, 3)) for number in numbers]
        return codes, labels.to(codes.device), torch.stack(means).mean(dim=0)


def open_pictures(recipe: DistillRecipe, resolution: int) -> ImageSet | None:
    """The data that give cameras and, to stage 2, pictures; None: cameras are drawn alone."""
    table = recipe.data
    if table.kind == CAMERAS_ALONE:
        return None
    missing = table.path is not None and not Path(table.path).expanduser().exists()
    if missing and not recipe.is_adversarial:
        raise InputError(
            f"there is no {table.path}: give a folder or a zip of pictures, or "
            f"--set data.kind={CAMERAS_ALONE}, for stage 1 needs no pictures."
        )
    return open_data(table, resolution)


def open_lessons(
    recipe: DistillRecipe, teacher: VolumetricGenerator, data: ImageSet | None, size: int
) -> Lessons:
    """The lessons of a recipe, in slices of `size`."""
    table, spread = recipe.teacher, recipe.data
    if size % table.views_per_latent:
        raise UsageError(
            f"slices of {size} samples cannot be shared by {table.views_per_latent} views of each "
            "subject: make train.batch_gpu a multiple of teacher.views_per_latent."
        )
    if table.cache_targets % size:
        following = -(-table.cache_targets // size) * size
        raise UsageError(
            f"teacher.cache_targets of {table.cache_targets} cannot be shared by slices of {size} "
            f"samples: use {following} or another multiple, or 0."
        )
    name = recipe.model.camera_preset or teacher.camera_preset
    preset = PRESETS[name]
    angles = usual_spread(name, spread.yaw_spread, spread.pitch_spread, spread.uniform)
    usual: DrawCameras = spread_cameras(preset, angles)
    if data is not None:
        usual = partial(random_cameras, data)
    wide = spread_cameras(preset, Spread(table.wide_yaw, table.wide_pitch, uniform=True))
    cameras = mixed_cameras(usual, wide, table.wide_share)
    raw_only = not recipe.draws_images
    wanted = choose(table, teacher)
    lessons = Lessons(
        *(teacher, table, cameras, recipe.train.seed, size, wanted),
        raw_only=raw_only,
        official_raw=recipe.loss.official_raw,
    )
    if not table.cache_targets or lessons.device.type == "meta":
        return lessons
    unseen = (*UNSEEN, *Wanted._fields)  # what is wanted is said below, where it is not the usual
    asked = {key: value for key, value in to_plain(table).items() if key not in unseen}
    facts = {
        "teacher": weights_checksum(teacher),
        "asked": asked | {"swap_probability": lessons.swap_probability},
        "cameras": [name, angles if data is None else data.fingerprint()],
        "seed": recipe.train.seed,
        "size": size,
        "raw_only": raw_only,
        "device": lessons.device.type,
    }
    if wanted.branch is not None:
        facts["wanted"] = wanted._asdict()
    if not lessons.official_raw:
        facts["official_raw"] = False
    return replace(lessons, cache=TargetCache(table.cache_folder, facts))


def side_by_side(views: list[Targets]) -> Targets:
    """V views of n subjects each, as one of n·V in which each subject's follow."""

    def join(name: str) -> Tensor | None:
        parts = [getattr(view, name) for view in views]
        if parts[0] is None:
            return None
        both = torch.stack(parts, dim=1).flatten(0, 1)
        return both.contiguous()  # as it would come from a file; convolutions round alike then

    return Targets._make(map(join, Targets._fields))


def to_tensors(lessons: Lessons, number: int) -> dict[str, Tensor]:
    """A lesson as plain tensors: those that it has."""
    lesson = lessons.draw(number)
    named = lesson._asdict() | {"camera": None, "label": lesson.camera.label}
    return {name: tensor for name, tensor in named.items() if tensor is not None}


def lesson_number(place: int, distinct: int, seed: int) -> int:
    """Which lesson stands at a place of a run, when so many come again and again.

    First in order, then in a new order each time; 0: all are new.
    """
    if not distinct:
        return place
    epoch, index = divmod(place, distinct)
    if not epoch:
        return index
    order = torch.randperm(distinct, generator=keyed("cpu", seed, "order", epoch))
    return int(order[index])


def blank_lesson(student: Student, size: int, wanted: Wanted, device: torch.device) -> Lesson:
    """Zeros, of the sizes of a lesson."""
    r, R = student.raw_resolution, student.img_resolution
    blank = torch.zeros(size, 3, R, R, device=device)
    part = blank[..., : wanted.patch, : wanted.patch]
    channels = student.student_config.feature_channels
    return Lesson(
        w=torch.zeros(size, student.w_dim, device=device),
        camera=PRESETS[student.camera_preset].frontal().to(device).expand(size),
        features=torch.zeros(size, channels, r, r, device=device),
        depth=torch.ones(size, 1, r, r, device=device),
        image=blank if wanted.is_hybrid else part,
        image_raw=torch.zeros(size, 3, r, r, device=device),
        strict=part if wanted.is_hybrid else None,
        corners=torch.zeros(size, 2, dtype=torch.int64) if wanted.patch else None,
    )
