"""Which convolutions train in half precision: those of the release (eg3d.md 2.8, 5, 6).

They are the super-resolution and the four highest resolutions of the discriminator, whose layers
are clamped. The release takes fp16 without scaling losses, and so do we: its ten bits of mantissa
matter to the gradient penalty more than the range of bf16, which has seven. The backbone, the
renderer and all weights stay in float32, as does everything on a CPU.

A student trains its convolutions in bf16 (stylegan3.md 10.2, point 20), and networks that compare
pictures are asked in it, never in fp16: their distances are means over pixels, and most gradients
of those are smaller than what fp16 can hold, also of a discriminator that serves as a distance.
A student's adversarial loss, with its small weight, is scaled (`distill.GRADIENT_SCALE`).
"""

import torch
from torch import nn

from nerfgan_cli.generators.precision import set_precision
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.volumetric import VolumetricGenerator
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance
from nerfgan_cli.losses.imagenet import ImageNetDistance
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.nn.discriminators import SingleDiscriminator

HALF_PRECISION_BLOCKS = 4  # of a discriminator, from the highest resolution


def set_training_precision(network: nn.Module, precision: str, device: torch.device) -> None:
    """`precision` is fp32, fp16, bf16, or auto: as the module says on CUDA, fp32 elsewhere.

    A distance of pictures takes fp32 for fp16.
    """
    if precision == "auto":
        half = "bf16" if isinstance(network, Student | Perceptual) else "fp16"
        precision = half if device.type == "cuda" else "fp32"
    elif precision == "fp16" and isinstance(network, Perceptual):
        precision = "fp32"
    for block in half_precision_blocks(network):
        set_precision(block, precision, device)


def half_precision_blocks(network: nn.Module) -> list[nn.Module]:
    if isinstance(network, VolumetricGenerator):
        return [] if network.superresolution is None else [network.superresolution]
    if isinstance(network, Student):
        return [network.predictor, network.superresolution]
    if isinstance(network, ImageNetDistance):
        return [network]
    if isinstance(network, DiscriminatorDistance):
        return half_precision_blocks(network.discriminator)
    if isinstance(network, SingleDiscriminator):
        highest = network.resolutions[:HALF_PRECISION_BLOCKS]
        return [network.get_submodule(f"b{resolution}") for resolution in highest]
    return []
