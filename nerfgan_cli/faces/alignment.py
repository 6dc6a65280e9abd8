"""One photograph: its face or marked points, the crop, the camera."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nerfgan_cli.cameras import Camera, CameraPreset, viewing_angles
from nerfgan_cli.errors import InputError
from nerfgan_cli.faces.cropping import (
    SIDE,
    Border,
    Crop,
    Pixels,
    central_crop,
    crop_of_five,
    crop_of_world,
)
from nerfgan_cli.faces.detector import Detector, Face
from nerfgan_cli.faces.estimation import Estimate, Estimator
from nerfgan_cli.faces.points import Marked
from nerfgan_cli.faces.pose import finished, solve_pose
from nerfgan_cli.faces.shapes import FIVE, Points, five_of

GIVEN = "camera as given"
SMALL = 128  # pixels of the photograph in the crop's side: fewer show in the picture
BEYOND = 0.1  # share of the crop that lies beyond the photograph
FAR_ASIDE, FAR_ABOVE = 45.0, 25.0  # degrees; FFHQ has few faces seen from there


class NoFaceError(InputError):
    """A photograph in which the detector finds nobody."""


class Aligned(NamedTuple):
    """All that is known of one photograph."""

    picture: Pixels  # [SIDE, SIDE, 3]
    camera: Camera
    crop: Crop
    method: str
    warnings: list[str]
    estimate: Estimate | None = None  # of a face
    points: Points | None = None  # [N, 2], marked by a person, in pixels of the final picture
    world: Points | None = None  # [N, 3], what the camera should show there, if that is known
    face: Face | None = None  # in the photograph
    number: int = 0  # of the face, by size; 1 is the largest
    faces: int = 0  # that were found


@dataclass(frozen=True)
class Aligner:
    """The tools; they serve several threads."""

    preset: CameraPreset
    border: Border = Border.reflect
    estimator: Estimator | None = None  # for faces
    detector: Detector | None = None  # for photographs without points

    def find(self, photo: Pixels, name: str) -> list[Face]:
        """The faces, the largest first; NoFaceError if there are none."""
        faces = self.detector.find(photo) if self.detector else []
        if not faces:
            raise NoFaceError(
                f"no face was found in {name}: give a photo that shows one larger or clearer, its "
                "points, or, for another subject, a camera."
            )
        return faces

    def align(self, photo: Pixels, name: str, number: int = 1) -> Aligned:
        """Face `number` of a photograph; 1 is the largest."""
        faces = self.find(photo, name)
        if number > len(faces):
            raise InputError(
                f"{name} shows {len(faces)} face{'s' * (len(faces) != 1)}, not {number}: choose "
                "another."
            )
        face = faces[number - 1]
        crop = crop_of_five(face.points, photo.shape[1], photo.shape[0])
        picture, five = crop.cut(photo, self.border), crop.to_crop(face.points)
        box = crop.to_crop(face.box.reshape(2, 2)).reshape(4)
        estimate = self._estimator().estimate(picture, five, box)
        aligned = self._finish(photo, picture, crop, estimate)
        return aligned._replace(face=face, number=number, faces=len(faces))

    def align_marked(self, photo: Pixels, marked: Marked, camera: Camera | None) -> Aligned:
        """By points that a person gave; a camera takes the place of the estimate."""
        height, width = photo.shape[:2]
        if marked.world is not None:
            crop = crop_of_world(marked.points, marked.world, self.preset)
        else:
            few = len(marked.points) == len(FIVE)
            crop = crop_of_five(marked.points if few else five_of(marked.points), width, height)
        picture, points = crop.cut(photo, self.border), crop.to_crop(marked.points)
        if marked.world is not None:
            method = GIVEN
            if camera is None:
                camera = finished(solve_pose(points, marked.world, self.preset), self.preset)
                method = f"{len(points)} points of the world"
            aligned = self._given(photo, picture, crop, camera, points)
            return aligned._replace(method=method, world=marked.world)
        five = points if few else five_of(points)
        if camera is None:
            estimate = self._estimator().from_points(five, None if few else points)
            return self._finish(photo, picture, crop, estimate)
        aligned = self._given(photo, picture, crop, camera, points)
        return aligned._replace(world=FIVE if self.estimator else None)  # cats have other faces

    def align_whole(self, photo: Pixels, camera: Camera) -> Aligned:
        """The middle of the photograph, with a camera as given."""
        crop = central_crop(photo.shape[1], photo.shape[0])
        return self._given(photo, crop.cut(photo, self.border), crop, camera, None)

    def _estimator(self) -> Estimator:
        if self.estimator is None:
            raise InputError("poses of faces are known for FFHQ's cameras: give a camera.")
        return self.estimator

    def _finish(self, photo: Pixels, picture: Pixels, crop: Crop, estimate: Estimate) -> Aligned:
        camera = finished(estimate.solved, self.preset)
        notes = [*estimate.notes, *warn(photo, crop, camera)]
        return Aligned(picture, camera, crop, estimate.method, notes, estimate)

    def _given(
        self, photo: Pixels, picture: Pixels, crop: Crop, camera: Camera, points: Points | None
    ) -> Aligned:
        notes = warn(photo, crop, camera)
        return Aligned(picture, camera, crop, GIVEN, notes, points=points)


def warn(photo: Pixels, crop: Crop, camera: Camera) -> list[str]:
    """What makes an inversion of this crop doubtful."""
    notes = []
    side, start = crop.side / np.array(crop.zoom), np.array(crop.left_top) / crop.zoom
    if side.min() < SMALL:
        notes.append(f"the subject is small: {side.min():.0f} pixels become {SIDE}")
    end = np.minimum(start + side, [photo.shape[1], photo.shape[0]])
    beyond = 1 - float((end - start.clip(min=0)).prod() / side.prod())
    if beyond > BEYOND:
        notes.append(f"{100 * beyond:.0f} % of the crop lie beyond the photo and are made up")
    yaw, pitch, _ = (float(angle[0].rad2deg()) for angle in viewing_angles(camera.cam2world))
    if abs(yaw) > FAR_ASIDE or abs(pitch) > FAR_ABOVE:
        seen = f"yaw {round(yaw)}, pitch {round(pitch)}"
        notes.append(f"seen from {seen}, where training pictures are few")
    return notes
