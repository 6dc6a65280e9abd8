"""A model and the other one of its latents: a student and its teacher, of which one inverts."""

from enum import Enum
from pathlib import Path
from typing import NamedTuple

import torch

from nerfgan_cli.checkpoints.base import Base
from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.checkpoints.delta import base_of
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance, derived_licence
from nerfgan_cli.checkpoints.toyheads import toyheads_teacher
from nerfgan_cli.checkpoints.zoo import find_model
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.training.targets import Wanted

BRANCH = "branch"  # of its teacher, in what a student knows of its training


class Part(str, Enum):
    """Of a distillation: with which of both to invert."""

    student = "student"
    teacher = "teacher"


class Model(NamedTuple):
    """A generator, and how it was asked for."""

    name: str
    path: Path
    generator: Generator  # frozen

    @property
    def base(self) -> Base:
        return base_of(self.name, self.path, self.generator)

    @property
    def provenance(self) -> Provenance:
        """Of what is made from it."""
        before = read_header(self.path).provenance
        lesson = {key: value for key, value in before.training.items() if key == BRANCH}
        return Provenance(self.name, licence=derived_licence(before), training=lesson)


def open_models(
    model: str | None, part: Part | None, teacher: str | None, device: torch.device
) -> tuple[Model, Model | None]:
    """The one to invert with, and its counterpart, if there is one at hand."""
    given = open_model(model, device)
    if given.generator.has_depth:
        if part is Part.student:
            raise UsageError(f"{given.name} renders a volume: give a student, or leave --with out.")
        if teacher is not None:
            raise UsageError(f"{given.name} renders a volume itself: leave --teacher out.")
        return given, None
    volume = open_teacher(given, teacher, device)
    if part is not Part.teacher:
        return given, volume
    if volume is None:
        raise UsageError(
            f"the teacher of {given.name} is not known: name it with --teacher, as a file."
        )
    return volume, given


def open_model(model: str | None, device: torch.device) -> Model:
    path = find_model(model)
    generator = load_model(path, device).requires_grad_(False)
    return Model(model or path.stem, path, generator)


def open_teacher(student: Model, teacher: str | None, device: torch.device) -> Model | None:
    """The one that is named, or the bundled one if the student is of its latent space."""
    name = teacher or toyheads_teacher(student.generator)
    if name is None:
        return None
    found = open_model(name, device)
    if space_checksum(found.generator) != space_checksum(student.generator):
        raise WeightsError(
            f"{found.name} is not the teacher of {student.name}, their latent spaces differ: name "
            "the one that it was distilled from."
        )
    prefer_lesson(found.generator, student.path)
    return found


def prefer_lesson(teacher: Generator, student: Path) -> None:
    """From now on a teacher of several branches draws the one that the student learnt from.

    Of both ("hybrid") it is the 2D branch, as while it trained: the one whose features and picture
    are the student's.
    """
    branch = Wanted(read_header(student).provenance.training.get(BRANCH)).image_branch
    if branch in teacher.branches:
        teacher.prefer_branch(branch)
