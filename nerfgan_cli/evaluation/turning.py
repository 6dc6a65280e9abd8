"""Pose accuracy, identity and landmark consistency: table 2 (metrics.md 4 to 6).

    pose       whether a head is seen from where the camera stands
    identity   whether it is still the same head, as from the front
    landmarks  whether its points are still where they were on it

They belong together: a head that never turns keeps its identity and its landmarks, and has no pose.
One pass draws each head from its own camera, from the front, and from another camera: identity is
also that of two views of any cameras, as EG3D measures it.
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
from nerfgan_cli.evaluation.samples import beside_teacher, cameras_name, drawn_with, short
from nerfgan_cli.evaluation.sittings import (
    conditioning,
    look_at_heads,
    mark,
    of_teacher,
    own_front_other,
)
from nerfgan_cli.metrics.identity import cosines
from nerfgan_cli.metrics.landmarks import landmark_errors

QUICK, MOST = 128, 1024  # heads of a bare evaluation, and of EG3D's protocol
PAIRS = "identity_pairs"
OWN, FRONT, OTHER = range(3)  # views of a head, see `own_front_other`
VIEWS = {
    (OWN, FRONT): "own camera against the front",
    (OWN, OTHER): "own camera against another",
}


@dataclass(frozen=True)
class Turning:
    """Pose, identity or landmarks."""

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
        count = min(beside_teacher(setting, QUICK), MOST)
        return self.values(setting, open_reader(setting, self.name), count)


def measure_identity(setting: Setting, reader: FaceReader, count: int) -> list[Value]:
    """Mean cosine between a view and the one from the front, and between any two."""

    def compare(view: Looks, other: Looks) -> Array:
        return cosines(view.codes, other.codes)

    values: list[Value] = []
    name = f"{short(count)}{mark(setting)}:{reader.sources[IDENTITY].name}"
    for kind, views in ((IDENTITY, (OWN, FRONT)), (PAIRS, (OWN, OTHER))):
        found, lost, protocol = compare_views(setting, reader, count, IDENTITY, views, compare)
        mean, error = float(found.mean()), standard_error(found)
        values += [
            Value(f"{kind}{name}", mean, error, "", HIGHER, protocol),
            *rate_of_lost(reader, f"{kind}_no_face{name}", lost, protocol),
        ]
    return values


def measure_landmarks(setting: Setting, reader: FaceReader, count: int) -> list[Value]:
    """What is left between the points of a view and of the front, laid on each other."""

    def compare(view: Looks, front: Looks) -> Array:
        return landmark_errors(view.points, front.points, distance_of_eyes(reader, front.points))

    front = (OWN, FRONT)
    found, lost, protocol = compare_views(setting, reader, count, LANDMARKS, front, compare)
    protocol |= {"alignment": "similarity", "unit": "distance between the eyes, from the front"}
    name = f"{short(count)}{mark(setting)}:{reader.sources[LANDMARKS].name}"
    mean = float(found.mean())
    return [
        Value(f"{LANDMARKS}{name}", mean, standard_error(found), "eyes²", LOWER, protocol),
        Value(f"{LANDMARKS}_root{name}", mean**0.5, None, "eyes", LOWER, protocol),
        *rate_of_lost(reader, f"{LANDMARKS}_no_face{name}", lost, protocol),
    ]


def compare_views(
    setting: Setting,
    reader: FaceReader,
    count: int,
    what: str,  # a key of the reader's sources
    views: tuple[int, int],  # a key of `VIEWS`
    compare: Callable[[Looks, Looks], Array],  # of both views -> one number each
) -> tuple[Array, float, dict[str, object]]:  # numbers of heads, the rate of lost ones, protocol
    """Of the heads that were found in both pictures, and of the teacher's for comparison."""
    protocol: dict[str, object] = {
        "heads": count,
        **reader.sources[what].told("network"),
        "views": VIEWS[views],
        "cameras": cameras_name(setting),
        **drawn_with(conditioning(setting)),
    }
    found, lost = _compare(setting, reader, count, views, compare)
    protocol |= {"no_face": lost}
    if setting.teacher is not None:
        theirs, _ = _compare(of_teacher(setting), reader, count, views, compare)
        protocol |= {"teacher": float(theirs.mean())}
    return found, lost, protocol


def _compare(
    setting: Setting,
    reader: FaceReader,
    count: int,
    views: tuple[int, int],
    compare: Callable[[Looks, Looks], Array],
) -> tuple[Array, float]:  # numbers of those found; the rate of the others
    looks = look_at_heads(setting, reader, own_front_other(setting), count)
    first, second = (looks[view] for view in views)
    both = first.found & second.found
    if not both.any():
        raise InputError(
            f"no face was found in any of {count} heads: take a model of faces, or other networks."
        )
    return compare(first.of(both), second.of(both)), float(1 - both.mean())


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
