"""How a camera enters the student's mapping network (stylegan3.md 10.2, point 3).

Of the 25 numbers of a label most are constant over a data set. So by default each one is
standardised with the statistics of the labels, and those that never vary are dropped; the plain
label is the reproduction of the paper, and the Fourier code of the viewing angles the improvement.
"""

import torch
from torch import Tensor, nn

from nerfgan_cli.camera_presets import LABEL_SIZE
from nerfgan_cli.cameras import Camera, angles_from_pose
from nerfgan_cli.errors import UsageError

FOURIER_BANDS = 4  # angles are multiplied by 1, 2, 4, 8
CONSTANT_STD = 1e-4  # label entries that vary less than this carry no information

ENCODINGS = ("standardized", "label", "fourier")


def fourier_code(camera: Camera) -> Tensor:  # [B, 2·3·bands + 2]
    """Sines and cosines of the viewing angles at octave frequencies, log radius, log focal."""
    octaves = 2.0 ** torch.arange(FOURIER_BANDS, device=camera.device)
    angles = torch.stack(angles_from_pose(camera.cam2world), dim=1)  # [B, 3]
    phases = (angles[:, :, None] * octaves).flatten(1)
    radius = camera.position.norm(dim=1, keepdim=True)
    focal = camera.intrinsics[:, 0, :1]
    scalars = torch.cat([radius, focal], dim=1).clamp(min=1e-6).log()
    return torch.cat([phases.sin(), phases.cos(), scalars], dim=1)


class CameraEncoding(nn.Module):
    """Camera -> [B, size]. The statistics are buffers, filled before training."""

    label_mean: Tensor  # [25]
    label_std: Tensor  # [25]

    def __init__(self, encoding: str) -> None:
        super().__init__()
        if encoding not in ENCODINGS:
            raise UsageError(
                f"unknown camera encoding {encoding!r}: use one of {', '.join(ENCODINGS)}."
            )
        self.encoding = encoding
        self.size = 6 * FOURIER_BANDS + 2 if encoding == "fourier" else LABEL_SIZE
        if encoding == "standardized":
            self.register_buffer("label_mean", torch.zeros(LABEL_SIZE))
            self.register_buffer("label_std", torch.ones(LABEL_SIZE))

    def set_statistics(self, labels: Tensor) -> None:  # [N, 25]
        """Takes mean and spread from the labels that the student will be trained on."""
        if self.encoding == "standardized":
            self.label_mean.copy_(labels.mean(dim=0))
            self.label_std.copy_(labels.std(dim=0, correction=0))

    def forward(self, camera: Camera) -> Tensor:  # [B, size]
        if self.encoding == "fourier":
            return fourier_code(camera)
        if self.encoding == "label":
            return camera.label
        varies = self.label_std > CONSTANT_STD
        scale = torch.where(varies, 1 / self.label_std.clamp(min=CONSTANT_STD), 0.0)
        return (camera.label - self.label_mean) * scale
