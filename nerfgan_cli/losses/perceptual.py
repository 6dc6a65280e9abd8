"""How far apart two pictures are to a network that looks at them (Zhang et al. 2018).

There are three forms: LPIPS (`lpips.py`) and VGG16's features as they are (`vgg16_l1.py`), by
networks trained on photographs, and the features of a discriminator (`discriminator_distance.py`),
which nobody has to download.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

EPS = 1e-8  # of squared lengths; features may be zero


class Perceptual(nn.Module, ABC):
    """A distance of pictures; gradients flow into the first of each pair."""

    @abstractmethod
    def forward(
        self,
        drawn: Tensor,  # [B, 3, H, H] in [−1, 1], of any size
        target: Tensor,  # [B, 3, H, H]
    ) -> Tensor:  # [B]
        """The distance of each pair."""


def direction_distance(drawn: Tensor, target: Tensor) -> Tensor:  # [B, C, h, w] -> [B]
    """Squared distance of the features' directions, mean over pixels: 0 to 4."""
    drawn, target = (
        x.float() * (x.float().square().sum(dim=1, keepdim=True) + EPS).rsqrt()
        for x in (drawn, target)
    )
    return (drawn - target).square().sum(dim=1).mean(dim=(1, 2))
