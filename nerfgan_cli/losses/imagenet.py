"""Distances by a network that was trained on the photographs of ImageNet.

The network is torchvision's, cut into stages by the package `lpips`. Its weights come from a file,
or are fetched on first use.
"""

import warnings
from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nerfgan_cli.checkpoints.measuring import IMAGENET
from nerfgan_cli.checkpoints.published import find_or_fetch
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.losses.perceptual import Perceptual


class ImageNetDistance(Perceptual):
    """On the device "meta", that is without numbers, until `load`."""

    def __init__(self, network: str, heads: bool) -> None:  # a key of IMAGENET; those of LPIPS
        super().__init__()
        import lpips  # brings torchvision along, which takes seconds

        self.network = network
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls torchvision in a way that is out of date
            # "Random" and not pretrained, else it would fetch the weights its own way.
            self.measure = lpips.LPIPS(
                net=network, lpips=heads, pnet_rand=True, pretrained=False, verbose=False
            )
        self.compute_dtype = torch.float32  # of the convolutions
        self.requires_grad_(False).eval()

    @abstractmethod
    def compare(self, drawn: Tensor, target: Tensor) -> Tensor:
        """As `forward`; the last dimensions may be of size 1."""

    def forward(self, drawn: Tensor, target: Tensor) -> Tensor:
        if self.compute_dtype == torch.float32 or drawn.is_meta:  # which autocast does not know
            distance = self.compare(drawn, target)
        else:
            with torch.autocast(drawn.device.type, self.compute_dtype):
                distance = self.compare(drawn, target)
        return distance.float().flatten()

    def obtain(self, weights: Path | None, alternative: str) -> None:
        """Takes weights of a file, of our folder, of torch's, or from their authors.

        `alternative` ends the sentence that is said where they cannot be had.
        """
        published = IMAGENET[self.network]
        self.load(find_or_fetch(published, alternative) if weights is None else weights)

    def load(self, path: Path) -> None:
        """Takes the convolutions from torchvision's file of the network."""
        tensors = read_tensors(path)
        own = self.measure.net.state_dict()
        wanted = {name: "features." + name.partition(".")[2] for name in own}  # slice3.8.weight
        wrong = [
            source
            for name, source in wanted.items()
            if source not in tensors or tensors[source].shape != own[name].shape
        ]
        if wrong:
            raise WeightsError(
                f"{path} lacks {wrong[0]}, or has it in another shape: give torchvision's file of "
                "this network."
            )
        convolutions = {name: tensors[source] for name, source in wanted.items()}
        self.measure.net.load_state_dict(convolutions, assign=True)


def read_tensors(path: Path) -> dict[str, Any]:
    """A state dict, by torch's reader that runs no code."""
    if not path.is_file():
        raise InputError(f"there is no file {path}: check the path.")
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch's safe reader refuses or stumbles over
        raise InputError(
            f"{path} holds no weights that torch reads safely: get the file again."
        ) from error
    if not isinstance(tensors, dict):
        raise InputError(f"{path} holds no table of weights: get the file again.")
    return tensors
