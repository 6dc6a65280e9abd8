"""Named points of a face with exact positions: all on surfaces of the head.

Left and right are those of the picture of a frontal face. Some lie under hair, glasses or a beard:
a landmark is where it is, seen or not.
"""

import torch
from torch import Tensor

from nerfgan_cli.data.toyheads.features import smile_height
from nerfgan_cli.data.toyheads.identity import Heads
from nerfgan_cli.data.toyheads.measures import SIDES
from nerfgan_cli.data.toyheads.parts import NUMBER, take_apart, vector
from nerfgan_cli.data.toyheads.quadrics import contains, hit_distance

SKIN = ("skull", "jaw", "chin", "cheek_l", "cheek_r", "bridge", "nose", "wing_l", "wing_r")
ARC = 60  # directions in which an eye's corner is looked for
FRONT = 1.0  # from where rays are cast at the face

LANDMARKS: tuple[str, ...] = (
    *(f"eye_{side}_{name}" for side, _ in SIDES for name in ("inner", "outer", "centre", "pupil")),
    *(f"brow_{side}_{name}" for side, _ in SIDES for name in ("inner", "outer")),
    "nose_tip",
    "nose_base",
    "mouth_l",
    "mouth_r",
    "mouth_middle",
    "chin",
    "ear_l",
    "ear_r",
    "forehead",
)


def landmarks(heads: Heads) -> Tensor:  # [B, K, 3]
    """Positions in the order of `LANDMARKS`."""
    points: list[Tensor] = []
    m, looks = heads.measures, heads.looks.to(torch.device("cpu"))
    for (side, sign), gaze in zip(SIDES, (looks.gaze_l, looks.gaze_r), strict=True):
        points += [_eye_corner(heads, f"eye_{side}", aside) for aside in (-sign, sign)]
        points.append(_on_ellipsoid(heads, f"eye_{side}", vector(0, 0, 1)))
        points.append(_pupil(heads, f"eye_{side}", gaze, looks.eye_radii))
    for side, sign in SIDES:
        points += [
            _on_ellipsoid(heads, f"brow_{side}", vector(sign * x, y, z))
            for x, y, z in ((-0.86, 0.36, 0.36), (0.86, 0.36, 0.36))
        ]
    zero, width = torch.zeros_like(m.chin_y), looks.mouth_width
    corner_y, middle_y = (looks.mouth_y + smile_height(looks, across) for across in (1.0, 0.0))
    points += [
        _support(heads, "nose", vector(0, 0, 1)),
        _on_skin(heads, zero, m.nose[:, 1] - m.nose_radii[:, 1] - 0.004),
        _on_skin(heads, -width, corner_y),
        _on_skin(heads, width, corner_y),
        _on_skin(heads, zero, middle_y),
        _support(heads, "chin", vector(0, -1, 0)),
        *(_on_ellipsoid(heads, f"ear_{side}", vector(sign, 0, 0)) for side, sign in SIDES),
        _on_skin(heads, zero, (m.hairline + m.brow_y) / 2),
    ]
    return torch.stack(points, dim=1).to(heads.device)


def _part(heads: Heads, slot: str) -> tuple[Tensor, Tensor]:  # matrix [B, 3, 3], centre [B, 3]
    part = take_apart(heads.rows[:, NUMBER[slot]].cpu())
    return part.matrix, part.center


def _on_ellipsoid(heads: Heads, slot: str, direction: Tensor) -> Tensor:  # [1, 3] -> [B, 3]
    """Where a local direction from the centre meets the surface."""
    matrix, center = _part(heads, slot)
    local = torch.nn.functional.normalize(direction, dim=1).expand(len(center), 3)
    return center + _solve(matrix, local)


def _eye_corner(heads: Heads, slot: str, aside: float) -> Tensor:  # [B, 3]
    """Where the eye leaves the skin, on an arc from its side (−1 or 1, local x) to its front."""
    angles = torch.linspace(torch.pi / 2, 0, ARC)
    arc = [_on_ellipsoid(heads, slot, vector(aside * a.sin(), -0.1, a.cos())) for a in angles]
    points = torch.stack(arc, dim=1)  # [B, ARC, 3]
    numbers = heads.rows[:, _numbers(SKIN)].cpu().permute(2, 0, 1)[..., None]
    covered = contains(numbers, points.permute(2, 0, 1)[:, :, None]).any(dim=1)
    first = covered.int().argmin(dim=1)  # that is not
    return points.gather(1, first[:, None, None].expand(-1, 1, 3))[:, 0]


def _pupil(heads: Heads, slot: str, gaze: Tensor, radii: Tensor) -> Tensor:  # [B, 3] × 2 -> [B, 3]
    """The surface point whose offset, in the eye's radii, has the direction of the gaze."""
    matrix, center = _part(heads, slot)
    direction = gaze * radii
    length = torch.linalg.vector_norm(matrix @ direction[:, :, None], dim=1)
    on_surface: Tensor = center + direction / length
    return on_surface


def _support(heads: Heads, slot: str, direction: Tensor) -> Tensor:  # [1, 3] -> [B, 3]
    """The ellipsoid's farthest point in a direction of the world."""
    matrix, center = _part(heads, slot)
    local = _solve(matrix.mT, direction.expand(len(center), 3))
    return center + _solve(matrix, torch.nn.functional.normalize(local, dim=1))


def _on_skin(heads: Heads, x: Tensor, y: Tensor) -> Tensor:  # [B], [B] -> [B, 3]
    """The foremost point of the skin at (x, y)."""
    numbers = heads.rows[:, _numbers(SKIN)].cpu().permute(2, 0, 1)
    origins = torch.stack([x, y, torch.full_like(x, FRONT)])[:, :, None]
    directions = origins.new_tensor([0, 0, -1])[:, None, None].expand_as(origins)
    distance = hit_distance(numbers, origins, directions, 0.8).amin(dim=1)
    return torch.stack([x, y, FRONT - distance], dim=1)


def _numbers(slots: tuple[str, ...]) -> list[int]:
    return [NUMBER[slot] for slot in slots]


def _solve(matrix: Tensor, x: Tensor) -> Tensor:  # [B, 3, 3], [B, 3] -> [B, 3]
    solution: Tensor = torch.linalg.solve(matrix, x)
    return solution
