"""From seeds and cameras to renderings, with any generator: what `image` and `video` share.

seed → z → mapping → ws → prepare ─┐
                      cameras ─────┴→ draw, in batches that fit
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.generators.contract import (
    DEFAULT_OPTIONS,
    DrawOptions,
    Generator,
    Rendering,
    Subject,
)

# Views at once: more gain nothing; on a CPU hardly any do, and the progress would be jerky.
LARGEST_BATCH = {"cuda": 16, "mps": 4, "cpu": 4}
MEMORY_SHARE = 1 / 8  # for one batch, and for the subjects of a video; of all memory and not of
# what is free: so that the same command gives the same picture, to the last bit, on a machine that
# is busy with something else
ASSUMED_MEMORY = 8 << 30  # where the system does not tell
# Peak per pixel of the picture, in float32, as measured at 512² on a CPU: 1,790 for EG3D, 1,870
# for the largest student, 340 for the lightest.
BYTES_PER_PIXEL = 2000
BYTES_PER_RAY = 100  # beside the chunk that is rendered: 70 of Mimic3D's 3D branch at 1024²


@dataclass(frozen=True)
class Person:
    """Who is drawn: a seed, and how far it may be from the average."""

    seed: int
    truncation: float = 1.0
    truncation_cutoff: int | None = None  # layers that are truncated, from the first; None: all
    conditioning: Camera | None = None  # None: frontal; any other one changes the person a little

    @property
    def name(self) -> str:
        return f"seed {self.seed}"

    def codes(self, generator: Generator) -> Tensor:  # [1, L, w_dim]
        device = next(generator.parameters()).device
        camera = self.conditioning
        if camera is None:
            camera = PRESETS[generator.camera_preset].frontal()
        z = latent(self.seed, generator.z_dim).float().to(device)  # MPS has no float64
        return generator.mapping(z, camera.to(device), self.truncation, self.truncation_cutoff)


class Sitter(Protocol):
    """Whoever is drawn: a `Person`, or somebody whose codes are known."""

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int:
        """Of random noise."""

    def codes(self, generator: Generator) -> Tensor:  # [1, L, w_dim]
        ...


def latent(seed: int, z_dim: int) -> Tensor:  # [1, z_dim], float64
    """The latent of a seed, as EG3D's own programs draw it."""
    return torch.from_numpy(np.random.RandomState(seed).randn(1, z_dim))


def prepare_subject(generator: Generator, person: Sitter, options: DrawOptions) -> Subject:
    """Everything about a person that no camera changes."""
    device = next(generator.parameters()).device
    return generator.prepare(person.codes(generator), _keyed(options, person.seed, 0, device))


class Subjects:
    """The people of a video, each prepared once as long as they fit a share of the memory.

    The planes of a full-size EG3D take 25 MB. Whoever no longer fits is prepared again, and comes
    out the same, each time; the first ones stay, since all are asked for in turn.
    """

    def __init__(self, device: torch.device) -> None:
        self.left = int(MEMORY_SHARE * total_memory(device))  # bytes
        self.kept: dict[tuple[Generator, Sitter], Subject] = {}

    def prepare(self, generator: Generator, person: Sitter, options: DrawOptions) -> Subject:
        if (generator, person) in self.kept:
            return self.kept[generator, person]
        subject = prepare_subject(generator, person, options)
        size = sum(tensor.nbytes for tensor in subject if tensor is not None)
        if size <= self.left:
            self.left -= size
            self.kept[generator, person] = subject
        return subject


def draw_views(
    generator: Generator,
    subject: Subject,  # one
    cameras: Camera,  # N
    options: DrawOptions,
    batch: int,
    seed: int = 0,  # of random noise
    first: int = 0,  # number of the first view, for random noise
) -> Iterator[Rendering]:  # N views in order, at most `batch` at a time
    """Draws a subject from each camera."""
    device = next(generator.parameters()).device
    if options.noise_mode == "random":
        batch = 1  # each view has a generator of its own, so that the batch size changes nothing
    for start in range(0, len(cameras), batch):
        views = cameras[start : start + batch].to(device)
        yield generator.draw(subject, views, _keyed(options, seed, first + start + 1, device))


def choose_batch(generator: Generator, options: DrawOptions = DEFAULT_OPTIONS) -> int:
    """Views at once, so that a batch takes a modest part of the memory."""
    device = next(generator.parameters()).device
    rays = generator.rays_per_side(options) ** 2
    per_view = max(BYTES_PER_PIXEL * generator.img_resolution**2, BYTES_PER_RAY * rays)
    fitting = int(MEMORY_SHARE * total_memory(device) / per_view)
    return max(1, min(LARGEST_BATCH[device.type], fitting))


def total_memory(device: torch.device) -> int:
    """Bytes of a device."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return ASSUMED_MEMORY
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _keyed(options: DrawOptions, seed: int, index: int, device: torch.device) -> DrawOptions:
    """`options` with random numbers that depend on the seed and the view only."""
    if options.noise_mode != "random":
        return options
    key = np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0]
    generator = torch.Generator(device).manual_seed(int(key) >> 1)
    return replace(options, generator=generator)


@torch.inference_mode()
def heeds_conditioning(generator: Generator) -> bool:
    """Whether its mapping network listens to the camera at all."""
    device = generator.latent_space().w_avg.device
    preset = PRESETS[generator.camera_preset]
    z = latent(0, generator.z_dim).float().to(device)
    first, second = (generator.mapping(z, preset.at(yaw).to(device)) for yaw in (0.0, 0.3))
    return not torch.equal(first, second)
