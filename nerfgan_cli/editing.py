"""Walks through latent space: interpolation between style codes."""

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

WRAPS = 2  # repetitions of the keyframes before and after, as in EG3D's videos


def interpolate_styles(
    keyframes: Tensor,  # [K, L, w_dim]
    times: Tensor,  # [T], in keyframes: 0 is the first, K the first again
) -> Tensor:  # [T, L, w_dim]
    """A closed, smooth walk through the keyframes: a cubic spline over the repeated row."""
    count = len(keyframes)
    knots = np.arange(-WRAPS * count, (WRAPS + 1) * count)
    values = np.tile(keyframes.double().cpu().numpy(), (2 * WRAPS + 1, 1, 1))
    walk = CubicSpline(knots, values, axis=0)(times.double().cpu().numpy())
    return torch.from_numpy(walk).to(keyframes)
