"""Where style codes lie: their mean, and how far from it they are (4.1)."""

from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.generators.codes import sample_codes
from nerfgan_cli.generators.contract import Generator

SAMPLES = 10_000
SEED = 123  # both of NVIDIA's projector
KEPT = 256


class Statistics(NamedTuple):
    w_avg: Tensor  # [w_dim]
    w_std: Tensor  # [], root-mean-square *distance* from the mean, and not of one coordinate
    codes: Tensor  # [KEPT, w_dim], some of them


@torch.no_grad()
def measure_codes(generator: Generator) -> Statistics:
    """Of a generator's latent space, conditioned on the frontal camera."""
    codes = torch.cat(list(sample_codes(generator, SAMPLES, SEED)))
    w_avg = codes.mean(dim=0)
    w_std = (codes - w_avg).square().sum(dim=1).mean().sqrt()
    return Statistics(w_avg, w_std, codes[:KEPT].clone())
