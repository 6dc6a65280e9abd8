"""Which networks compare a drawing with the photograph.

The reference has LPIPS, by VGG16 for the pivot and by AlexNet for the tuning, with weights that
are fetched. A model of ToyHeads is compared by the discriminator that comes with nerfgan, which
knows these heads and needs no download.
"""

from pathlib import Path
from typing import NamedTuple

import torch

from nerfgan_cli.checkpoints.format import load_network
from nerfgan_cli.checkpoints.measuring import IMAGENET
from nerfgan_cli.checkpoints.toyheads import is_of_toyheads
from nerfgan_cli.checkpoints.zoo import DISCRIMINATOR, find_model
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance
from nerfgan_cli.losses.lpips import Lpips
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.nn.discriminators import SingleDiscriminator

CHOICES = ("auto", "lpips", "discriminator")
ALTERNATIVE = "compare with --perceptual discriminator, if there is one of this model"
LPIPS_STOP = 0.06  # of AlexNet's, at which tuning is good enough (4.2)


class Distances(NamedTuple):
    pivot: Perceptual
    tuning: Perceptual
    names: tuple[str, str]  # of both, for people
    stop: float  # the distance at which tuning ends early


def open_distances(
    generator: Generator,
    choice: str,
    discriminator: str | None,  # a model that is one; None: the bundled one
    folder: Path | None,  # with the files of LPIPS' networks; None: found or fetched
    device: torch.device,
) -> Distances:
    if choice not in CHOICES:
        raise UsageError(f"unknown distance {choice!r}: use one of {', '.join(CHOICES)}.")
    toy = is_of_toyheads(generator)
    if choice == "auto":
        choice = "discriminator" if discriminator is not None or toy else "lpips"
    if choice == "lpips":
        if discriminator is not None:
            raise UsageError("LPIPS needs no --discriminator: give one or the other.")
        vgg, alex = (open_lpips(name, folder).to(device) for name in ("vgg", "alex"))
        return Distances(vgg, alex, ("lpips-vgg", "lpips-alex"), LPIPS_STOP)
    if folder is not None:
        raise UsageError("--perceptual-weights are those of LPIPS: add --perceptual lpips.")
    if discriminator is None and not toy:
        raise UsageError(
            "there is no discriminator for this model: name it with --discriminator (nerfgan "
            "convert --network D takes it from an official checkpoint), or use --perceptual lpips."
        )
    name = discriminator or DISCRIMINATOR
    network = load_network(find_model(name), device)
    if not isinstance(network, SingleDiscriminator):
        raise WeightsError(f"{name} is no discriminator: name one, or use --perceptual lpips.")
    distance = DiscriminatorDistance(network)
    label = f"discriminator {Path(name).name}"
    return Distances(distance, distance, (label, label), 0.0)


def open_lpips(network: str, folder: Path | None) -> Lpips:
    distance = Lpips(network)
    distance.obtain(None if folder is None else folder / IMAGENET[network].name, ALTERNATIVE)
    return distance
