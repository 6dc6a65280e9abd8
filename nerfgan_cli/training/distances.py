"""The network that tells how alike two pictures are, as a recipe names it."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch

from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance
from nerfgan_cli.losses.imagenet import ImageNetDistance
from nerfgan_cli.losses.lpips import Lpips
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.losses.vgg16_l1 import Vgg16L1
from nerfgan_cli.nn.discriminators import SingleDiscriminator
from nerfgan_cli.training.precision import set_training_precision

# What [loss] calls them.
PERCEPTUALS = ("lpips-vgg", "lpips-alex", "lpips-squeeze", "vgg16-l1", "discriminator")
ALTERNATIVE = "set loss.perceptual_weights to it, or loss.perceptual to discriminator"


def build_distance(
    name: str,  # one of PERCEPTUALS
    weights: str | None,  # file of its network; None: found or fetched
    given: Callable[[], SingleDiscriminator],  # whose features "discriminator" compares
    precision: str,
    device: torch.device,  # on "meta" it has no weights
) -> Perceptual:
    if name == "discriminator":
        own = DiscriminatorDistance(deepcopy(given()))  # the one given may go on learning
        set_training_precision(own, precision, device)
        return own.to(device)
    distance: ImageNetDistance = (
        Vgg16L1() if name == "vgg16-l1" else Lpips(name.removeprefix("lpips-"))
    )
    if device.type != "meta":
        distance.obtain(None if weights is None else Path(weights).expanduser(), ALTERNATIVE)
    set_training_precision(distance, precision, device)
    return distance.to(device)
