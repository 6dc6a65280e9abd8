"""Pose accuracy, identity and landmark consistency: table 2 (metrics.md 4 to 6).

    pose       whether a head is seen from where the camera stands
    identity   whether it is still the same head, as from the front
    landmarks  whether its points are still where they were on it

They belong together: a head that never turns keeps its identity and its landmarks, and has no pose.
One pass draws each head from its own camera and from the front.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nerfgan_cli.errors import InputError
from nerfgan_cli.evaluation.faces import find_face_obstacle, open_reader, rate_of_lost
from nerfgan_cli.evaluation.looks import (
    IDENTITY,
    LANDMARKS,
    POSE,
    Array,
    FaceReader,
    Looks,
    distance_of_eyes,
    standard_error,
)
from nerfgan_cli.evaluation.metric import HIGHER, LOWER, Metric, Setting, Value
from nerfgan_cli.evaluation.pose import measure_pose
from nerfgan_cli.evaluation.samples import available, cameras_name, short
from nerfgan_cli.evaluation.sittings import look_at_heads, of_teacher, own_and_front
from nerfgan_cli.metrics.identity import cosines
from nerfgan_cli.metrics.landmarks import landmark_errors

QUICK, MOST = 128, 1024  # heads of a bare evaluation, and of EG3D's protocol


@dataclass(frozen=True)
class Turning:
    """One of the three."""

    name: str
    values: Callable[[Setting, FaceReader, int], list[Value]]

    def obstacle(self, setting: Setting) -> str | None:
        images = setting.images
        if setting.generator is None and self.name != POSE:
            return "it compares views of the same head: give a --model, not pictures"
        if images is not None and not images.labels(np.arange(len(images))).isfinite().all():
            return "nobody knows the cameras of these pictures: name their table with --cameras"
        return find_face_obstacle(setting, self.name)

    def measure(self, setting: Setting) -> list[Value]:
        count = min(available(setting, QUICK), MOST)
        return self.values(setting, open_reader(setting), count)


def measure_identity(setting: Setting, reader: FaceReader, count: int) -> list[Value]:
    """Mean cosine between a view and the one from the front."""

    def compare(view: Looks, front: Looks) -> Array:
        return cosines(view.codes, front.codes)

    found, lost, protocol = compare_to_front(setting, reader, count, IDENTITY, compare)
    name = f"{short(count)}:{reader.sources[IDENTITY].name}"
    mean, error = float(found.mean()), standard_error(found)
    return [
        Value(f"{IDENTITY}{name}", mean, error, "", HIGHER, protocol),
        *rate_of_lost(reader, f"{IDENTITY}_no_face{name}", lost, protocol),
    ]


def measure_landmarks(setting: Setting, reader: FaceReader, count: int) -> list[Value]:
    """What is left between the points of a view and of the front, laid on each other."""

    def compare(view: Looks, front: Looks) -> Array:
        return landmark_errors(view.points, front.points, distance_of_eyes(reader, front.points))

    found, lost, protocol = compare_to_front(setting, reader, count, LANDMARKS, compare)
    protocol |= {"alignment": "similarity", "unit": "distance between the eyes, from the front"}
    name = f"{short(count)}:{reader.sources[LANDMARKS].name}"
    mean = float(found.mean())
    return [
        Value(f"{LANDMARKS}{name}", mean, standard_error(found), "eyes²", LOWER, protocol),
        Value(f"{LANDMARKS}_root{name}", mean**0.5, None, "eyes", LOWER, protocol),
        *rate_of_lost(reader, f"{LANDMARKS}_no_face{name}", lost, protocol),
    ]


def compare_to_front(
    setting: Setting,
    reader: FaceReader,
    count: int,
    what: str,  # a key of the reader's sources
    compare: Callable[[Looks, Looks], Array],  # views, fronts -> one number each
) -> tuple[Array, float, dict[str, object]]:  # numbers of heads, the rate of lost ones, protocol
    """Of the heads that were found in both pictures, and of the teacher's for comparison."""
    protocol: dict[str, object] = {
        "heads": count,
        "network": reader.sources[what].name,
        "network_sha256": reader.sources[what].sha256,
        "views": "own camera against the front",
        "cameras": cameras_name(setting),
        "conditioning": "frontal",
        "truncation": 1.0,
        "noise": "const",
    }
    found, lost = _compare(setting, reader, count, compare)
    protocol |= {"no_face": lost}
    if setting.teacher is not None:
        theirs, _ = _compare(of_teacher(setting), reader, count, compare)
        protocol |= {"teacher": float(theirs.mean())}
    return found, lost, protocol


def _compare(
    setting: Setting, reader: FaceReader, count: int, compare: Callable[[Looks, Looks], Array]
) -> tuple[Array, float]:  # numbers of those found; the rate of the others
    view, front = look_at_heads(setting, reader, own_and_front(setting), count)
    both = view.found & front.found
    if not both.any():
        raise InputError(
            f"no face was found in any of {count} heads: take a model of faces, or other networks."
        )
    return compare(view.of(both), front.of(both)), float(1 - both.mean())


TURNING = [
    Turning(POSE, measure_pose),
    Turning(IDENTITY, measure_identity),
    Turning(LANDMARKS, measure_landmarks),
]


def with_companions(metrics: Sequence[Metric]) -> list[Metric]:
    """With any of the three all of them, side by side: one alone would deceive."""
    three = {metric.name for metric in TURNING}
    chosen: list[Metric] = []
    for metric in metrics:
        if metric.name not in three:
            chosen.append(metric)
        elif TURNING[0] not in chosen:
            chosen += TURNING
    return chosen
