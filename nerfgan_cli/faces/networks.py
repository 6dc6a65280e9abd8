"""68 landmarks and the pose of a head, from ONNX networks that look at a square around a face.

One look is noisy: networks move with the square they are given. A face is looked at in squares of
three sizes and in the mirror, and the mean is taken; on renders of a head with known cameras this
lowers the worst error of 3DDFA's pose from 5.8 to 3.4 degrees.
"""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from nerfgan_cli.cameras import viewing_angles
from nerfgan_cli.data.ffhq_pose import pose_from_reconstruction
from nerfgan_cli.data.framing import Framing
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.faces.accuracy import PACK_POSE, Accuracy
from nerfgan_cli.faces.conventions import Convention, convention_of
from nerfgan_cli.faces.cropping import Pixels
from nerfgan_cli.faces.shapes import LANDMARKS, MIRRORED, Points

SIZES = (0.92, 1.0, 1.08)  # of the detector's box
BLACK = (0, 0, 0)


class Look(NamedTuple):
    """What a network says of one face; the angles are those of our camera."""

    landmarks: Points | None  # [68, 2], pixels of the picture
    angles: Points | None  # yaw, pitch, roll of the viewing direction, radians
    position: Points | None = None  # [3], of the camera in the world, at any distance


class Looker(Protocol):
    """A network, with all that it needs to be asked."""

    name: str
    pose_measured: Accuracy | None
    landmarks_measured: Accuracy | None  # of PnP on them with InsightFace's mean shape

    def look(self, picture: Pixels, box: Points) -> Look: ...  # [H, W, 3], [4]: x0, y0, x1, y1


def look_steadily(looker: Looker, picture: Pixels, box: Points) -> Look:
    """The mean over squares of several sizes, and over the mirrored picture."""
    center, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    width = picture.shape[1]
    flipped = np.ascontiguousarray(picture[:, ::-1])
    looks = []
    for size in SIZES:
        around = np.concatenate([center - size * half, center + size * half])
        looks.append(looker.look(picture, around))
        mirrored = np.array([width - around[2], around[1], width - around[0], around[3]])
        looks.append(unmirror(looker.look(flipped, mirrored), width))
    landmarks = [look.landmarks for look in looks if look.landmarks is not None]
    angles = [look.angles for look in looks if look.angles is not None]
    positions = [look.position for look in looks if look.position is not None]
    return Look(
        *(np.mean(all_, axis=0) if all_ else None for all_ in (landmarks, angles, positions))
    )


def unmirror(look: Look, width: int) -> Look:
    """What was seen in the mirror, as it is."""
    landmarks, angles, position = look
    return Look(
        None if landmarks is None else (landmarks * (-1, 1) + (width, 0))[MIRRORED],
        None if angles is None else angles * (-1, 1, -1),
        None if position is None else position * (-1, 1, 1),
    )


class Network:
    """An ONNX file, read as its convention says."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise WeightsError(f"there is no {path}: give the ONNX file of a network.")
        self.name = path.stem
        self.convention = convention_of(path)
        pose, landmarks = self.convention.pose, self.convention.landmarks
        self.pose_measured = pose.measured if pose else None
        self.landmarks_measured = landmarks.measured if landmarks else None
        self.session = open_session(path)
        self._input = self.session.get_inputs()[0]
        self._outputs = [output.name for output in self.session.get_outputs()]
        self.size = self._input_size(self.convention)

    def _input_size(self, convention: Convention) -> int:
        side = convention.size or self._input.shape[-1]
        if not isinstance(side, int):
            raise WeightsError(f"{self.name} does not fix its input's size: describe it.")
        return side

    def look(self, picture: Pixels, box: Points) -> Look:
        rule = self.convention.crop
        if rule.of == "picture":
            box = np.array([0.0, 0.0, picture.shape[1], picture.shape[0]])
        width, height = box[2:] - box[:2]
        length = (width + height) / 2 if rule.of == "mean" else max(width, height)
        side = rule.side * length
        center = (box[:2] + box[2:]) / 2 + (0, rule.down * length)
        left, top = center - side / 2
        framing = Framing(0, float(left), float(top), float(side))
        seen = framing.apply(Image.fromarray(picture), self.size, BLACK)
        outputs = self._run(np.asarray(seen, dtype=np.float32))
        return Look(self._landmarks(outputs, (left, top), side), *self._pose(outputs))

    def _run(self, pixels: Any) -> dict[str, Points]:  # [size, size, 3], 0 … 255
        convention = self.convention
        if convention.channels == "bgr":
            pixels = pixels[:, :, ::-1]
        values = (pixels - convention.mean) / convention.scale
        batch = np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)
        try:
            found = self.session.run(self._outputs, {self._input.name: batch})
        except Exception as error:  # onnxruntime's own classes, which it does not document
            raise WeightsError(
                f"{self.name} cannot be run as it is described ({first_line(error)}): correct "
                "its description, or take another network."
            ) from error
        named = {
            name: np.asarray(array, dtype=np.float64).reshape(-1)
            for name, array in zip(self._outputs, found, strict=True)
        }
        return named | {"": next(iter(named.values()))}

    def _landmarks(self, outputs: dict[str, Points], corner: Any, side: float) -> Points | None:
        rule = self.convention.landmarks
        if rule is None:
            return None
        flat = self._output(outputs, rule.output, 2 * LANDMARKS)
        points = flat.reshape(-1, 2) if rule.layout == "xyxy" else flat.reshape(2, -1).T
        first, last = rule.range
        return np.asarray((points - first) / (last - first) * side + corner)

    def _pose(self, outputs: dict[str, Points]) -> tuple[Points | None, Points | None]:
        """Angles, and the position if it is told."""
        rule = self.convention.pose
        if rule is None:
            return None, None
        if rule.form == "reconstruction":
            return pose_of_reconstruction(self._output(outputs, rule.output, 257))
        if rule.form == "affine":
            return angles_of_affine(self._output(outputs, rule.output, 12)), None
        return np.radians(self._output(outputs, rule.output, 3)[:3]) * rule.signs, None

    def _output(self, outputs: dict[str, Points], name: str, least: int) -> Points:
        if name not in outputs:
            raise WeightsError(
                f"{self.name} has no output {name!r}, only {', '.join(self._outputs)}: correct "
                "its description."
            )
        if len(outputs[name]) < least:
            raise WeightsError(
                f"the output {name!r} of {self.name} has {len(outputs[name])} numbers, not "
                f"{least}: it is another network than described."
            )
        return outputs[name][: max(least, 3)]


def pose_of_reconstruction(numbers: Points) -> tuple[Points, Points]:  # [257] -> [3], [3]
    angles, shift = (
        torch.from_numpy(numbers[None, 224:227]),
        torch.from_numpy(numbers[None, 254:257]),
    )
    pose = pose_from_reconstruction(angles, shift)
    seen = np.array([float(angle) for angle in viewing_angles(pose)])
    return seen, pose[0, :3, 3].numpy()


def angles_of_affine(numbers: Points) -> Points:  # [12] -> [3]
    """Of the rotation that is nearest to the first two rows."""
    matrix = numbers.reshape(3, 4)[:, :3]
    first, second = (row / np.linalg.norm(row) for row in matrix[:2])
    left, _, right = np.linalg.svd(np.stack([first, second, np.cross(first, second)]))
    return angles_of_head(left @ right)


def angles_of_head(rotation: Points) -> Points:  # [3, 3] -> [3]
    """Yaw, pitch, roll of the camera that sees a head turned so.

    The head's axes and the picture's are x right, y up, z towards the viewer. Angles of a head that
    are stated one by one mean other rotations than ours: turned by 20 degrees and nodding by 10,
    it is 4 degrees of roll off.
    """
    pose = torch.from_numpy(rotation.T * (1, -1, -1))[None]  # its columns: right, down, forward
    return np.array([float(angle) for angle in viewing_angles(pose)])


class PackLandmarks:
    """The network for 68 points in 3D of an InsightFace pack, with the pose that it implies."""

    pose_measured: Accuracy | None = PACK_POSE
    landmarks_measured: Accuracy | None = None

    def __init__(self, model: Any, pack: str) -> None:
        self._model = model
        self.name = f"{pack}-1k3d68"

    def look(self, picture: Pixels, box: Points) -> Look:
        from insightface.app.common import Face

        face = Face(bbox=box)
        points = self._model.get(np.ascontiguousarray(picture[:, :, ::-1]), face)
        # Turned about x, y, z in this order, with y down: looking up, to the right, clockwise.
        turns = np.asarray(face["pose"], dtype=np.float64) * (-1, 1, -1)
        rotation = Rotation.from_euler("xyz", turns, degrees=True).as_matrix()
        return Look(np.asarray(points[:, :2], dtype=np.float64), angles_of_head(rotation))


def open_session(path: Path) -> Any:
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(
            str(path), session_options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own classes, which it does not document
        raise WeightsError(
            f"{path} is no network that can be loaded ({first_line(error)}): get it again."
        ) from error


def session_options() -> Any:
    """One thread each: photographs are worked on side by side. Silent below errors."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120].rstrip(".: ")
