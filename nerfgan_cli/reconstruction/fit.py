"""A scene from views of one subject, and how well it explains them (metrics.md 8.2).

The protocol is that of PSNR_mv and SSIM_mv: pictures of one subject from thirty yaws become a
scene, and the scene's renderings of the same views are compared with the pictures. NeuS takes hours
for a scene; the field of `layers.py` takes seconds, at small resolution, and has other limits. Its
numbers carry another name, psnr_mv_fast, and are compared with one another only.

A picture that stays the same on the screen is explained well too, as a flat card: over ±0.4 rad its
width changes by 8 %. So a number is read beside that of the best still picture: a subject that
turns is explained badly by it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.errors import InputError
from nerfgan_cli.metrics.psnr import psnr
from nerfgan_cli.metrics.ssim import ssim
from nerfgan_cli.reconstruction.layers import Frame, Layers, frame_of, spread_along_rays

Pictures = NDArray[np.uint8]  # [N, H, H, 3]

FEWEST_PIXELS = 16
CHUNK = 8192  # rays that are rendered at once
SEED = 0  # of the rays that a step takes
LEAST_TOWARDS = 0.3  # cosine of a ray and the mean direction of view, for which layers make sense


@dataclass(frozen=True)
class Fitting:
    """Found on thirty exact renders of a head scan, for seconds on one core.

    At 64² they are explained to 40 dB; twice the steps gain 1.7 dB. Values of other settings are
    other numbers: they are in each protocol.
    """

    steps: int = 300
    rays: int = 2048  # of all pictures, in each step
    layers_per_pixel: float = 0.5
    colour_layers: int = 8
    rate: float = 0.2  # of Adam, falls to a tenth
    # Weight of what makes each ray see one surface; it begins when the colours are known.
    surface: float = 0.01
    surface_from: float = 0.33  # of all steps
    surface_until: float = 0.73  # when it has its full weight


class Explained(NamedTuple):
    """Pictures, as the scene that was made of them shows them."""

    pictures: Pictures  # as the scene shows them
    depth: NDArray[np.float32]  # [N, H, H], in 0 (near) to 1 (far)
    psnr: NDArray[np.float64]  # [N], dB
    ssim: NDArray[np.float64]  # [N]
    psnr_still: NDArray[np.float64]  # [N], dB, of the mean picture


@torch.inference_mode(False)
def explain(
    pictures: Pictures,  # [N, H, H, 3]
    cameras: Camera,  # N
    half_depth: float,  # of the scene before and behind the origin, world units
    fitting: Fitting = Fitting(),
    follow: Callable[[int], object] = lambda done: None,  # steps done
) -> Explained:
    """Reconstructs a scene from views, and renders them."""
    N, side = pictures.shape[:2]
    if N < 2 or side < FEWEST_PIXELS:
        raise InputError(
            f"{N} pictures of {side}² tell nothing of a scene: give two or more of "
            f"{FEWEST_PIXELS}² or more."
        )
    layers = max(round(fitting.layers_per_pixel * side), 2 * fitting.colour_layers)
    cameras = Camera.from_label(cameras.label.clone())  # which may have been made for inference
    frame = frame_of(cameras, side, layers, half_depth)
    if float(frame.rays.directions[:, 2].min()) < LEAST_TOWARDS:
        raise InputError(
            "these cameras look into directions that differ too much for one set of layers: give "
            "views from about one side."
        )
    target = torch.from_numpy(pictures.reshape(-1, 3)).float() / 255
    field = _fit(frame, target, fitting, follow)
    shown, depth = _render(field, frame)
    again = shown.reshape(pictures.shape)
    still = np.round(pictures.mean(axis=0, keepdims=True)).astype(np.uint8).repeat(N, axis=0)
    return Explained(
        again,
        depth.reshape(pictures.shape[:3]),
        psnr(again, pictures),
        ssim(again, pictures),
        psnr(still, pictures),
    )


@torch.enable_grad()
def _fit(frame: Frame, target: Tensor, fitting: Fitting, follow: Callable[[int], object]) -> Layers:
    field = Layers(frame, fitting.colour_layers, target.mean(dim=0))
    optimizer = torch.optim.Adam(field.parameters(), lr=fitting.rate, betas=(0.9, 0.99))
    random = torch.Generator().manual_seed(SEED)
    for step in range(fitting.steps):
        done = step / fitting.steps
        for group in optimizer.param_groups:
            group["lr"] = fitting.rate * 0.1**done
        index = torch.randint(len(target), (fitting.rays,), generator=random)
        seen = field(field.texels(), frame.rays.rows(index))
        loss = (seen.colours - target[index]).square().mean()
        if done > fitting.surface_from:
            ramp = (done - fitting.surface_from) / (fitting.surface_until - fitting.surface_from)
            loss = loss + fitting.surface * min(ramp, 1.0) * spread_along_rays(seen.weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        follow(step + 1)
    return field


@torch.no_grad()
def _render(field: Layers, frame: Frame) -> tuple[Pictures, NDArray[np.float32]]:  # [R, 3], [R]
    texels = field.texels()
    place = torch.linspace(0, 1, len(frame.depths))
    colours, depths = [], []
    for start in range(0, len(frame.rays.origins), CHUNK):
        seen = field(texels, frame.rays.rows(slice(start, start + CHUNK)))
        colours.append((seen.colours * 255).round().clamp(0, 255).to(torch.uint8))
        depths.append(place @ seen.weights)
    return torch.cat(colours).numpy(), torch.cat(depths).numpy()
