"""The architecture of a discriminator; needs no torch."""

from dataclasses import dataclass
from typing import Any

from nerfgan_cli.camera_presets import require_label
from nerfgan_cli.nn.channels import CHANNEL_BASE, CHANNEL_MAX


@dataclass(frozen=True)
class DiscriminatorConfig:
    img_resolution: int
    img_channels: int = 3  # of one image
    c_dim: int = 25  # of the camera label; 0: unconditional
    channel_base: int = CHANNEL_BASE
    channel_max: int = CHANNEL_MAX
    conv_clamp: float | None = 256
    mbstd_group_size: int = 4
    disc_c_noise: float = 0  # noise on the label, in standard deviations of the batch
    freeze_layers: int = 0  # convolutions that are not trained, from the highest resolution down

    def __post_init__(self) -> None:
        require_label(self.c_dim)

    @classmethod
    def from_release(cls, init_kwargs: dict[str, Any]) -> "DiscriminatorConfig":
        """From the constructor arguments that an official checkpoint records."""
        plain = {key: init_kwargs[key] for key in cls.__dataclass_fields__ if key in init_kwargs}
        return cls(
            **plain,
            mbstd_group_size=init_kwargs.get("epilogue_kwargs", {}).get("mbstd_group_size", 4),
            freeze_layers=init_kwargs.get("block_kwargs", {}).get("freeze_layers", 0),
        )
