"""Random numbers of a training run, each keyed by what it is for.

A generator depends on the seed of the run, a purpose and an index (a step, a slice of its batch),
never on what was drawn before: a run that is resumed, or shared by more processes, draws the same.
"""

from zlib import crc32

import numpy as np
import torch


def key(seed: int, purpose: str, *index: int) -> int:
    """A seed for one purpose, 63 bits."""
    words = np.random.SeedSequence([seed, crc32(purpose.encode()), *index])
    return int(words.generate_state(1, np.uint64)[0]) >> 1


def keyed(device: torch.device | str, seed: int, purpose: str, *index: int) -> torch.Generator:
    """A generator for one purpose."""
    return torch.Generator(device).manual_seed(key(seed, purpose, *index))
