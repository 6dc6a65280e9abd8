"""Discriminators of EG3D: single, dual and dummy dual (EG3D section 4.4; eg3d.md section 6).

The dual discriminator sees the final image and the enlarged raw rendering side by side, so that the
two must agree. All are StyleGAN2 residual discriminators that compare with the camera label by a
projection.
"""

from collections.abc import Iterator
from math import sqrt

import torch
from torch import Tensor, nn

from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.nn.channels import channels_at, resolutions_between
from nerfgan_cli.nn.conv_layers import Conv2dLayer, minibatch_std
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.layers import FullyConnectedLayer
from nerfgan_cli.nn.mapping import MappingNetwork
from nerfgan_cli.ops.fir import RESAMPLE_TAPS, fir_filter
from nerfgan_cli.ops.resize import resize

# The dummy dual discriminator hides the raw image over 500,000 images, in calls of 32.
RAW_FADE_STEP = 32 / 500_000


class DiscriminatorBlock(nn.Module):
    """Residual block that halves the resolution; the first also reads the image."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,  # 0: the first block
        tmp_channels: int,
        out_channels: int,
        img_channels: int,
        conv_clamp: float | None = None,
        freeze_layers: int = 0,  # of this block's convolutions
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.conv_clamp = conv_clamp
        self.compute_dtype = torch.float32  # of the convolutions
        self.register_buffer("resample_filter", fir_filter(RESAMPLE_TAPS))
        names = ["conv0", "conv1", "skip"] if in_channels else ["fromrgb", "conv0", "conv1", "skip"]
        self.num_layers = len(names)
        frozen = names[:freeze_layers]
        if not in_channels:
            self.fromrgb = Conv2dLayer(
                img_channels, tmp_channels, 1,
                activation="lrelu", conv_clamp=conv_clamp, frozen="fromrgb" in frozen,
            )  # fmt: skip
        self.conv0 = Conv2dLayer(
            tmp_channels, tmp_channels, 3,
            activation="lrelu", conv_clamp=conv_clamp, frozen="conv0" in frozen,
        )  # fmt: skip
        self.conv1 = Conv2dLayer(
            tmp_channels, out_channels, 3,
            activation="lrelu", down=2, conv_clamp=conv_clamp, gain=sqrt(0.5),
            frozen="conv1" in frozen,
        )  # fmt: skip
        self.skip = Conv2dLayer(
            tmp_channels, out_channels, 1,
            bias=False, down=2, gain=sqrt(0.5), frozen="skip" in frozen,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_channels, H, W], or the image in the first block -> [B, out_channels, H/2, W/2]"""
        x = x.to(dtype=self.compute_dtype, memory_format=torch.channels_last)
        if not self.in_channels:
            x = self.fromrgb(x)
        y: Tensor = self.conv1(self.conv0(x))
        shortcut: Tensor = self.skip(x)
        return y + shortcut


class DiscriminatorEpilogue(nn.Module):
    """4×4 features to the logit, in float32."""

    def __init__(
        self,
        in_channels: int,
        cmap_dim: int,  # 0: unconditional
        mbstd_group_size: int = 4,
        mbstd_features: int = 1,
        conv_clamp: float | None = None,
        resolution: int = 4,
    ) -> None:
        super().__init__()
        self.cmap_dim = cmap_dim
        self.mbstd_group_size = mbstd_group_size
        self.mbstd_features = mbstd_features
        self.conv = Conv2dLayer(
            in_channels + mbstd_features, in_channels, 3, activation="lrelu", conv_clamp=conv_clamp
        )
        self.fc = FullyConnectedLayer(in_channels * resolution**2, in_channels, activation="lrelu")
        self.out = FullyConnectedLayer(in_channels, cmap_dim or 1)

    def forward(self, x: Tensor, cmap: Tensor | None) -> Tensor:
        """[B, in_channels, 4, 4], [B, cmap_dim] -> [B, 1]"""
        x = x.to(dtype=torch.float32, memory_format=torch.contiguous_format)
        x = minibatch_std(x, self.mbstd_group_size, self.mbstd_features)
        x = self.out(self.fc(self.conv(x).flatten(1)))
        if cmap is None:
            return x
        return (x * cmap).sum(dim=1, keepdim=True) / sqrt(self.cmap_dim)


class SingleDiscriminator(nn.Module):
    """Sees the final image only."""

    images = 1  # side by side in the input

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.resolutions = resolutions_between(8, config.img_resolution)[::-1]
        to_freeze = config.freeze_layers
        in_channels = 0
        for resolution in self.resolutions:
            block = DiscriminatorBlock(
                in_channels,
                channels_at(resolution, config.channel_base, config.channel_max),
                channels_at(resolution // 2, config.channel_base, config.channel_max),
                config.img_channels * self.images,
                config.conv_clamp,
                freeze_layers=to_freeze,
            )
            self.add_module(f"b{resolution}", block)
            to_freeze = max(to_freeze - block.num_layers, 0)
            in_channels = channels_at(resolution // 2, config.channel_base, config.channel_max)
        cmap_dim = in_channels if config.c_dim else 0
        if config.c_dim:
            self.mapping = MappingNetwork(0, config.c_dim, cmap_dim, num_ws=None)
        self.b4 = DiscriminatorEpilogue(
            in_channels, cmap_dim, config.mbstd_group_size, conv_clamp=config.conv_clamp
        )

    def forward(
        self,
        image: Tensor,  # [B, 3, R, R]
        image_raw: Tensor,  # [B, 3, r, r], the rendering before super-resolution
        c: Tensor,  # [B, c_dim]
        generator: torch.Generator | None = None,  # draws the noise on the label
    ) -> Tensor:  # [B, 1], the logits
        size = self.config.img_resolution
        if image.shape[-2:] != (size, size):
            raise InputError(
                f"this discriminator looks at images of {size}², not of "
                f"{image.shape[-2]}×{image.shape[-1]}: resize them."
            )
        for x in self.features(image, image_raw):
            last = x
        logits: Tensor = self.b4(last, self.embed_label(c, generator))
        return logits

    def features(self, image: Tensor, image_raw: Tensor) -> Iterator[Tensor]:
        """What each block passes on, from the highest resolution down."""
        x = self.join(image, image_raw)
        for resolution in self.resolutions:
            x = self.get_submodule(f"b{resolution}")(x)
            yield x

    def join(self, image: Tensor, image_raw: Tensor) -> Tensor:
        """The input of the first block."""
        return image

    def embed_label(self, c: Tensor, generator: torch.Generator | None) -> Tensor | None:
        """[B, c_dim] -> [B, cmap_dim]; None if unconditional."""
        if not self.config.c_dim:
            return None
        if self.config.disc_c_noise > 0:
            device = c.device if generator is None else generator.device
            noise = torch.randn(c.shape, generator=generator, device=device).to(c.device)
            c = c + noise * c.std(dim=0) * self.config.disc_c_noise
        cmap: Tensor = self.mapping(None, c)
        return cmap


class DualDiscriminator(SingleDiscriminator):
    """Sees the final image and the raw rendering, resized to it."""

    images = 2

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__(config)
        self.register_buffer("resample_filter", fir_filter(RESAMPLE_TAPS))  # unused, as released

    def join(self, image: Tensor, image_raw: Tensor) -> Tensor:
        return torch.cat([image, resize(image_raw, self.config.img_resolution)], dim=1)


class DummyDualDiscriminator(DualDiscriminator):
    """Dual, with a raw rendering that fades to nothing as training goes on."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__(config)
        self.raw_fade = 1.0  # not a tensor: checkpoints don't hold it

    def join(self, image: Tensor, image_raw: Tensor) -> Tensor:
        self.raw_fade = max(0.0, self.raw_fade - RAW_FADE_STEP)
        return super().join(image, image_raw * self.raw_fade)


DISCRIMINATORS: dict[str, type[SingleDiscriminator]] = {
    "SingleDiscriminator": SingleDiscriminator,
    "DualDiscriminator": DualDiscriminator,
    "DummyDualDiscriminator": DummyDualDiscriminator,
}


def build_discriminator(name: str, config: DiscriminatorConfig) -> SingleDiscriminator:
    """`name` is that of the official class, with or without its module path."""
    discriminator = DISCRIMINATORS.get(name.rpartition(".")[2])
    if discriminator is None:
        raise UsageError(f"unknown discriminator {name!r}: use one of {', '.join(DISCRIMINATORS)}.")
    return discriminator(config)
