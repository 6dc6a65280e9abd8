"""Perceptual distance on the features of a discriminator, such as the teacher's own.

It has learned from the very pictures that are compared. A dual discriminator looks at an image and
at its raw rendering side by side; here a picture stands in both places, enlarged to the size that
the discriminator takes. So one network compares raw pictures and final ones, each without the
other. All blocks weigh the same.
"""

import torch
from torch import Tensor

from nerfgan_cli.losses.perceptual import Perceptual, direction_distance
from nerfgan_cli.nn.discriminators import SingleDiscriminator
from nerfgan_cli.ops.resize import resize


class DiscriminatorDistance(Perceptual):
    """See the module. Takes the discriminator over, which learns no more."""

    def __init__(self, discriminator: SingleDiscriminator) -> None:
        super().__init__()
        self.discriminator = discriminator.requires_grad_(False).eval()

    def forward(self, drawn: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._features(target)
        pairs = zip(self._features(drawn), wanted, strict=True)
        return torch.stack([direction_distance(*pair) for pair in pairs]).mean(dim=0)

    def _features(self, picture: Tensor) -> list[Tensor]:
        picture = resize(picture, self.discriminator.config.img_resolution)
        return list(self.discriminator.features(picture, picture))
