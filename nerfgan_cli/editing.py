"""Walks and mixtures in latent space: interpolation between style codes, style mixing."""

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


def mix_styles(
    ws: Tensor,  # [B, L, w_dim]
    other: Tensor,  # [B, L, w_dim]
    layers: range,  # rows that are the other's
) -> Tensor:  # [B, L, w_dim]
    """One subject with some layers of another (style mixing; Karras et al. 2019, section 3.1).

    A student's mapping network makes the code of each layer from the row at its depth, so that this
    exchanges the inner codes of both, at whatever camera they are drawn.
    """
    mixed = ws.clone()
    mixed[:, layers] = other[:, layers]
    return mixed
