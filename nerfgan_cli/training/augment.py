"""Discriminator augmentation (StyleGAN2-ADA, Karras et al. 2020; the "bgc" set, as in EG3D).

Geometry and colour are matrices, composed per sample and applied once: pictures are enlarged with a
wavelet low-pass, warped and reduced again, so that they keep their sharpness. A picture that no
operation hits stays as it is. The random numbers are handed in, also the ones that decide
whether an operation happens.
"""

from functools import reduce
from math import ceil, pi
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nerfgan_cli.ops.fir import upfirdn2d, upsample2d
from nerfgan_cli.ops.warp import sample_bilinear

OPERATIONS = (
    "xflip",
    "rotate90",
    "xint",
    "scale",
    "rotate_before",
    "aniso",
    "rotate_after",
    "xfrac",
    "brightness",
    "contrast",
    "lumaflip",
    "hue",
    "saturation",
)

SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)

# Strengths: standard deviations, or half-widths of uniform draws.
INTEGER_SHIFT = 0.125  # of the image
FRACTIONAL_SHIFT = 0.125  # of the image
LOG2_SCALE = 0.2
BRIGHTNESS = 0.2
LOG2_CONTRAST = 0.5
LOG2_SATURATION = 1.0


class AugmentDraws(NamedTuple):
    """Random numbers of every operation, used or not, so that none depends on another's luck."""

    chance: Tensor  # [B, operations], uniform in [0, 1): the operation happens below p
    uniform: Tensor  # [B, operations, 2], in [0, 1)
    normal: Tensor  # [B, operations, 2]

    @staticmethod
    def random(count: int, generator: torch.Generator) -> "AugmentDraws":
        shape = (count, len(OPERATIONS), 2)
        return AugmentDraws(
            torch.rand(shape[:2], generator=generator, device=generator.device),
            torch.rand(shape, generator=generator, device=generator.device),
            torch.randn(shape, generator=generator, device=generator.device),
        )


class AugmentPipe(nn.Module):
    """Pictures -> augmented pictures; every operation happens with probability `p`."""

    p: Tensor  # []
    Hz_geom: Tensor  # [12]
    Hz_fbank: Tensor  # [4, 43], unused here; a buffer of the released checkpoints

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("p", torch.ones([]))
        geometry = torch.tensor(SYM6)
        self.register_buffer("Hz_geom", geometry / geometry.sum())
        self.register_buffer("Hz_fbank", wavelet_bands())

    def forward(self, images: Tensor, draws: AugmentDraws) -> Tensor:  # [B, 3·n, H, W], both
        chosen = _Chosen(self.p, AugmentDraws(*(draw.to(images.device) for draw in draws)))
        images = warp(images, geometry_matrix(chosen, *images.shape[2:]), self.Hz_geom)
        return recolor(images, color_matrix(chosen))


class _Chosen:
    """The draws by operation, replaced by the neutral value where it does not happen."""

    def __init__(self, p: Tensor, draws: AugmentDraws) -> None:
        # A rotation is tried twice, so each try is rarer.
        rarer = 1 - (1 - p).clamp(min=0).sqrt()
        probabilities = [rarer if name.startswith("rotate_") else p for name in OPERATIONS]
        self.happens = draws.chance < torch.stack(probabilities)
        self.draws = draws

    def _pick(self, values: Tensor, name: str, neutral: float) -> Tensor:  # [B, 2]
        column = OPERATIONS.index(name)
        return values[:, column].where(self.happens[:, column, None], neutral)

    def integer(self, name: str, count: int) -> Tensor:  # [B], 0 .. count − 1
        return (self._pick(self.draws.uniform, name, 0.0)[:, 0] * count).floor()

    def symmetric(self, name: str) -> Tensor:  # [B, 2], in [−1, 1)
        return 2 * self._pick(self.draws.uniform, name, 0.5) - 1

    def normal(self, name: str) -> Tensor:  # [B, 2]
        return self._pick(self.draws.normal, name, 0.0)


def geometry_matrix(chosen: _Chosen, height: int, width: int) -> Tensor:  # [B, 3, 3]
    """From output to input positions, in pixels about the centre."""
    size = chosen.draws.chance.new_tensor([width, height])
    flip = 1 - 2 * chosen.integer("xflip", 2)
    scale = torch.exp2(-LOG2_SCALE * chosen.normal("scale")[:, 0])
    stretch = torch.exp2(LOG2_SCALE * chosen.normal("aniso")[:, 0])
    steps = (
        scaling(torch.stack([flip, torch.ones_like(flip)], dim=1)),
        rotation(pi / 2 * chosen.integer("rotate90", 4)),
        translation(-(INTEGER_SHIFT * chosen.symmetric("xint") * size).round()),
        scaling(torch.stack([scale, scale], dim=1)),
        rotation(pi * chosen.symmetric("rotate_before")[:, 0]),
        scaling(torch.stack([1 / stretch, stretch], dim=1)),
        rotation(pi * chosen.symmetric("rotate_after")[:, 0]),
        translation(-FRACTIONAL_SHIFT * chosen.normal("xfrac") * size),
    )
    return reduce(torch.matmul, steps)


def color_matrix(chosen: _Chosen) -> Tensor:  # [B, 4, 4]
    """Of homogeneous colours (r, g, b, 1)."""
    draws = chosen.draws.chance
    ones = draws.new_ones([len(draws), 3])
    luma = draws.new_tensor([1, 1, 1, 0]) / 3**0.5  # the grey axis
    along = luma.outer(luma)
    across = torch.eye(4).to(draws) - along
    flip = chosen.integer("lumaflip", 2)
    saturation = torch.exp2(LOG2_SATURATION * chosen.normal("saturation")[:, 0])
    steps = (
        translation(BRIGHTNESS * chosen.normal("brightness")[:, :1] * ones),
        scaling(torch.exp2(LOG2_CONTRAST * chosen.normal("contrast")[:, :1]) * ones),
        torch.eye(4).to(draws) - 2 * along * flip[:, None, None],
        _hue_rotation(pi * chosen.symmetric("hue")[:, 0]),
        along + across * saturation[:, None, None],
    )
    return reduce(torch.matmul, reversed(steps))


def recolor(images: Tensor, matrix: Tensor) -> Tensor:  # [B, 3·n, H, W], [B, 4, 4]
    """Transforms each group of three channels alike (the picture and its raw version)."""
    B, C, H, W = images.shape
    colors = images.reshape(B, C // 3, 3, H * W)
    colors = matrix[:, None, :3, :3] @ colors + matrix[:, None, :3, 3:]
    return colors.reshape(B, C, H, W)


def warp(images: Tensor, matrix: Tensor, fir: Tensor) -> Tensor:  # [B, C, H, W], [B, 3, 3], [n]
    """Moves pixels by `matrix` (output to input), at twice the resolution."""
    B, C, H, W = images.shape
    reach = len(fir) // 4  # of the filter, in pixels of the picture
    left, right, top, bottom = _margins(matrix, H, W, 2 * reach)
    images = F.pad(images, (left, right, top, bottom), mode="reflect")
    shift = matrix.new_tensor([[(left - right) / 2, (top - bottom) / 2]])
    images = upsample2d(images, fir)
    enlarge = scaling(matrix.new_full([1, 2], 2))
    half_pixel = translation(matrix.new_full([1, 2], -0.5))
    change = half_pixel @ enlarge
    matrix = change @ translation(shift) @ matrix @ torch.linalg.inv(change)
    # Positions of grid sampling run from −1 to 1 over each image.
    size_in = matrix.new_tensor([[images.shape[3], images.shape[2]]])
    size_out = [2 * (H + 2 * reach), 2 * (W + 2 * reach)]
    matrix = scaling(2 / size_in) @ matrix @ scaling(matrix.new_tensor([size_out[::-1]]) / 2)
    positions = F.affine_grid(matrix[:, :2], [B, C, *size_out], align_corners=False)
    images = sample_bilinear(images, positions.to(images.dtype))
    crop = (len(fir) - 1) // 2 - 2 * reach  # the padding of a plain reduction, less the reach
    return upfirdn2d(images, fir, down=(2, 2), padding=(crop,) * 4, flip=True)


def _margins(matrix: Tensor, height: int, width: int, reach: int) -> list[int]:
    """Pixels to add at left, right, top and bottom so that no sample leaves the picture."""
    cx, cy = (width - 1) / 2, (height - 1) / 2
    corners = [[-cx, -cy, 1], [cx, -cy, 1], [cx, cy, 1], [-cx, cy, 1]]
    moved = matrix @ matrix.new_tensor(corners).T  # [B, 3, corners]
    x, y = moved[:, 0], moved[:, 1]
    largest = torch.stack([(-x).max(), x.max(), (-y).max(), y.max()])
    limits = (width - 1, width - 1, height - 1, height - 1)
    centers = (cx, cx, cy, cy)
    return [
        ceil(min(max(value + reach - center, 0), limit))
        for value, center, limit in zip(largest.tolist(), centers, limits, strict=True)
    ]


def translation(offset: Tensor) -> Tensor:  # [B, n] -> [B, n + 1, n + 1]
    B, n = offset.shape
    matrix = torch.eye(n + 1).to(offset).repeat(B, 1, 1)
    matrix[:, :n, n] = offset
    return matrix


def scaling(factor: Tensor) -> Tensor:  # [B, n] -> [B, n + 1, n + 1]
    return torch.diag_embed(F.pad(factor, (0, 1), value=1.0))


def rotation(angle: Tensor) -> Tensor:  # [B] -> [B, 3, 3]
    matrix = torch.eye(3).to(angle).repeat(len(angle), 1, 1)
    matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos()
    matrix[:, 1, 0] = angle.sin()
    matrix[:, 0, 1] = -angle.sin()
    return matrix


def _hue_rotation(angle: Tensor) -> Tensor:  # [B] -> [B, 4, 4]
    """Rotation of colours about the grey axis (Rodrigues)."""
    axis = 1 / 3**0.5
    cross = angle.new_tensor([[0, -axis, axis], [axis, 0, -axis], [-axis, axis, 0]])
    along = angle.new_full([3, 3], 1 / 3)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    matrix = torch.eye(4).to(angle).repeat(len(angle), 1, 1)
    matrix[:, :3, :3] = cos * torch.eye(3).to(angle) + (1 - cos) * along + sin * cross
    return matrix


def wavelet_bands() -> Tensor:
    """Four band-pass filters of the sym2 wavelet, one octave each."""
    low = torch.tensor(SYM2, dtype=torch.float64)
    high = low * torch.tensor([1, -1, 1, -1])
    low_pass, high_pass = (_convolve(h[None], h.flip(0))[0] / 2 for h in (low, high))
    bands = torch.zeros(4, 1, dtype=torch.float64)
    bands[0] = 1
    for band in range(1, 4):
        spread = torch.zeros(4, 2 * bands.shape[1] - 1, dtype=torch.float64)
        spread[:, ::2] = bands
        bands = _convolve(spread, low_pass)
        middle = (bands.shape[1] - len(high_pass)) // 2
        bands[band, middle : middle + len(high_pass)] += high_pass
    return bands.float()


def _convolve(rows: Tensor, taps: Tensor) -> Tensor:  # [n, w], [k] -> [n, w + k − 1]
    return F.conv1d(rows[:, None], taps.flip(0)[None, None], padding=len(taps) - 1)[:, 0]
