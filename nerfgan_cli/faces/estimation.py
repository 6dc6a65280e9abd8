"""The camera of a face in its crop, by the best of what is known.

Best is the pose that a network states itself, else PnP on 68 landmarks, else PnP on five points:
`accuracy` has what was measured of each, and an estimate says it. PnP on 3DDFA's landmarks with the
mean shape of the face model behind EG3D's labels was 2.3 degrees off, 4.3 at worst. On 35 faces of
photographs, InsightFace's shape says 3.2 degrees less pitch than 3DDFA's pose, and the fit behind
the pose of InsightFace's packs 0.8 less.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nerfgan_cli.cameras import CameraPreset
from nerfgan_cli.errors import InputError
from nerfgan_cli.faces import accuracy
from nerfgan_cli.faces.accuracy import Accuracy
from nerfgan_cli.faces.calibration import Calibration
from nerfgan_cli.faces.cropping import SIDE, Pixels
from nerfgan_cli.faces.networks import Look, Looker, look_steadily
from nerfgan_cli.faces.pose import Solved, place, solve_pose, stand
from nerfgan_cli.faces.shapes import FIVE, RIGID, MeanShape, Points, to_world

FIVE_POINTS = "five points"
GIVEN = "the points given"
ROUGH = "only five points are known: pitch is rough, off by up to 7 degrees"
REMEDY = "calibrate, or give another mean shape"
JUDGE = "calibrate it, or judge by the overlay"
LOOSE = 0.03  # of the side: root mean square of what points and mean face differ


class Estimate(NamedTuple):
    """A camera, and what it was found from; points are in pixels of the final picture."""

    method: str
    solved: Solved  # its distance is not yet set
    five: Points  # [5, 2]
    landmarks: Points | None  # [68, 2]
    shape: Points  # [N, 3], in the world: what the camera should show at the points
    notes: list[str]
    known: str  # of how far this method is off


class Way(NamedTuple):
    """By which a camera is found."""

    method: str
    measured: Accuracy | None  # without calibration
    notes: list[str]  # that a calibration makes idle


@dataclass(frozen=True)
class Estimator:
    """The networks and what is known of them; serves several threads."""

    preset: CameraPreset
    shape: MeanShape
    lookers: tuple[Looker, ...] = ()
    by_landmarks: bool = False  # PnP also where a network states the pose
    calibration: Calibration | None = None

    def estimate(self, picture: Pixels, five: Points, box: Points) -> Estimate:
        """By the networks; `box` is the detector's, [4]."""
        looks = [(one.name, look_steadily(one, picture, box)) for one in self.lookers]
        landmarks = [(name, look.landmarks) for name, look in looks if look.landmarks is not None]
        poses = {name: look for name, look in looks if look.angles is not None}
        by, points = landmarks[0] if landmarks else ("", None)
        if not poses or (self.by_landmarks and landmarks):
            measured = {one.name: one.landmarks_measured for one in self.lookers}
            return self.from_points(five, points, by, measured.get(by))
        known = accuracy.of_mean([one.pose_measured for one in self.lookers if one.name in poses])
        way = Way(f"pose of {' and '.join(poses)}", known, [])
        return self._finish(way, self._posed([*poses.values()], five, points), five, points)

    def _posed(self, looks: list[Look], five: Points, landmarks: Points | None) -> Solved:
        """The mean of networks that state the pose; the points say where, unless they do."""
        seen, world = self._fitting(five, landmarks)
        angles = np.mean([look.angles for look in looks if look.angles is not None], axis=0)
        positions = [look.position for look in looks if look.position is not None]
        if len(positions) < len(looks):
            return place(angles, seen, world, self.preset)
        return stand(angles, np.mean(positions, axis=0), seen, world, self.preset)

    def from_points(
        self,
        five: Points,
        landmarks: Points | None,
        by: str = GIVEN,
        measured: Accuracy | None = None,  # with InsightFace's shape
    ) -> Estimate:
        """By PnP."""
        way = Way(FIVE_POINTS, accuracy.FIVE_POINTS, [ROUGH])
        if landmarks is not None:
            way = Way(f"68 landmarks of {by} on {self.shape.name}", None, [])
            if self.shape.biased:
                low = f"with {self.shape.name} pitch comes out about 3 degrees low: {REMEDY}"
                way = way._replace(measured=measured, notes=[low])
        seen, world = self._fitting(five, landmarks)
        return self._finish(way, solve_pose(seen, world, self.preset), five, landmarks)

    def _fitting(self, five: Points, landmarks: Points | None) -> tuple[Points, Points]:
        """Points in the picture that do not move with expression or turn, and in the world."""
        if landmarks is None:
            return five, FIVE
        return landmarks[RIGID], to_world(self.shape.points)[RIGID]

    def _finish(self, way: Way, found: Solved, five: Points, landmarks: Points | None) -> Estimate:
        """Calibrated, with a warning if points and shape do not fit or nobody knows how well."""
        notes = list(way.notes)
        known = str(way.measured or "never measured")
        if way.measured is None or way.measured.proxy:
            extent = "only in part" if way.measured else "never"
            notes.append(f"the error of this was {extent} measured: {JUDGE}")
        if self.calibration is not None:
            if self.calibration.estimator != way.method:
                raise InputError(
                    f"the calibration is for {self.calibration.estimator}, but this is "
                    f"{way.method}: fit one for it, or leave it out."
                )
            seen, world = self._fitting(five, landmarks)
            found = place(self.calibration.correct(found.angles), seen, world, self.preset)
            known, notes = str(self.calibration), []
        if found.error > LOOSE * SIDE:
            notes.append(
                f"points and mean face differ by {found.error:.0f} pixels: look at the overlay"
            )
        shape = FIVE
        if landmarks is not None:
            shape = np.concatenate([FIVE, to_world(self.shape.points)[RIGID]])
        return Estimate(way.method, found, five, landmarks, shape, notes, known)
