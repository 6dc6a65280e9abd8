"""Estimates on pictures whose cameras are known, to see and to correct what is wrong with them."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nerfgan_cli.camera_files import Named, load_cameras
from nerfgan_cli.cameras import viewing_angles
from nerfgan_cli.data.camera_plot import evenly
from nerfgan_cli.data.parallel import ordered_map
from nerfgan_cli.data.pictures import is_picture
from nerfgan_cli.data.storage import open_storage
from nerfgan_cli.data.views import PictureIndex
from nerfgan_cli.errors import InputError
from nerfgan_cli.faces.alignment import Aligner
from nerfgan_cli.faces.shapes import Points
from nerfgan_cli.photos import decode_photo

MOST = 500  # pictures, evenly spread over the set (metrics.md 4.3)

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


class Compared(NamedTuple):
    """Viewing angles of N pictures in radians: yaw, pitch, roll."""

    method: str
    estimated: Points  # [N, 3]
    true: Points  # [N, 3]
    without: int  # pictures in which no face was found


def compare(aligner: Aligner, source: Path, workers: int, progress: Progress) -> Compared:
    """Estimates of a folder or zip with labels; the aligner should not be calibrated."""
    labelled = load_cameras(source, aligner.preset)
    storage = open_storage(source)
    index = PictureIndex([name for name in storage.names if is_picture(name)])
    pairs = [(index.find(name or ""), camera) for name, camera in labelled]
    known = [(name, camera) for name, camera in pairs if name is not None]
    if not known:
        raise InputError(f"{source} has no pictures with these labels: add them.")
    chosen = [known[number] for number in evenly(len(known), MOST)]

    def attempt(pair: Named) -> tuple[str, Points] | None:
        name = str(pair[0])
        try:
            aligned = aligner.align(decode_photo(storage.read(name), name), name)
        except InputError:
            return None
        estimate = aligned.estimate
        return None if estimate is None else (estimate.method, estimate.solved.angles)

    results = list(progress(ordered_map(attempt, chosen, workers), len(chosen)))
    methods = Counter(result[0] for result in results if result is not None)
    if not methods:
        raise InputError(f"no face was found in any picture of {source}: give faces.")
    method = methods.most_common(1)[0][0]
    estimated, true = [], []
    for result, (_, camera) in zip(results, chosen, strict=True):
        if result is not None and result[0] == method:
            estimated.append(result[1])
            true.append([float(angle) for angle in viewing_angles(camera.cam2world)])
    return Compared(method, np.array(estimated), np.array(true), results.count(None))


def direction_errors(estimated: Points, true: Points) -> Points:  # [N, 3] × 2 -> [N], degrees
    """Angles between the directions from which the head is seen, whatever the roll."""

    def directions(angles: Points) -> Points:
        yaw, pitch, _ = angles.T
        flat = np.cos(pitch)
        return np.stack([np.sin(yaw) * flat, np.sin(pitch), np.cos(yaw) * flat], axis=1)

    cosine = (directions(estimated) * directions(true)).sum(axis=1)
    return np.asarray(np.degrees(np.arccos(cosine.clip(-1, 1))))
