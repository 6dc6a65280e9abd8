"""How well a generator draws the heads that its latents stand for, where the truth is known.

Only for generators that were taught ToyHeads' own latents (`eg3d-toyheads-warm`, and what was made
from it): for them picture, distance and subject can be compared pixel by pixel.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.parts import NUMBER
from nerfgan_cli.data.toyheads.renderer import Drawn, draw
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions, Generator, Rendering
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.metrics.ssim import ssim

HELD_OUT = 1 << 24  # index of a head that no run of a sensible length learns from


class Likeness(NamedTuple):
    """Means over heads and views; lengths are in world units, a head is about 0.45 high."""

    psnr: float  # of the picture, dB
    ssim: float
    psnr_raw: float  # of the volume's picture, at its own resolution
    sharpness: float  # mean |difference| of neighbouring pixels, as a fraction of the truth's
    distinctness: float  # dB that the own head's picture is better than another head's
    depth_error: float  # mean |difference| on the head
    other_depth_error: float  # the same if another head's is taken for exact
    billboard_error: float  # the same of a plane at the head's mean distance
    depth_correlation: float  # with the exact depth on the head, view by view
    backdrop_error: float  # mean |difference| of the depth beside the head


class View(NamedTuple):
    """The same heads from one camera, as drawn and as they are."""

    rendering: Rendering
    image: Tensor  # [B, 3, H, W]
    raw: Drawn  # as large as the volume's picture


@torch.inference_mode()
def view_heads(
    generator: Generator,
    indices: np.ndarray,
    camera: Camera,
    seed: int = 0,
    options: DrawOptions = DEFAULT_OPTIONS,
) -> View:
    """Heads of (seed, index) from one camera."""
    z = latents(seed, indices)
    device = next(generator.parameters()).device
    preset = PRESETS[generator.camera_preset]
    ws = generator.mapping(z.to(device), preset.frontal().to(device))
    cameras = camera.expand(len(z)).to(device)
    rendering = generator.synthesis(ws, cameras, options)
    heads = heads_from_latent(z.to(device))
    side, raw_side = (each.shape[-1] for each in (rendering.image, rendering.image_raw))
    raw = draw(heads, cameras, raw_side)
    image = raw.image if side == raw_side else draw(heads, cameras, side).image
    return View(rendering, image, raw)


def likeness(
    generator: Generator,  # with depth
    indices: np.ndarray,  # held-out heads, an even number
    yaws: Sequence[float],  # radians
    batch: int = 16,
    seed: int = 0,
    options: DrawOptions = DEFAULT_OPTIONS,
) -> Likeness:
    preset = PRESETS[generator.camera_preset]
    scores = [
        torch.tensor(_score(view_heads(generator, part, preset.at(yaw), seed, options)))
        for part in np.array_split(indices, -(-len(indices) // batch))
        for yaw in yaws
    ]
    return Likeness(*torch.stack(scores).mean(dim=0).tolist())


def _score(view: View) -> Likeness:
    rendering, raw = view.rendering, view.raw
    assert rendering.depth is not None
    drawn, exact_image = to_pixels(rendering.image), to_pixels(view.image)
    own = psnr(drawn, exact_image)
    other = psnr(drawn, np.roll(exact_image, 1, axis=0))
    on_head = (raw.part >= 0) & (raw.part != NUMBER["backdrop"])
    beside = raw.part == NUMBER["backdrop"]
    error = (rendering.depth - raw.depth.nan_to_num(posinf=0)).abs()
    correlations, flat = [], []
    for found, exact, mask in zip(rendering.depth, raw.depth, on_head, strict=True):
        correlations.append(torch.corrcoef(torch.stack([found[mask], exact[mask]]))[0, 1])
        flat.append((exact[mask] - exact[mask].mean()).abs().mean())
    of_other = raw.depth.roll(1, 0).nan_to_num(posinf=0)
    return Likeness(
        own.mean(),
        ssim(drawn, exact_image).mean(),
        psnr(to_pixels(rendering.image_raw), to_pixels(raw.image)).mean(),
        contrast(rendering.image).item() / contrast(view.image).item(),
        (own - other).mean(),
        error[on_head].mean().item(),
        (rendering.depth - of_other).abs()[on_head].mean().item(),
        torch.stack(flat).mean().item(),
        torch.stack(correlations).mean().item(),
        error[beside].mean().item(),
    )


def contrast(image: Tensor) -> Tensor:  # [B, 3, H, W] -> []
    """Mean |difference| of neighbouring pixels."""
    return image.diff(dim=2).abs().mean() + image.diff(dim=3).abs().mean()
