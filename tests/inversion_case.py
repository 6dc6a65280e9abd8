"""Inversions small enough for tests: a random EG3D of 64², its student, a discriminator."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from distill_case import CRITIC, save_teacher
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.delta import base_of
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PredictorConfig, student_config
from nerfgan_cli.inversion.distances import Distances
from nerfgan_cli.inversion.photos import View, to_target
from nerfgan_cli.inversion.pivot import PivotSearch
from nerfgan_cli.inversion.run import Job
from nerfgan_cli.inversion.settings import PivotSettings, Settings, TuningSettings
from nerfgan_cli.inversion.stage import Stage, Terms
from nerfgan_cli.inversion.statistics import measure_codes
from nerfgan_cli.inversion.tuning import Tuning
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.media import to_pixels, write_png
from nerfgan_cli.nn.discriminators import DualDiscriminator

SIDEWAYS = PRESETS["ffhq"].at(0.3, 0.1)


class Pixels(Perceptual):
    """A distance that is simple enough to reason about."""

    def forward(self, drawn: Tensor, target: Tensor) -> Tensor:
        return (drawn - target).square().mean(dim=(1, 2, 3))


PIXELS = Distances(Pixels(), Pixels(), ("pixels", "pixels"), 0.0)


class Models(NamedTuple):
    teacher: Path
    student: Path
    critic: Path


def write_models(folder: Path) -> Models:
    models = Models(*(folder / f"{name}.safetensors" for name in Models._fields))
    save_teacher(models.teacher, 1)
    teacher = load_model(models.teacher)
    assert isinstance(teacher, EG3D)
    predictor = PredictorConfig("stylegan2", channel_base=128, channel_max=8)
    config = replace(
        student_config("light", teacher), predictor=predictor, mapping_lr_multiplier=1.0
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        student = Student(config)
        student.start_from_teacher(teacher)
        codes = teacher.mapping(torch.randn(64, teacher.z_dim), PRESETS["ffhq"].frontal())[:, 0]
        angles = torch.linspace(-0.5, 0.5, 16)
        student.set_statistics(codes, PRESETS["ffhq"].at(angles, angles / 2).label)
        save_model(models.student, student, Provenance("student", licence="Some terms."))
        save_model(models.critic, DualDiscriminator(CRITIC), Provenance("critic"))
    return models


@torch.no_grad()
def sample(generator: Generator, camera: Camera = SIDEWAYS, seed: int = 5) -> Tensor:
    """Somebody whom the generator can draw exactly: [1, 3, H, H]."""
    return generator.synthesis(codes_of(generator, seed), camera).image


@torch.no_grad()
def codes_of(generator: Generator, seed: int = 5) -> Tensor:  # [1, L, w_dim]
    z = torch.from_numpy(np.random.RandomState(seed).randn(1, generator.z_dim)).float()
    return generator.mapping(z, PRESETS[generator.camera_preset].frontal())


def write_photo(path: Path, model: Path, camera: Camera = SIDEWAYS, seed: int = 5) -> Path:
    write_png(to_pixels(sample(load_model(model), camera, seed))[0], path)
    return path


def view_of(generator: Generator, camera: Camera = SIDEWAYS, seed: int = 5) -> View:
    return View(to_target(to_pixels(sample(generator, camera, seed))[0]), camera)


def make_job(model: Path, settings: Settings, seed: int = 5) -> Job:
    """Of the model's own sample, seen from the side, compared by pixels."""
    generator = load(model)
    views, base = [view_of(generator, seed=seed)], base_of(str(model), model, generator)
    return Job("sample", generator, base, Provenance("x"), views, PIXELS, settings)


def quick(pivot: int = 4, tuning: int = 3, **settings: Any) -> Settings:
    stages = PivotSettings(steps=pivot), TuningSettings(steps=tuning)
    return Settings(*stages, **{"depth_multiplier": 1.0, **settings})


def load(path: Path) -> Generator:
    return load_model(path).requires_grad_(False)


def search(
    generator: Generator, settings: Settings, views: Sequence[View] | None = None
) -> PivotSearch:
    """Stage 1, of the generator's own sample if no views are given."""
    views = [view_of(generator)] if views is None else views
    return PivotSearch(generator, views, PIXELS.pivot, measure_codes(generator), settings)


def tuning(
    generator: Generator,
    pivot: Tensor,  # [1, L, w_dim]
    view: View | None = None,
    stop: float = 0.0,
    **settings: float,
) -> Tuning:
    """Stage 2, likewise."""
    table = Settings(tuning=TuningSettings(**{"steps": 12, **settings}), depth_multiplier=1.0)
    return Tuning(generator, pivot, [view or view_of(generator)], PIXELS.tuning, table, stop)


def run(stage: Stage) -> list[Terms | None]:
    """All steps."""
    return [stage.step(index) for index in range(stage.steps)]
