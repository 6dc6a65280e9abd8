"""The losses of a distillation, of one slice (NeRF-GAN Distillation, section 3.3, eq. 1 to 3).

    features   smooth L1 of the 32 channels                ─┐ eq. 1
    raw        perceptual, of their first three            ─┤
    image      perceptual, of the super-resolved picture   ─┤ eq. 2     stage 1
    adversarial  of both, by the dual discriminator        ─┘ eq. 3     stage 2

Beyond the paper, each only if it has a weight: `pixels` and `consistency`. A pixel loss blurs what
a super-resolution draws otherwise in each view, and so is safe with the pictures of a 3D branch
(mimic3d.md 21.2), of which there may be a patch, or one beside that of the 2D branch.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import Rendering
from nerfgan_cli.losses.adversarial import generator_loss
from nerfgan_cli.losses.features import RGB, smooth_l1
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.losses.view_consistency import view_consistency
from nerfgan_cli.nn.discriminators import SingleDiscriminator
from nerfgan_cli.nn.patches import cut
from nerfgan_cli.nn.reprojection import Surface
from nerfgan_cli.ops.resize import resize
from nerfgan_cli.training.distill_recipe import Loss
from nerfgan_cli.training.eg3d import Moment, Views, shown

Losses: TypeAlias = Mapping[str, Tensor]  # [] each

# Of gradients on their way through the discriminator. This loss has a weight of 0.1 and is the mean
# of a slice: of 4 pictures of 128², fp16 would lose 2 % of the pixels' gradients, of 16 nearly
# half. So scaled, the largest stay far below its limit.
GRADIENT_SCALE = 256.0


class Lesson(NamedTuple):
    """What the teacher shows of B samples; the views of a subject stand side by side."""

    w: Tensor  # [B, w_dim]
    camera: Camera  # B
    features: Tensor  # [B, 32, r, r]
    depth: Tensor  # [B, 1, h, h]
    image: Tensor  # [B, 3, R, R], or a patch; the raw picture where no more is needed
    image_raw: Tensor  # [B, 3, r, r], as the teacher's discriminator was shown it
    strict: Tensor | None = None  # [B, 3, R, R], or a patch: a 3D branch's beside the 2D branch's
    corners: Tensor | None = None  # [B, 2], row and column of the patches' first pixels

    @property
    def views(self) -> Views:
        return Views(self.image, self.image_raw)


def reconstruction_losses(
    drawn: Rendering, lesson: Lesson, table: Loss, perceptual: Perceptual | None
) -> dict[str, Tensor]:
    """Those of them that have a weight."""
    losses: dict[str, Tensor] = {}
    if table.features:
        distance = smooth_l1(
            drawn.features, lesson.features, table.features_beta, table.features_rgb
        )
        losses["features"] = distance.mean()
    if table.raw:
        assert perceptual is not None
        losses["raw"] = perceptual(drawn.features[:, :RGB], lesson.features[:, :RGB]).mean()
    if table.image:
        assert perceptual is not None
        distances = [
            share * perceptual(*(reduced(x, table.perceptual_size) for x in (own, target))).mean()
            for share, own, target in pairs_of(drawn, lesson, table.hybrid_share)
        ]
        losses["image"] = torch.stack(distances).sum()
    if table.pixels:
        *_, (share, own, target) = pairs_of(drawn, lesson, table.hybrid_share)
        losses["pixels"] = share * (own - target).abs().mean()
    return losses


class Pair(NamedTuple):
    """A picture of the student and what it should be."""

    share: float
    drawn: Tensor  # [B, 3, H, H]
    target: Tensor  # [B, 3, H, H]


def pairs_of(drawn: Rendering, lesson: Lesson, hybrid_share: float) -> list[Pair]:
    """With the teacher's picture; of two branches with both, that of the 3D branch last."""
    alone = lesson.strict is None
    last = lesson.image if lesson.strict is None else lesson.strict
    own = drawn.image
    if lesson.corners is not None:
        own = cut(own, lesson.corners, last.shape[-1])
    pair = Pair(1.0 if alone else 1 - hybrid_share, own, last)
    return [pair] if alone else [Pair(hybrid_share, drawn.image, lesson.image), pair]


def reduced(picture: Tensor, largest: int | None) -> Tensor:
    """A picture that is not larger than this; None: as it is."""
    size: int = picture.shape[-1]
    return resize(picture, min(largest or size, size))


def consistency_loss(drawn: Rendering, lesson: Lesson, views: int, tolerance: float) -> Tensor:
    """Each view against the next one of the same subject: []."""
    numbers = torch.arange(len(lesson.w), device=lesson.w.device)
    following = numbers.view(-1, views).roll(-1, dims=1).flatten()
    surface = Surface(lesson.camera, lesson.depth)
    its_surface = Surface(lesson.camera[following], lesson.depth[following])
    distance = view_consistency(
        drawn.image[following], drawn.image, its_surface, surface, tolerance
    )
    return distance.mean()


def adversarial_loss(
    discriminator: SingleDiscriminator, drawn: Views, camera: Camera, moment: Moment
) -> Tensor:  # []
    entering = Views(*(scale_gradient(view, 1 / GRADIENT_SCALE) for view in drawn))
    logits = discriminator(*shown(entering, moment), camera.label, moment.drawing.generator)
    return scale_gradient(generator_loss(logits).mean(), GRADIENT_SCALE)


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """The same numbers, whose gradient is `factor` times as large before them."""
    x = x.view_as(x)
    x.register_hook(lambda gradient: gradient * factor)  # type: ignore[no-untyped-call]
    return x


def weigh(losses: Losses, table: Loss) -> Tensor:
    """Their weighted sum; a loss and its weight have the same name."""
    return torch.stack([getattr(table, name) * value for name, value in losses.items()]).sum()
