"""StyleGAN2 synthesis with skip connections (Karras et al. 2020; eg3d.md sections 2.6 to 2.8).

It draws the tri-planes of EG3D, and its blocks make up the super-resolution.
Attribute and tensor names are those of the official release, whose state dicts load as they are.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nerfgan_cli.nn.channels import CHANNEL_BASE, CHANNEL_MAX, channels_at, resolutions_between
from nerfgan_cli.nn.layers import FullyConnectedLayer
from nerfgan_cli.ops.bias_act import LRELU_GAIN, bias_act
from nerfgan_cli.ops.fir import RESAMPLE_TAPS, fir_filter, upsample2d
from nerfgan_cli.ops.modconv import modulated_conv2d


class SynthesisLayer(nn.Module):
    """Modulated 3×3 convolution, noise, bias, leaky ReLU; `up` = 2 doubles the resolution."""

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,  # of the output
        up: int = 1,
        conv_clamp: float | None = None,
        maps: int = 1,  # in a row in the batch, of each w: styles of their own, the same weight
    ) -> None:
        super().__init__()
        self.up = up
        self.conv_clamp = conv_clamp
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("resample_filter", fir_filter(RESAMPLE_TAPS))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.affine = FullyConnectedLayer(w_dim, maps * in_channels, bias_init=1)

    def forward(
        self,
        x: Tensor,  # [B · maps, in_channels, H, W]
        w: Tensor,  # [B, w_dim]
        noise_mode: str = "const",
        generator: torch.Generator | None = None,  # draws the random noise
    ) -> Tensor:  # [B · maps, out_channels, H·up, W·up]
        # Leaky ReLU is homogeneous: its gain goes in first, where it costs no pass over x.
        x = modulated_conv2d(
            x,
            self.weight,
            self.affine(w).view(len(x), -1),
            input_gain=LRELU_GAIN,
            padding=1,
            up=self.up,
            fir=self.resample_filter,
        )
        noise = self._noise(x, noise_mode, generator)
        if noise is not None:
            noise = (noise * LRELU_GAIN).to(x.dtype)
            x = x + noise if torch.is_grad_enabled() else x.add_(noise)
        bias = self.bias * LRELU_GAIN
        return bias_act(x, bias, "lrelu", gain=1, clamp=self.conv_clamp, overwrite=True)

    def _noise(
        self, x: Tensor, mode: str, generator: torch.Generator | None
    ) -> Tensor | None:  # [H, W], or [B, 1, H, W] if random
        if mode == "none":
            return None
        if mode == "const":
            return self.noise_const * self.noise_strength
        device = x.device if generator is None else generator.device
        noise = torch.randn(x.shape[0], 1, *x.shape[2:], generator=generator, device=device)
        return noise.to(x.device) * self.noise_strength


class ToRGBLayer(nn.Module):
    """Modulated 1×1 convolution without demodulation, from features to an image."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        conv_clamp: float | None = None,
        maps: int = 1,  # as of a `SynthesisLayer`
    ) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.weight_gain = in_channels**-0.5
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.affine = FullyConnectedLayer(w_dim, maps * in_channels, bias_init=1)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[B · maps, in_channels, H, W], [B, w_dim] -> float32 [B · maps, out_channels, H, W]."""
        styles = self.affine(w).view(len(x), -1) * self.weight_gain
        y = modulated_conv2d(x, self.weight, styles, demodulate=False)
        return bias_act(y.float(), self.bias, clamp=self.conv_clamp, overwrite=True)


class SynthesisBlock(nn.Module):
    """conv0, conv1, toRGB at one resolution.

    The first block of a network (`in_channels` = 0) starts from a constant and has no conv0.
    With `up` = 1 it keeps features and image at the resolution of the input.
    """

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,  # of the output
        img_channels: int,
        up: int = 2,
        conv_clamp: float | None = None,
        maps: int = 1,  # as of a `SynthesisLayer`
    ) -> None:
        super().__init__()
        self.up = up
        self.in_channels = in_channels
        self.num_conv = 2 if in_channels else 1
        self.num_ws = self.num_conv + 1
        self.conv_clamp = conv_clamp
        self.compute_dtype = torch.float32  # of the convolutions
        if not in_channels:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        self.register_buffer("resample_filter", fir_filter(RESAMPLE_TAPS))
        if in_channels:
            self.conv0 = SynthesisLayer(
                in_channels, out_channels, w_dim, resolution, up, conv_clamp, maps
            )
        self.conv1 = SynthesisLayer(
            out_channels, out_channels, w_dim, resolution, conv_clamp=conv_clamp, maps=maps
        )
        self.torgb = ToRGBLayer(out_channels, img_channels, w_dim, conv_clamp, maps)

    def forward(
        self,
        x: Tensor | None,  # [B, in_channels, H, W]; None in the first block
        img: Tensor | None,  # [B, img_channels, H, W] float32; None: this block draws the first
        ws: Tensor,  # [B, num_ws, w_dim]
        noise_mode: str = "const",
        generator: torch.Generator | None = None,
        added: Tensor | None = None,  # [B, out_channels, H·up, W·up], to what enters conv1
        recompute: bool = False,  # each convolution once more for its gradients: less memory
    ) -> tuple[Tensor, Tensor]:  # features and image, H·up × W·up
        again = recompute and noise_mode != "random"  # whose second draws would be others
        if x is None:
            x = self.const.expand(ws.shape[0], -1, -1, -1)
        x = x.to(dtype=self.compute_dtype, memory_format=torch.channels_last)
        if self.in_channels:
            x = _run(self.conv0, again, x, ws[:, 0], noise_mode, generator)
        if added is not None:
            x = x + added.to(x.dtype)
        x = _run(self.conv1, again, x, ws[:, -2], noise_mode, generator)
        rgb: Tensor = self.torgb(x, ws[:, -1])
        if img is None:
            return x, rgb
        if self.up > 1:
            img = upsample2d(img, self.resample_filter, self.up)
        return x, img + rgb if torch.is_grad_enabled() else rgb.add_(img)


def _run(layer: nn.Module, again: bool, *inputs: object) -> Tensor:
    y: Tensor = checkpoint(layer, *inputs, use_reentrant=False) if again else layer(*inputs)
    return y


class SynthesisNetwork(nn.Module):
    """Blocks b4, b8, … up to `img_resolution`; the toRGB of each shares its style with the next."""

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        channel_base: int = CHANNEL_BASE,
        channel_max: int = CHANNEL_MAX,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.resolutions = resolutions_between(4, img_resolution)
        in_channels = 0
        convolutions = 0
        for resolution in self.resolutions:
            out_channels = channels_at(resolution, channel_base, channel_max)
            block = SynthesisBlock(
                in_channels, out_channels, w_dim, resolution, img_channels, conv_clamp=conv_clamp
            )
            self.add_module(f"b{resolution}", block)
            in_channels = out_channels
            convolutions += block.num_conv
        self.num_ws = convolutions + 1  # the last toRGB has one of its own

    def block(self, resolution: int) -> SynthesisBlock:
        block = self.get_submodule(f"b{resolution}")
        assert isinstance(block, SynthesisBlock)
        return block

    def affines(self) -> list[tuple[int, FullyConnectedLayer]]:
        """The maps from codes to styles, each with its row of ws, in the order of the layers."""
        found: list[tuple[int, FullyConnectedLayer]] = []
        first = 0
        for resolution in self.resolutions:
            block = self.block(resolution)
            affines = [block.conv1.affine, block.torgb.affine]
            if block.in_channels:
                assert isinstance(block.conv0, SynthesisLayer)
                affines.insert(0, block.conv0.affine)
            found += [(first + index, affine) for index, affine in enumerate(affines)]
            first += block.num_conv
        return found

    @property
    def output_bias(self) -> Tensor:
        """[img_channels], added to the image by its last block."""
        return self.block(self.resolutions[-1]).torgb.bias

    def forward(
        self,
        ws: Tensor,  # [B, num_ws, w_dim]
        noise_mode: str = "const",
        generator: torch.Generator | None = None,
        added: Mapping[int, Tensor] | None = None,  # [B, C, r, r] by resolution r
    ) -> Tensor:  # [B, img_channels, img_resolution, img_resolution], float32
        for image in self.levels(ws, noise_mode, generator, added):
            last = image
        return last

    def levels(
        self,
        ws: Tensor,  # [B, num_ws, w_dim]
        noise_mode: str = "const",
        generator: torch.Generator | None = None,
        added: Mapping[int, Tensor] | None = None,  # [B, C, r, r] by resolution r
    ) -> Iterator[Tensor]:  # [B, img_channels, r, r], float32
        """The image after each block, from the lowest resolution up."""
        ws = ws.float()
        x: Tensor | None = None
        img: Tensor | None = None
        first = 0
        for resolution in self.resolutions:
            block = self.block(resolution)
            rows = ws[:, first : first + block.num_ws]
            extra = None if added is None else added[resolution]
            x, img = block(x, img, rows, noise_mode, generator, extra)
            first += block.num_conv
            yield img
