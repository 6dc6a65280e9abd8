"""Style codes of many subjects, for statistics of a latent space."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.drawing import latent

BATCH = 4096  # N


def sample_codes(generator: Generator, count: int, seed: int) -> Iterator[Tensor]:  # [≤ N, w_dim]
    """Codes of `count` Gaussian latents, N at a time; the seed is of the whole row."""
    random = np.random.RandomState(seed)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        yield _codes(generator, random.randn(size, generator.z_dim))


def codes_of_seeds(generator: Generator, seeds: Iterable[int]) -> Tensor:  # [N, w_dim]
    return _codes(generator, np.concatenate([latent(seed, generator.z_dim) for seed in seeds]))


@torch.inference_mode()
def _codes(generator: Generator, z: "np.ndarray") -> Tensor:
    """With the frontal camera as condition, and without truncation."""
    device = generator.latent_space().w_avg.device
    frontal = PRESETS[generator.camera_preset].frontal().to(device)
    return generator.mapping(torch.from_numpy(z).float().to(device), frontal)[:, 0]
