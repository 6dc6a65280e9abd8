"""Mean |difference| of VGG16's features (Johnson et al. 2016; not squared: Wang et al. 2018).

They are those that LPIPS looks at, relu1_2 to relu5_3, as they come: neither normalised nor
weighted. All five stages weigh the same.
"""

import torch
from torch import Tensor

from nerfgan_cli.losses.imagenet import ImageNetDistance


class Vgg16L1(ImageNetDistance):
    def __init__(self) -> None:
        super().__init__("vgg", heads=False)

    def compare(self, drawn: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._features(target)
        pairs = zip(self._features(drawn), wanted, strict=True)
        distances = [(a.float() - b.float()).abs().mean(dim=(1, 2, 3)) for a, b in pairs]
        return torch.stack(distances).mean(dim=0)

    def _features(self, picture: Tensor) -> list[Tensor]:
        return list(self.measure.net(self.measure.scaling_layer(picture)))
