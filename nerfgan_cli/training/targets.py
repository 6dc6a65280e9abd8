"""What each branch of a teacher shows its student (Mimic3D as a teacher; mimic3d.md 21).

    2d       features, depth and picture of the 2D branch, as EG3D's
    3d       the strict picture and its depth; features of the 2D branch, since only the colours of
             the 3D branch mean something, and a super-resolution enlarges features
    hybrid   as 2d, and the strict picture beside the other; its depth

Raw colours, the first three channels of the features, can be the strict picture's in either of the
last two. A patch is a part of the strict picture, which then costs as many rays as it has pixels;
depth, and raw colours if they are its own, come from a smaller rendering of the whole.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.contract import DrawOptions, Rendering, Subject
from nerfgan_cli.generators.mimic3d import BRANCH_2D, BRANCH_3D
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.losses.features import RGB
from nerfgan_cli.nn.patches import patch_cameras
from nerfgan_cli.training import teacher_recipe
from nerfgan_cli.training.teacher_recipe import COARSE, DOWNSAMPLED, HYBRID, RENDERED


class Wanted(NamedTuple):
    """What a recipe asks of its teacher."""

    branch: str | None = None  # "2d", "3d" or "hybrid"; None: the teacher has no branches
    raw_colours: str = COARSE
    patch: int | None = None  # side of the part of the strict picture; None: all of it

    @property
    def is_strict(self) -> bool:
        """Whether the 3D branch draws."""
        return self.branch in (BRANCH_3D, HYBRID)

    @property
    def is_hybrid(self) -> bool:
        return self.branch == HYBRID

    @property
    def feature_branch(self) -> str | None:
        return BRANCH_2D if self.is_strict else self.branch

    @property
    def image_branch(self) -> str | None:
        """The one whose picture is the student's."""
        return BRANCH_2D if self.is_hybrid else self.branch

    def for_raw(self) -> "Wanted":
        """What is left where features and raw pictures are enough."""
        if self.is_strict and self.raw_colours != COARSE:
            return self
        return Wanted(self.feature_branch)


class Targets(NamedTuple):
    """Of B cameras; as in a `Lesson`."""

    features: Tensor  # [B, 32, r, r]
    depth: Tensor  # [B, 1, h, h]
    image: Tensor  # [B, 3, R, R]; a patch, in branch 3d; the raw picture where no more is needed
    image_raw: Tensor  # [B, 3, r, r]
    strict: Tensor | None = None  # [B, 3, R, R], or a patch


class Strict(NamedTuple):
    """Of the 3D branch."""

    image: Tensor  # [B, 3, R, R], or a patch; the raw picture where no more is needed
    image_raw: Tensor  # [B, 3, r, r]
    depth: Tensor  # [B, 1, h, h]


def choose(table: teacher_recipe.Teacher, teacher: VolumetricGenerator) -> Wanted:
    """What this teacher is asked for, if it has it."""
    branch = table.branch or teacher.branch
    needed = (BRANCH_2D, BRANCH_3D) if branch in (BRANCH_3D, HYBRID) else (branch,)
    if table.branch is not None and not teacher.branches:
        raise UsageError(
            f"the teacher {table.model} has no branches: leave teacher.branch out, or set "
            "teacher.model to a Mimic3D."
        )
    if branch is not None and not set(needed) <= set(teacher.branches):
        raise UsageError(
            f"the teacher {table.model} has only the branch {', '.join(teacher.branches)}, too few "
            f"for teacher.branch = {branch}: set that to {teacher.branch}, or teacher.model to a "
            "Mimic3D of the 3D phase, which has both."
        )
    if table.patch is not None and table.patch > teacher.img_resolution:
        raise UsageError(
            f"a patch of {table.patch}² is no part of a picture of {teacher.img_resolution}²: make "
            "teacher.patch smaller, or leave it out."
        )
    usual = COARSE if branch != BRANCH_3D else RENDERED if table.patch else DOWNSAMPLED
    return Wanted(branch, table.raw_colours or usual, table.patch)


def prepare(
    teacher: VolumetricGenerator, ws: Tensor, wanted: Wanted, options: DrawOptions
) -> Subject:
    """Subjects for `draw_targets`: those of the 3D branch serve both."""
    branch = BRANCH_3D if wanted.is_strict else wanted.branch
    return teacher.prepare(ws, replace(options, branch=branch))


def draw_targets(
    teacher: VolumetricGenerator,
    subject: Subject,  # B, of `prepare`
    camera: Camera,  # B
    corners: Tensor | None,  # [B, 2] of the patches; None: whole pictures
    wanted: Wanted,
    options: DrawOptions,
) -> Targets:
    """One view of each subject."""
    raw_only = options.raw_only or wanted.branch == BRANCH_3D
    own = replace(options, branch=wanted.feature_branch, raw_only=raw_only)
    drawn = teacher.draw(subject, camera, own)
    usual = Targets(drawn.features, depth_of(drawn), drawn.image, drawn.image_raw)
    if not wanted.is_strict:
        return usual
    size = drawn.features.shape[-1]
    strict = draw_strict(teacher, subject, camera, corners, wanted, options, size)
    features = drawn.features
    if wanted.raw_colours != COARSE:
        features = torch.cat([strict.image_raw, features[:, RGB:]], dim=1)
    if wanted.is_hybrid:
        return usual._replace(features=features, depth=strict.depth, strict=strict.image)
    return Targets(features, strict.depth, strict.image, strict.image_raw)


def draw_strict(
    teacher: VolumetricGenerator,
    subject: Subject,
    camera: Camera,
    corners: Tensor | None,
    wanted: Wanted,
    options: DrawOptions,
    size: int,  # of the raw picture
) -> Strict:
    """As many rays as its picture and its raw picture need."""
    options = replace(options, branch=BRANCH_3D, resolution=None)
    small = replace(options, resolution=size)
    if wanted.patch is None and wanted.raw_colours != RENDERED:
        whole = teacher.draw(subject, camera, options)
        raw = F.adaptive_avg_pool2d(whole.image, size)  # means of the pixels that each covers
        return Strict(raw if options.raw_only else whole.image, raw, depth_of(whole))
    rendered = teacher.draw(subject, camera, small)
    raw, depth = rendered.image, depth_of(rendered)
    if options.raw_only:
        return Strict(raw, raw, depth)
    if corners is None or wanted.patch is None:
        whole = teacher.draw(subject, camera, options)
        return Strict(whole.image, raw, depth_of(whole))
    part = patch_cameras(camera, corners, teacher.img_resolution, wanted.patch)
    patch = teacher.draw(subject, part, replace(options, resolution=wanted.patch))
    return Strict(patch.image, raw, depth)


def depth_of(drawn: Rendering) -> Tensor:
    """Of a teacher's rendering, which always has it."""
    assert drawn.depth is not None
    return drawn.depth
