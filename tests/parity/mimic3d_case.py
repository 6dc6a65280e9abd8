"""What the Mimic3D goldens have in common: their inputs, their networks, their draws."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from typing import Any

import torch
from golden import Golden, filled, fixed_input, goldens
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import DrawOptions, Rendering, Subject
from nerfgan_cli.generators.mimic3d import PRESETS, Mimic3D, Mimic3DConfig
from nerfgan_cli.nn.depths import Draws

TOLERANCE = 5e-5  # of the largest value, as the goldens' description says
SMALL = {"channel_base": 256, "channel_max": 4}  # of a backbone that a golden does not use


def fx(golden: Golden, name: str, shape: Any, scale: float = 1.0) -> Tensor:
    return fixed_input(golden.meta["input_prefix"] + name, shape, scale)


def config_of(golden: Golden, **changes: Any) -> Mimic3DConfig:
    meta = golden.meta
    config = PRESETS[meta["config"].replace("_", "-")]
    if meta.get("tiny"):
        changes["plane_resolution"] = 32
    if "depth" in meta:
        coarse, fine = meta["depth"]
        changes["volume"] = replace(
            config.volume, depth_resolution=coarse, depth_resolution_importance=fine
        )
    return replace(config, **changes)


def build(golden: Golden, **changes: Any) -> Mimic3D:
    """The network with the goldens' weights."""
    generator = Mimic3D(config_of(golden, **changes))
    filled(generator)
    generator.decoder.net[0].weight *= golden.meta.get("decoder_scale", 1.0)
    return generator


def half(generator: Mimic3D) -> Iterator[Draws]:
    """The goldens' draws: ½ everywhere."""
    volume = generator.eg3d_config.volume
    counts = volume.depth_resolution, volume.depth_resolution_importance
    return repeat(Draws(*(torch.full([1, count], 0.5) for count in counts)))


def draw(
    generator: Mimic3D,
    subject: Subject,
    camera: Camera,
    branch: str,
    resolution: int,
    **options: Any,
) -> Rendering:
    """With the goldens' draws."""
    chosen = DrawOptions(resolution=resolution, branch=branch, **options)
    if branch == "3d":
        chosen = replace(chosen, raw_only=True)
    rendered = generator.render(subject, camera, chosen, half(generator))
    return generator.finish(subject, rendered, chosen)


def one(name: str) -> list[Any]:
    return goldens(f"mimic3d_{name}.npz")
