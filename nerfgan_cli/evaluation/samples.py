"""The pictures that are judged: sample `index` of a seed is always the same.

A sample's latent is that of the seed `index` in every other command (further seeds of evaluation
begin `SEEDS_APART` later), and its camera is drawn for (seed, index). Truncation is 1. Noise images
are the constant ones, but for distances of sets of pictures, as FID: there they are drawn as well,
and the depths of samples along a ray with them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.evaluation.metric import Setting
from nerfgan_cli.generators.contract import (
    DEFAULT_OPTIONS,
    DrawOptions,
    Generator,
    Rendering,
)
from nerfgan_cli.generators.drawing import choose_batch, latent
from nerfgan_cli.generators.mimic3d import BRANCH_3D
from nerfgan_cli.media import to_bytes
from nerfgan_cli.training.distributed import World
from nerfgan_cli.training.randomness import key, keyed
from nerfgan_cli.training.viewpoints import USUAL, spread_cameras

SEEDS_APART = 1 << 20  # samples of one seed; more would be those of the next
LIMIT = 2.0  # standard deviations, of cameras that no data tells (metrics.md 4)
LARGEST_SEED = 4095  # so that latents have seeds of 32 bits

Indices = NDArray[np.int64]  # [B]


class Drawn(NamedTuple):
    """Some pictures, on which a GPU may still be at work."""

    pictures: torch.Tensor  # [B, H, W, 3], uint8, where they were made
    finite: torch.Tensor  # whether all values were


def own_share(world: World, count: int) -> Indices:
    """The samples that this process draws: every so many."""
    return np.arange(world.rank, count, world.size)


def gather(world: World, indices: Indices, rows: NDArray[Any]) -> NDArray[Any]:
    """What all processes found for their shares, in the order of the indices."""
    parts = world.gather((indices, rows))
    order = np.argsort(np.concatenate([own for own, _ in parts]))
    everything: NDArray[Any] = np.concatenate([found for _, found in parts])[order]
    return everything


def draw_pictures(
    setting: Setting,
    indices: Indices,
    frontal: bool = False,  # the mapping network sees the frontal camera and not the picture's own
) -> Iterator[Drawn]:
    """The final pictures of who is judged, in batches; nobody waits for them."""
    generator, seed, options = setting.generator, setting.seed, setting.options
    if generator is None:
        for pictures in read_pictures(setting, indices):
            yield Drawn(torch.from_numpy(pictures), torch.tensor(True))
        return
    noisy = noise_mode(generator) == "random"
    for some in indices[:, None] if noisy else batches(setting, indices):
        if noisy:  # one by one, so that no other picture of a batch changes it
            draws = keyed(setting.device, seed, "evaluation noise", int(some[0]))
            options = replace(setting.options, noise_mode="random", generator=draws)
        cameras = cameras_for(setting, some)
        image = render(generator, seed, some, cameras, frontal, options).image
        yield Drawn(to_bytes(image), image.isfinite().all())


def noise_mode(generator: Generator) -> str:
    """Of pictures that only their statistics are asked of; as EG3D measures FID."""
    return "random" if generator.noise_images() else "none"


@torch.inference_mode()
def render(
    generator: Generator,
    seed: int,
    indices: Indices,  # [B]
    cameras: Camera,  # B
    frontal: bool = False,
    options: DrawOptions = DEFAULT_OPTIONS,
) -> Rendering:
    """Samples as a generator draws them."""
    device = generator.latent_space().w_avg.device
    z = latents(generator, seed, indices).to(device)
    front = PRESETS[generator.camera_preset].frontal()
    ws = generator.mapping(z, (front if frontal else cameras).to(device))
    return generator.synthesis(ws, cameras.to(device), options)


def latents(generator: Generator, seed: int, indices: Indices) -> torch.Tensor:  # [B, z_dim]
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"a seed of {seed} is out of range: use 0 to {LARGEST_SEED}.")
    if len(indices) and indices.max() >= SEEDS_APART:
        raise UsageError(f"{indices.max() + 1} samples are too many: use at most {SEEDS_APART}.")
    numbers = seed * SEEDS_APART + indices
    return torch.cat([latent(int(number), generator.z_dim) for number in numbers]).float()


def cameras_for(setting: Setting, indices: Indices) -> Camera:
    """Of the data, drawn with replacement; without data, of the domain's published spread."""
    if setting.data is not None:
        numbers = [key(setting.seed, "evaluation camera", int(index)) for index in indices]
        rows = np.asarray(numbers, dtype=np.int64) % len(setting.data)
        return Camera.from_label(setting.data.labels(rows))
    assert setting.generator is not None
    name = setting.generator.camera_preset
    draw = spread_cameras(PRESETS[name], USUAL[name], LIMIT)
    draws = (keyed("cpu", setting.seed, "evaluation camera", int(index)) for index in indices)
    return Camera.cat([draw(1, numbers) for numbers in draws])


def cameras_name(setting: Setting) -> str:
    """Where the cameras come from, for the protocol."""
    if setting.generator is None:
        return "of the pictures"
    if setting.data is not None:
        return f"of {setting.data.name}"
    spread = USUAL[setting.generator.camera_preset]
    kind = "uniform" if spread.uniform else f"Gaussian within {LIMIT:g} deviations"
    return f"{kind}, yaw {spread.yaw:g}, pitch {spread.pitch:g} rad"


def batches(setting: Setting, indices: Indices) -> Sequence[Indices]:
    """Parts that are drawn at once."""
    size = setting.batch
    if size is None:
        size = 16 if setting.generator is None else choose_batch(setting.generator, setting.options)
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def read_pictures(setting: Setting, indices: Indices) -> Iterator[NDArray[np.uint8]]:
    """Pictures that were made elsewhere, [B, H, W, 3], in batches."""
    images = setting.images
    assert images is not None
    if len(indices) and indices.max() >= len(images):
        raise InputError(f"{images.name} has {len(images)} pictures: ask for no more with --num.")
    for some in batches(setting, indices):
        items = [images[int(index)] for index in some]
        yield torch.stack([item.image for item in items]).permute(0, 2, 3, 1).numpy()


def available(setting: Setting, wanted: int) -> int:
    """How many samples a metric gets that would like `wanted` for a bare evaluation."""
    count = wanted if setting.number is None else setting.number
    return count if setting.images is None else min(count, len(setting.images))


def beside_teacher(setting: Setting, wanted: int) -> int:
    """The same of a metric for which the teacher draws too: half where that takes long."""
    slow = setting.teacher is not None and setting.teacher.branch == BRANCH_3D
    return available(setting, wanted // 2 if slow else wanted)


def drawn_with(conditioning: str) -> dict[str, object]:
    """How pictures of a generator are drawn, for the protocol."""
    return {"conditioning": conditioning, "truncation": 1.0, "noise": DEFAULT_OPTIONS.noise_mode}


def short(count: int) -> str:
    """2000 as "2k", as the papers write it in the names of metrics."""
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)
