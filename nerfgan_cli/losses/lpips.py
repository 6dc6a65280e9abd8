"""LPIPS: perceptual distance of which people's judgements weigh the features (Zhang et al. 2018).

The package `lpips` brings these weights along, but not those of the network below.
"""

from pathlib import Path

from torch import Tensor

from nerfgan_cli.losses.imagenet import ImageNetDistance, read_tensors


class Lpips(ImageNetDistance):
    def __init__(self, network: str) -> None:  # vgg, alex or squeeze
        super().__init__(network, heads=True)
        import lpips

        self.heads = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{network}.pth"

    def load(self, path: Path) -> None:
        super().load(path)
        # Each head has two names there and one in the file.
        self.measure.load_state_dict(read_tensors(self.heads), strict=False, assign=True)

    def compare(self, drawn: Tensor, target: Tensor) -> Tensor:
        distance: Tensor = self.measure(drawn, target)
        return distance
