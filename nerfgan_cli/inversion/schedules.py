"""How the rate and the noise of the pivot's search go with time (4.1; Karras et al. 2020, D)."""

from math import cos, pi

RATE = 0.01
RAMP_UP, RAMP_DOWN = 0.05, 0.25  # shares of all steps
NOISE = 0.05  # of w_std, the root-mean-square distance from the mean
NOISE_END = 0.75  # share of the steps after which there is none


def ramp(time: float) -> float:
    """Of a rate, at a time in [0, 1): linear from 0, then full, then down along a cosine."""
    down = 0.5 - 0.5 * cos(pi * min(1.0, (1 - time) / RAMP_DOWN))
    return down * min(1.0, time / RAMP_UP)


def rate(step: int, steps: int) -> float:
    return RATE * ramp(step / steps)


def latent_noise(step: int, steps: int) -> float:
    """In units of w_std: each coordinate gets as much, so that it is a search and no jitter."""
    left: float = max(0.0, 1 - step / steps / NOISE_END)
    return NOISE * left**2
