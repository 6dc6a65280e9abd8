"""Cameras that are found along with the latent, from an estimate on (4.5).

Yaw, pitch and roll move the camera as angles do: on its sphere, aimed at the domain's pivot, and
with whatever the estimate's aim was off. The radius changes its distance. The shift moves the
picture, not the camera: a crop that was cut too far to one side.

A camera that nobody told may be anywhere in the domain: its angles are as far from the frontal
one's as those of the domain usually are, and its search begins at the best of several yaws
(`first_cameras`).
"""

from collections.abc import Sequence
from math import inf, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nerfgan_cli.cameras import (
    PRESETS,
    Camera,
    angles_from_pose,
    look_at,
    position_from_angles,
)
from nerfgan_cli.inversion.settings import CameraSettings
from nerfgan_cli.training.viewpoints import Spread, usual_spread

# How far each offset of an estimate is usually off: yaw, pitch, roll in radians, radius as its
# logarithm, shift to the right and downwards in sides of the picture.
USUAL_ERRORS = (0.1, 0.1, 0.05, 0.03, 0.02, 0.02)
SIDES = 8  # yaws to begin at, of a domain that is seen all round; else
DEVIATIONS = (0.0, -0.75, 0.75, -1.5, 1.5)  # of its yaws


class CameraSearch(nn.Module):
    estimate: Tensor  # [V, 25]
    aim: Tensor  # [V, 4, 4], what the estimates are off from cameras that look at the pivot
    usual: Tensor  # [V, 6]
    moving: Tensor  # [V, 1], 1 for cameras that are searched, 0 for those that stay

    def __init__(
        self,
        estimate: Camera,
        known: Sequence[bool],  # of each, whether somebody told it
        domain: str,  # name of a preset
        settings: CameraSettings,
    ) -> None:
        super().__init__()
        self.preset, self.settings = PRESETS[domain], settings
        self.offsets = nn.Parameter(torch.zeros(len(estimate), len(USUAL_ERRORS)))
        spread = usual_spread(domain, None, None, None)
        errors = [USUAL_ERRORS if one else unknown_errors(spread) for one in known]
        self.register_buffer("usual", torch.tensor(errors))
        moving = [[float(settings.known or not one)] for one in known]
        self.register_buffer("moving", torch.tensor(moving))
        self.starts = starting_yaws(spread)  # of unknown cameras, from the estimate on
        self.register_buffer("estimate", estimate.label)
        straight = self._poses(torch.zeros_like(self.offsets))
        aim = torch.linalg.solve(straight, estimate.cam2world)
        self.register_buffer("aim", aim)

    def cameras(self) -> Camera:  # V
        poses = self._poses(self.offsets * self.moving) @ self.aim
        return Camera(poses, Camera.from_label(self.estimate).intrinsics)

    @property
    def shifts(self) -> Tensor:  # [V, 2]
        return (self.offsets * self.moving)[:, 4:]

    def prior(self) -> Tensor:  # [V]
        """What keeps each camera near its estimate."""
        found: Tensor = (self.offsets * self.moving / self.usual).square().sum(dim=1)
        return self.settings.prior * found

    def _poses(self, offsets: Tensor) -> Tensor:  # [V, 6] -> [V, 4, 4]
        """Cameras that look at the pivot, at the estimates' angles and the offsets."""
        estimate = Camera.from_label(self.estimate)
        angles = angles_from_pose(estimate.cam2world)
        yaw, pitch, roll = (angle + offsets[:, i] for i, angle in enumerate(angles))
        radius = estimate.position.norm(dim=1) * offsets[:, 3].exp()
        position = radius[:, None] * position_from_angles(yaw, pitch, 1.0)
        pivot = position.new_tensor(self.preset.pivot)
        return look_at(position, pivot, roll)


def unknown_errors(spread: Spread) -> tuple[float, ...]:
    """Of the frontal camera, where nothing is known but the domain."""
    angles = (inf, inf) if spread.uniform else (spread.yaw, spread.pitch)
    return *angles, *USUAL_ERRORS[2:]


def starting_yaws(spread: Spread) -> list[float]:
    if spread.uniform:
        return [2 * pi * k / SIDES for k in range(SIDES)]
    return [spread.yaw * k for k in DEVIATIONS]


def shift_picture(image: Tensor, shift: Tensor) -> Tensor:  # [1, C, H, H], [2] -> [1, C, H, H]
    """What is in the picture moves to the right and down; edges are repeated."""
    identity = torch.eye(2, 3, device=image.device)
    moved = torch.cat([identity[:, :2], identity[:, 2:] - 2 * shift[:, None]], dim=1)
    grid = F.affine_grid(moved[None], list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)
