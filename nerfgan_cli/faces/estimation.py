"""The camera of a face in its crop, by the best of what is known.

Best is the pose that a network states itself, else PnP on 68 landmarks, else PnP on five points.
On 17 renders of a scanned head with known cameras (median and worst error of the direction from
which the head is seen, in degrees): 3DDFA's pose 1.6 and 3.4; its landmarks with the mean shape of
the face model behind EG3D's labels 2.3 and 4.3, with InsightFace's 2.7 and 5.3; five points 4.5 and
7.3. On 35 faces of photographs, InsightFace's shape says 3.2 degrees less pitch than 3DDFA's pose.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nerfgan_cli.cameras import CameraPreset
from nerfgan_cli.errors import InputError
from nerfgan_cli.faces.calibration import Calibration
from nerfgan_cli.faces.cropping import SIDE, Pixels
from nerfgan_cli.faces.networks import Looker, look_steadily
from nerfgan_cli.faces.pose import Solved, place, solve_pose
from nerfgan_cli.faces.shapes import FIVE, RIGID, MeanShape, Points, to_world

FIVE_POINTS = "five points"
GIVEN = "the points given"
LOOSE = 0.03  # of the side: root mean square of what points and mean face differ


class Estimate(NamedTuple):
    """A camera, and what it was found from; points are in pixels of the final picture."""

    method: str
    solved: Solved  # its distance is not yet set
    five: Points  # [5, 2]
    landmarks: Points | None  # [68, 2]
    shape: Points  # [N, 3], in the world: what the camera should show at the points
    notes: list[str]


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
        angles = {name: look.angles for name, look in looks if look.angles is not None}
        by, points = landmarks[0] if landmarks else ("", None)
        if not angles or (self.by_landmarks and landmarks):
            return self.from_points(five, points, by)
        method = f"pose of {' and '.join(angles)}"
        seen, world = self._fitting(five, points)
        mean = np.mean(list(angles.values()), axis=0)
        return self._finish(method, place(mean, seen, world, self.preset), five, points, [])

    def from_points(self, five: Points, landmarks: Points | None, by: str = GIVEN) -> Estimate:
        """By PnP."""
        notes = []
        method = FIVE_POINTS
        if landmarks is not None:
            method = f"68 landmarks of {by} on {self.shape.name}"
            if self.shape.biased and self.calibration is None:
                notes.append(
                    f"with {self.shape.name} pitch comes out about 3 degrees low: calibrate, or "
                    "give another mean shape"
                )
        elif self.calibration is None:
            notes.append("only five points are known: pitch is rough, off by up to 7 degrees")
        seen, world = self._fitting(five, landmarks)
        return self._finish(method, solve_pose(seen, world, self.preset), five, landmarks, notes)

    def _fitting(self, five: Points, landmarks: Points | None) -> tuple[Points, Points]:
        """Points in the picture that do not move with expression or turn, and in the world."""
        if landmarks is None:
            return five, FIVE
        return landmarks[RIGID], to_world(self.shape.points)[RIGID]

    def _finish(
        self,
        method: str,
        found: Solved,
        five: Points,
        landmarks: Points | None,
        notes: list[str],
    ) -> Estimate:
        """Calibrated, with a warning if points and shape do not fit."""
        if self.calibration is not None:
            if self.calibration.estimator != method:
                raise InputError(
                    f"the calibration is for {self.calibration.estimator}, but this is {method}: "
                    "fit one for it, or leave it out."
                )
            seen, world = self._fitting(five, landmarks)
            found = place(self.calibration.correct(found.angles), seen, world, self.preset)
        if found.error > LOOSE * SIDE:
            notes = [
                *notes,
                f"points and mean face differ by {found.error:.0f} pixels: look at the overlay",
            ]
        shape = FIVE
        if landmarks is not None:
            shape = np.concatenate([FIVE, to_world(self.shape.points)[RIGID]])
        return Estimate(method, found, five, landmarks, shape, notes)
