"""Cameras that are found along with the latent, from an estimate on (4.5).

Yaw, pitch and roll move the camera as angles do: on its sphere, aimed at the domain's pivot, and
with whatever the estimate's aim was off. The radius changes its distance. The shift moves the
picture, not the camera: a crop that was cut too far to one side.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nerfgan_cli.cameras import (
    Camera,
    CameraPreset,
    angles_from_pose,
    look_at,
    position_from_angles,
)
from nerfgan_cli.inversion.settings import CameraSettings

# How far each offset is usually off: yaw, pitch, roll in radians, radius as its logarithm, shift
# to the right and downwards in sides of the picture.
USUAL_ERRORS = (0.1, 0.1, 0.05, 0.03, 0.02, 0.02)


class CameraSearch(nn.Module):
    estimate: Tensor  # [V, 25]
    aim: Tensor  # [V, 4, 4], what the estimates are off from cameras that look at the pivot
    usual: Tensor  # [6]

    def __init__(self, estimate: Camera, preset: CameraPreset, settings: CameraSettings) -> None:
        super().__init__()
        self.preset, self.settings = preset, settings
        self.offsets = nn.Parameter(torch.zeros(len(estimate), len(USUAL_ERRORS)))
        self.register_buffer("usual", torch.tensor(USUAL_ERRORS))
        self.register_buffer("estimate", estimate.label)
        straight = self._poses(torch.zeros_like(self.offsets))
        aim = torch.linalg.solve(straight, estimate.cam2world)
        self.register_buffer("aim", aim)

    def cameras(self) -> Camera:  # V
        poses = self._poses(self.offsets) @ self.aim
        return Camera(poses, Camera.from_label(self.estimate).intrinsics)

    @property
    def shifts(self) -> Tensor:  # [V, 2]
        return self.offsets[:, 4:]

    def prior(self) -> Tensor:  # []
        """What keeps the cameras near their estimates."""
        return self.settings.prior * (self.offsets / self.usual).square().sum(dim=1).mean()

    def _poses(self, offsets: Tensor) -> Tensor:  # [V, 6] -> [V, 4, 4]
        """Cameras that look at the pivot, at the estimates' angles and the offsets."""
        estimate = Camera.from_label(self.estimate)
        angles = angles_from_pose(estimate.cam2world)
        yaw, pitch, roll = (angle + offsets[:, i] for i, angle in enumerate(angles))
        radius = estimate.position.norm(dim=1) * offsets[:, 3].exp()
        position = radius[:, None] * position_from_angles(yaw, pitch, 1.0)
        pivot = position.new_tensor(self.preset.pivot)
        return look_at(position, pivot, roll)


def shift_picture(image: Tensor, shift: Tensor) -> Tensor:  # [1, C, H, H], [2] -> [1, C, H, H]
    """What is in the picture moves to the right and down; edges are repeated."""
    identity = torch.eye(2, 3, device=image.device)
    moved = torch.cat([identity[:, :2], identity[:, 2:] - 2 * shift[:, None]], dim=1)
    grid = F.affine_grid(moved[None], list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)
