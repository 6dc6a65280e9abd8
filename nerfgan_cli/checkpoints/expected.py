"""Names and shapes of the tensors of EG3D and Mimic3D, from the architecture (eg3d.md 2 to 7).

Converting compares with this table, so that it needs no torch and stays small; a test compares the
table with the networks.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

from nerfgan_cli.errors import UsageError
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.generators.mimic3d_config import Mimic3DConfig
from nerfgan_cli.nn.channels import channels_at, resolutions_between
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.superresolution_presets import PRESETS, RGB

Shape: TypeAlias = tuple[int, ...]
Named: TypeAlias = Iterator[tuple[str, Shape]]

FEATURES = 32
HIDDEN = 64  # of the decoder
FILTER = (4, 4)
PLANES = 3
DISCRIMINATOR_LAYERS = 8  # of its mapping


def generator_tensors(config: EG3DConfig) -> dict[str, Shape]:
    """Of EG3D's generator, or of Mimic3D's."""
    if config.superresolution not in PRESETS:
        raise UsageError(
            f"unknown super-resolution {config.superresolution!r}: use one of {', '.join(PRESETS)}."
        )
    preset = PRESETS[config.superresolution]
    middle = preset.input_resolution * preset.up[0]
    first, second = preset.channels
    tensors = dict(_planes(config))
    if isinstance(config, Mimic3DConfig):
        tensors["backbone.synthesis.b4.const"] = (1, *tensors["backbone.synthesis.b4.const"])
        tensors.update(_aware_stream(config))
    tensors["backbone.mapping.w_avg"] = (config.w_dim,)
    tensors.update(
        _mapping(
            "backbone.mapping.", config.z_dim, config.c_dim, config.w_dim, config.mapping_layers
        )
    )
    if preset.own_filter:
        tensors["superresolution.resample_filter"] = FILTER
    prefix, w_dim = "superresolution.", config.w_dim
    tensors.update(_block(f"{prefix}block0.", FEATURES, first, middle, RGB, w_dim))
    tensors.update(_block(f"{prefix}block1.", first, second, preset.resolution, RGB, w_dim))
    tensors.update(_linear("decoder.net.0.", config.plane_channels, HIDDEN))
    tensors.update(_linear("decoder.net.2.", HIDDEN, 1 + FEATURES))
    return tensors


def discriminator_tensors(images: int, config: DiscriminatorConfig) -> dict[str, Shape]:
    """Of a discriminator that sees one image, or two side by side."""
    tensors: dict[str, Shape] = {"resample_filter": FILTER} if images == 2 else {}
    top = config.img_resolution
    colors = config.img_channels * images
    tensors.update(_convolution(f"b{top}.fromrgb.", colors, _channels(config, top), 1))
    for resolution in resolutions_between(8, top):
        wide, out = _channels(config, resolution), _channels(config, resolution // 2)
        tensors[f"b{resolution}.resample_filter"] = FILTER
        tensors.update(_convolution(f"b{resolution}.conv0.", wide, wide, 3))
        tensors.update(_convolution(f"b{resolution}.conv1.", wide, out, 3))
        tensors.update(_convolution(f"b{resolution}.skip.", wide, out, 1, bias=False))
    width = _channels(config, 4)
    if config.c_dim:
        tensors.update(_mapping("mapping.", 0, config.c_dim, width, DISCRIMINATOR_LAYERS))
    tensors.update(_convolution("b4.conv.", width + 1, width, 3))  # one for the deviation
    tensors.update(_linear("b4.fc.", width * 4 * 4, width))
    tensors.update(_linear("b4.out.", width, width if config.c_dim else 1))
    return tensors


def _channels(config: EG3DConfig | DiscriminatorConfig, resolution: int) -> int:
    return channels_at(resolution, config.channel_base, config.channel_max)


def _planes(config: EG3DConfig) -> Named:
    width = 0
    for resolution in resolutions_between(4, config.plane_resolution):
        prefix, out = f"backbone.synthesis.b{resolution}.", _channels(config, resolution)
        yield from _block(prefix, width, out, resolution, 3 * config.plane_channels, config.w_dim)
        width = out


def _aware_stream(config: Mimic3DConfig) -> Named:
    """A block for each resolution, and S³ᴰ after the last (mimic3d.md sections 3.4 and 4)."""
    channels, top, w_dim = config.plane_channels, config.plane_resolution, config.w_dim
    seen = PLANES * channels
    for resolution, output in pairwise([*resolutions_between(4, top), top]):
        stage = f"backbone.synthesis.b3d{resolution}."
        yield f"{stage}block.resample_filter", FILTER
        yield from _layer(f"{stage}block.conv0.", seen, channels, output, w_dim, PLANES)
        yield from _layer(f"{stage}block.conv1.", seen, channels, output, w_dim, PLANES)
        yield from _to_rgb(f"{stage}block.torgb.", seen, channels, w_dim, PLANES)
    for block in ("block2", "block3") if config.residual else ():
        prefix = f"{stage}{block}."
        yield from _block(prefix, channels, channels, 2 * top, channels, w_dim, PLANES)


def _block(
    prefix: str, width: int, out: int, resolution: int, colors: int, w_dim: int, maps: int = 1
) -> Named:
    """A synthesis block; `width` = 0: the first, which starts from a constant."""
    yield f"{prefix}resample_filter", FILTER
    if width:
        yield from _layer(f"{prefix}conv0.", width, out, resolution, w_dim, maps)
    else:
        yield f"{prefix}const", (out, resolution, resolution)
    yield from _layer(f"{prefix}conv1.", out, out, resolution, w_dim, maps)
    yield from _to_rgb(f"{prefix}torgb.", out, colors, w_dim, maps)


def _to_rgb(prefix: str, width: int, colors: int, w_dim: int, maps: int) -> Named:
    yield f"{prefix}weight", (colors, width, 1, 1)
    yield f"{prefix}bias", (colors,)
    yield from _linear(f"{prefix}affine.", w_dim, maps * width)


def _layer(prefix: str, width: int, out: int, resolution: int, w_dim: int, maps: int) -> Named:
    yield f"{prefix}weight", (out, width, 3, 3)
    yield f"{prefix}noise_strength", ()
    yield f"{prefix}bias", (out,)
    yield f"{prefix}resample_filter", FILTER
    yield f"{prefix}noise_const", (resolution, resolution)
    yield from _linear(f"{prefix}affine.", w_dim, maps * width)


def _convolution(prefix: str, width: int, out: int, size: int, bias: bool = True) -> Named:
    yield f"{prefix}weight", (out, width, size, size)
    if bias:
        yield f"{prefix}bias", (out,)
    yield f"{prefix}resample_filter", FILTER


def _mapping(prefix: str, z_dim: int, c_dim: int, w_dim: int, layers: int) -> Named:
    width = z_dim
    if c_dim:
        yield from _linear(f"{prefix}embed.", c_dim, w_dim)
        width += w_dim
    for index in range(layers):
        yield from _linear(f"{prefix}fc{index}.", width, w_dim)
        width = w_dim


def _linear(prefix: str, width: int, out: int) -> Named:
    yield f"{prefix}weight", (out, width)
    yield f"{prefix}bias", (out,)
