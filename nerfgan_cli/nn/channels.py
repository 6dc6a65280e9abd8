"""Resolutions and channels of StyleGAN2 networks; needs no torch."""

from math import log2

from nerfgan_cli.errors import InputError

CHANNEL_BASE = 32768  # channels · resolution, in every release
CHANNEL_MAX = 512


def channels_at(
    resolution: int, channel_base: int = CHANNEL_BASE, channel_max: int = CHANNEL_MAX
) -> int:
    """Channels of a StyleGAN2 block, in generators and discriminators alike."""
    return min(channel_base // resolution, channel_max)


def resolutions_between(lowest: int, highest: int) -> list[int]:
    """Powers of two from `lowest` to `highest`, ascending."""
    if highest < lowest or highest & (highest - 1):
        raise InputError(
            f"a resolution of {highest} is impossible: use a power of two from {lowest} on."
        )
    return [2**n for n in range(int(log2(lowest)), int(log2(highest)) + 1)]
