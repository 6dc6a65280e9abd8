"""What a user chose to align faces with, and the aligner that it makes."""

from dataclasses import dataclass
from pathlib import Path

from nerfgan_cli.cameras import PRESETS, CameraPreset
from nerfgan_cli.faces.alignment import Aligner
from nerfgan_cli.faces.batch import fingerprint
from nerfgan_cli.faces.calibration import read_calibration
from nerfgan_cli.faces.cropping import Border
from nerfgan_cli.faces.detector import DEFAULT_PACK, Detector
from nerfgan_cli.faces.estimation import Estimator
from nerfgan_cli.faces.networks import Looker, Network
from nerfgan_cli.faces.packs import folder_of
from nerfgan_cli.faces.shapes import insightface_shape, read_shape

FACES = "ffhq"  # whose cameras the mean face is placed for


@dataclass(frozen=True)
class Tools:
    """Files are read when the aligner is made."""

    like: str = FACES
    border: Border = Border.reflect
    pack: str = DEFAULT_PACK
    networks: tuple[Path, ...] = ()
    by_landmarks: bool = False
    mean_shape: Path | None = None  # None: that of the insightface package
    calibration: Path | None = None

    @property
    def preset(self) -> CameraPreset:
        return PRESETS[self.like]

    def aligner(self, detect: bool) -> Aligner:
        """With a detector, or only for photographs with points or a camera."""
        if self.like != FACES:
            return Aligner(self.preset, self.border)
        detector = Detector(self.pack) if detect else None
        lookers: tuple[Looker, ...] = tuple(Network(path) for path in self.networks)
        if not lookers and detector is not None and detector.landmarks is not None:
            lookers = (detector.landmarks,)
        shape = read_shape(self.mean_shape) if self.mean_shape else insightface_shape()
        calibration = read_calibration(self.calibration) if self.calibration else None
        estimator = Estimator(self.preset, shape, lookers, self.by_landmarks, calibration)
        return Aligner(self.preset, self.border, estimator, detector)

    def files(self) -> list[Path]:
        """All that are read, but the pack."""
        described = [path.with_suffix(".json") for path in self.networks]
        files = [*self.networks, *described, self.mean_shape, self.calibration]
        return [file for file in files if file is not None]

    def settings(self) -> str:
        """Changes when results would."""
        content = fingerprint([*self.files(), folder_of(self.pack)])
        return f"{self.like} {self.border.value} {self.pack} {self.by_landmarks} {content}"
