"""How well two views of one subject agree: PSNR of one, carried over to the other (metrics.md 8.2).

The teacher's depth says which points both cameras see, and where (`nn/reprojection.py`); only
they count. No truth is asked for: a generator that paints the same picture on the screen, however
well, fails as its camera turns. Colours that change with the angle cost the teacher itself some
dB, and whoever draws without detail gains some: a value is read beside the teacher's own, and
beside the PSNR to the teacher's pictures.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import radians
from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator
from nerfgan_cli.generators.drawing import latent
from nerfgan_cli.metrics.psnr import LARGEST
from nerfgan_cli.nn.reprojection import Surface, reproject

YAW = radians(15)  # of either camera, to its side
TOLERANCE = 0.03  # world units by which depths may disagree
PEAK = 2.0  # of pictures in [−1, 1]


class Side(NamedTuple):
    """Subjects as their teacher sees them from one side."""

    surface: Surface
    image: Tensor  # [B, 3, H, H]


class BothSides(NamedTuple):
    ws: Tensor  # [B, L, w_dim]
    left: Side
    right: Side


@torch.inference_mode()
def see_both_sides(
    teacher: Generator,
    seeds: Sequence[int],
    yaw: float = YAW,
    batch: int = 8,
    options: DrawOptions = DEFAULT_OPTIONS,  # of the teacher
) -> Iterator[BothSides]:
    """Subjects of these seeds, `batch` at a time."""
    if not teacher.has_depth:
        raise UsageError("views are compared along a teacher's depth: give a volumetric model.")
    device = next(teacher.parameters()).device
    preset = PRESETS[teacher.camera_preset]
    for start in range(0, len(seeds), batch):
        some = seeds[start : start + batch]
        z = torch.cat([latent(seed, teacher.z_dim) for seed in some]).float().to(device)
        yield see_codes(teacher, teacher.mapping(z, preset.frontal().to(device)), yaw, options)


def see_codes(
    teacher: Generator,
    ws: Tensor,  # [B, L, w_dim]
    yaw: float = YAW,
    options: DrawOptions = DEFAULT_OPTIONS,
) -> BothSides:
    """Subjects whose codes are known."""
    subject, preset, sides = teacher.prepare(ws, options), PRESETS[teacher.camera_preset], []
    for angle in (-yaw, yaw):
        camera = preset.at(angle).to(ws.device).expand(len(ws))
        drawn = teacher.draw(subject, camera, options)
        assert drawn.depth is not None
        sides.append(Side(Surface(camera, drawn.depth), drawn.image))
    return BothSides(ws, *sides)


def warped_psnr(
    generator: Generator,  # that draws from the teacher's codes: a student, or the teacher itself
    subjects: Iterable[BothSides],
    options: DrawOptions = DEFAULT_OPTIONS,  # of the generator
) -> float:
    """Mean in dB over the subjects and both ways, from left to right and back."""
    values = torch.cat([both_ways(generator, some, options) for some in subjects])
    if bool(values.isnan().all()):
        raise InputError(
            "this teacher's depth has no point that both cameras see: train the teacher further."
        )
    return values.nanmean().item()


@torch.inference_mode()
def both_ways(
    generator: Generator,
    subjects: BothSides,
    options: DrawOptions = DEFAULT_OPTIONS,  # of the generator that is judged
) -> Tensor:  # [B, 2], dB
    """From left to right, and back; NaN where the cameras see no point in common."""
    ws, (left, _), (right, _) = subjects
    subject = generator.prepare(ws, options)
    a, b = (generator.draw(subject, side.camera, options).image for side in (left, right))
    return torch.stack([carried_psnr(a, b, left, right), carried_psnr(b, a, right, left)], dim=1)


def carried_psnr(
    image_a: Tensor,  # [B, 3, H, H]
    image_b: Tensor,  # [B, 3, H, H], of the same subjects
    a: Surface,
    b: Surface,
) -> Tensor:  # [B], dB; NaN where the cameras see no point in common
    """Of the first, carried over to camera b, where both see the surface."""
    first, second = image_a.clamp(-1, 1), image_b.clamp(-1, 1)
    carried, seen = reproject(first, a, b, TOLERANCE)
    error = (carried - second).square().mean(dim=1, keepdim=True)
    mean = torch.where(seen, error, 0).sum(dim=(1, 2, 3)) / seen.sum(dim=(1, 2, 3))
    return (10 * torch.log10(PEAK**2 / mean)).clamp(max=LARGEST)
