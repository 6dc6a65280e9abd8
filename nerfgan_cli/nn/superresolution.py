"""Super-resolution of EG3D: a rendered feature image to the final image (eg3d.md section 5).

Two StyleGAN2 blocks, both driven by the last style vector. The five modules of the release differ
only in sizes and in when the input is resized: see `PRESETS`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.nn.stylegan2 import SynthesisBlock
from nerfgan_cli.nn.superresolution_presets import PRESETS, RGB, Preset
from nerfgan_cli.ops.fir import RESAMPLE_TAPS, fir_filter
from nerfgan_cli.ops.resize import resize


class SuperResolved(NamedTuple):
    image: Tensor  # [B, 3, R, R]
    first_rgb: Tensor  # [B, 3, r, r], the image after the first block


class SuperResolution(nn.Module):
    """Any of the release's modules. Nothing happens in place: see `official_changes_rgb`."""

    def __init__(
        self,
        name: str,
        preset: Preset,
        in_channels: int = 32,
        conv_clamp: float | None = None,
        antialias: bool = True,  # of the resizing to `input_resolution`
        w_dim: int = 512,
    ) -> None:
        super().__init__()
        self.name, self.preset = name, preset
        self.conv_clamp, self.antialias = conv_clamp, antialias
        if preset.own_filter:
            self.register_buffer("resample_filter", fir_filter(RESAMPLE_TAPS))
        (first, second), (up0, up1) = preset.channels, preset.up
        middle = preset.input_resolution * up0
        self.block0 = SynthesisBlock(
            in_channels, first, w_dim, middle, RGB, up=up0, conv_clamp=conv_clamp
        )
        self.block1 = SynthesisBlock(
            first, second, w_dim, middle * up1, RGB, up=up1, conv_clamp=conv_clamp
        )

    def forward(
        self,
        rgb: Tensor,  # [B, 3, h, h]
        x: Tensor,  # [B, in_channels, h, h]
        ws: Tensor,  # [B, L, w_dim]; only the last vector is used
        noise_mode: str = "none",
        generator: torch.Generator | None = None,
        recompute: bool = False,  # each convolution once more for its gradients: less memory
    ) -> SuperResolved:
        rgb, x = self._to_input_resolution(rgb), self._to_input_resolution(x)
        return self.enlarge(rgb, x, ws, noise_mode, generator, recompute)

    def enlarge(
        self,
        rgb: Tensor,  # [B, 3, h, w], at the scale of `input_resolution`, whole or a part
        x: Tensor,  # [B, in_channels, h, w]
        ws: Tensor,
        noise_mode: str = "none",
        generator: torch.Generator | None = None,
        recompute: bool = False,
    ) -> SuperResolved:
        """The two blocks alone."""
        ws = ws[:, -1:].float().expand(-1, self.block0.num_ws, -1)
        x, first_rgb = self.block0(x, rgb, ws, noise_mode, generator, recompute=recompute)
        _, image = self.block1(x, first_rgb, ws, noise_mode, generator, recompute=recompute)
        return SuperResolved(image, first_rgb)

    def _to_input_resolution(self, x: Tensor) -> Tensor:
        size = self.preset.input_resolution
        if self.preset.enlarge_only and x.shape[-1] > size:
            raise InputError(
                f"a rendering of {x.shape[-1]}² is too large for this super-resolution: "
                f"render at {size}² or less."
            )
        return resize(x, size, self.antialias and self.preset.antialias)

    def official_changes_rgb(self, resolution: int) -> bool:
        """Whether the official code overwrites the rgb it is given with `first_rgb`.

        It adds the first toRGB in place, so that modules whose first block keeps the resolution
        return, at their own input resolution, an `image_raw` that is `first_rgb` (eg3d.md 3).
        """
        return self.preset.up[0] == 1 and resolution == self.preset.input_resolution


def build_superresolution(
    name: str,  # as in the release, with or without its module path
    in_channels: int = 32,
    conv_clamp: float | None = None,
    antialias: bool = True,
    w_dim: int = 512,
) -> SuperResolution:
    """The module that a checkpoint names."""
    preset = PRESETS.get(name.rpartition(".")[2])
    if preset is None:
        raise UsageError(f"unknown super-resolution {name!r}: use one of {', '.join(PRESETS)}.")
    return SuperResolution(name, preset, in_channels, conv_clamp, antialias, w_dim)
