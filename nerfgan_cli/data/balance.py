"""Rebalancing: pictures from rare directions are shown several times (eg3d.md 11.3).

The release's "rebalanced" FFHQ repeats picture i of `dataset.json` n_i times, n_i from 1 to 16,
powers of two. It publishes these counts but not the rule behind them; `replicas_by_yaw` is ours.
"""

import json
from collections.abc import Sequence
from math import radians
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nerfgan_cli.cameras import Camera, angles_from_pose
from nerfgan_cli.data.archive import ImageArchive
from nerfgan_cli.data.labels import read_labels
from nerfgan_cli.errors import InputError

MOST_REPLICAS = 16  # of one picture, in the release
BIN = radians(5)  # of yaw: fine beside the spread of FFHQ, wide enough to count in


def repeat(counts: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Index i as often as counts[i] says, for `Chosen`."""
    return np.repeat(np.arange(len(counts)), counts)


def replicas_by_yaw(labels: Tensor) -> NDArray[np.int64]:  # [N, 25] -> [N]
    """Counts that flatten the distribution of yaw, in powers of two up to 16.

    A picture whose direction is k times rarer than the most common one appears about k times.
    """
    yaw, _, _ = angles_from_pose(Camera.from_label(labels).cam2world)
    bins = np.floor(yaw.numpy() / BIN + 0.5).astype(np.int64)  # the front is the middle of one
    _, own, sizes = np.unique(bins, return_inverse=True, return_counts=True)
    rarity = sizes.max() / sizes[own]
    doublings = np.minimum(np.round(np.log2(rarity)), np.log2(MOST_REPLICAS))
    counts: NDArray[np.int64] = (2**doublings).astype(np.int64)
    return counts


def read_replicas(path: Path, archive: ImageArchive) -> NDArray[np.int64]:
    """Counts from a JSON list in the order of the archive's `dataset.json`, as published."""
    try:
        counts = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path} ({error}): give a JSON list of counts.") from error
    names = read_labels(archive.storage).names
    fine = isinstance(counts, list) and all(type(n) is int and 0 <= n <= 1000 for n in counts)
    if not fine or len(counts) != len(names):
        raise InputError(
            f"{path} is not a list of {len(names)} counts, one for each label of "
            f"{archive.storage.path}: give the one that belongs to it."
        )
    by_name = dict(zip(names, counts, strict=True))
    own = np.array([by_name[name] for name in archive.pictures], dtype=np.int64)
    if not own.any():
        raise InputError(f"{path} leaves no picture of {archive.storage.path}: raise some counts.")
    return own
