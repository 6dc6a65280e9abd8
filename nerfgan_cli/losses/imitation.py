"""The 3D branch shall look like the 2D branch (Mimic3D section 3.3; mimic3d.md 8).

Patches of both lie pixel on pixel. The picture of the 2D branch is the pattern: no gradient flows
into it, so that its super-resolution does not learn to be easy to imitate.
"""

from collections.abc import Callable

from torch import Tensor


def imitation_loss(
    distance: Callable[[Tensor, Tensor], Tensor],  # of pairs of pictures, [B]
    strict: Tensor,  # [B, 3, m, m], of the 3D branch
    pattern: Tensor,  # [B, 3, m, m], of the 2D branch
) -> Tensor:  # [B, 1]
    return distance(strict, pattern.detach()).view(-1, 1)
