"""LPIPS: perceptual distance by a network trained on photographs (Zhang et al. 2018).

The package `lpips` brings the learned weights of the layers, but not the network below them, which
is torchvision's: from a file, or fetched on first use.
"""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nerfgan_cli.checkpoints.published import Published, find_or_fetch
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.losses.perceptual import Perceptual

HUB = "https://download.pytorch.org/models"
NETWORKS = {
    "vgg": Published(
        "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        HUB,
        "LPIPS with VGG16",
    ),
    "alex": Published(
        "alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        HUB,
        "LPIPS with AlexNet",
    ),
    "squeeze": Published(
        "squeezenet1_1-b8a52dc0.pth",
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        HUB,
        "LPIPS with SqueezeNet",
    ),
}


class Lpips(Perceptual):
    """On the device "meta", that is without numbers, until `load`."""

    def __init__(self, network: str) -> None:  # a key of NETWORKS
        super().__init__()
        import lpips  # brings torchvision along, which takes seconds

        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls torchvision in a way that is out of date
            # "Random" and not pretrained, else it would fetch the weights its own way.
            self.measure = lpips.LPIPS(net=network, pnet_rand=True, pretrained=False, verbose=False)
        self.compute_dtype = torch.float32  # of the convolutions
        self.heads = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{network}.pth"
        self.requires_grad_(False).eval()

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
        # Each head has two names there and one in the file.
        self.measure.load_state_dict(read_tensors(self.heads), strict=False, assign=True)

    def forward(self, drawn: Tensor, target: Tensor) -> Tensor:
        if self.compute_dtype == torch.float32 or drawn.is_meta:  # which autocast does not know
            distance: Tensor = self.measure(drawn, target)
        else:
            with torch.autocast(drawn.device.type, self.compute_dtype):
                distance = self.measure(drawn, target)
        return distance.float().flatten()


def open_lpips(network: str, weights: Path | None, alternative: str) -> Lpips:
    """With the weights of a file, of our folder, of torch's, or from their authors.

    `alternative` ends the sentence that is said where they cannot be had.
    """
    path = find_or_fetch(NETWORKS[network], alternative) if weights is None else weights
    distance = Lpips(network)
    distance.load(path)
    return distance


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
