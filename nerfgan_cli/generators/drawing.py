"""From seeds and cameras to renderings, with any generator: what `image` and `video` share.

seed → z → mapping → ws → prepare ─┐
                      cameras ─────┴→ draw, in batches that fit
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.generators.contract import DrawOptions, Generator, Rendering, Subject

LARGEST_BATCH = 16  # more views at once gain nothing
MEMORY_SHARE = 0.25  # of the free memory, for one batch
MEMINFO = Path("/proc/meminfo")  # Linux
ASSUMED_MEMORY = 4 << 30  # where the system does not tell
# Bytes that the widest super-resolution layers hold per pixel of the picture: 128 channels at full
# size and 256 at half size, in float32, six copies at the worst moment.
BYTES_PER_PIXEL = 6 * 4 * (128 + 256 // 4)


@dataclass(frozen=True)
class Person:
    """Who is drawn: a seed, and how far it may be from the average."""

    seed: int
    truncation: float = 1.0
    truncation_cutoff: int | None = None  # layers that are truncated, from the first; None: all


def latent(seed: int, z_dim: int) -> Tensor:  # [1, z_dim], float64
    """The latent of a seed, as EG3D's own programs draw it."""
    return torch.from_numpy(np.random.RandomState(seed).randn(1, z_dim))


def prepare_subject(generator: Generator, person: Person, options: DrawOptions) -> Subject:
    """Everything about a person that no camera changes, with a frontal conditioning camera."""
    device = next(generator.parameters()).device
    frontal = PRESETS[generator.camera_preset].frontal().to(device)
    z = latent(person.seed, generator.z_dim).to(device, torch.float32)
    ws = generator.mapping(z, frontal, person.truncation, person.truncation_cutoff)
    return generator.prepare(ws, _keyed(options, person.seed, 0, device))


def draw_views(
    generator: Generator,
    subject: Subject,  # one
    cameras: Camera,  # N
    options: DrawOptions,
    batch: int,
    seed: int = 0,  # of random noise
) -> Iterator[Rendering]:  # N views in order, at most `batch` at a time
    """Draws a subject from each camera."""
    device = next(generator.parameters()).device
    if options.noise_mode == "random":
        batch = 1  # each view has a generator of its own, so that the batch size changes nothing
    for start in range(0, len(cameras), batch):
        views = cameras[start : start + batch].to(device)
        yield generator.draw(subject, views, _keyed(options, seed, start + 1, device))


def choose_batch(generator: Generator) -> int:
    """Views at once, so that a batch takes a part of the memory that is free."""
    per_view = BYTES_PER_PIXEL * generator.img_resolution**2
    budget = MEMORY_SHARE * free_memory(next(generator.parameters()).device)
    return max(1, min(LARGEST_BATCH, int(budget / per_view)))


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if not MEMINFO.exists():
        return ASSUMED_MEMORY
    lines = (line.split() for line in MEMINFO.read_text().splitlines())
    return next((int(line[1]) * 1024 for line in lines if line[0] == "MemAvailable:"), 0)


def _keyed(options: DrawOptions, seed: int, index: int, device: torch.device) -> DrawOptions:
    """`options` with random numbers that depend on the seed and the view only."""
    if options.noise_mode != "random":
        return options
    key = np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0]
    generator = torch.Generator(device).manual_seed(int(key) >> 1)
    return replace(options, generator=generator)
