"""What a training iteration of Mimic3D's 3D phase has beyond EG3D's (mimic3d.md 7 to 10).

    generator            latents → both branches ─┬→ picture of the 2D branch: adversarial loss
                                                  └→ patch of the 3D branch: imitation of that
                                                     picture's patch, adversarial loss
    patch discriminator  patches of the 3D branch, of reals → adversarial loss
    patch R1             patches of reals → gradient penalty

The density that is regularised is that of all planes, as `eg3d.py` has it; the discriminator of
whole pictures sees the 2D branch alone. A patch discriminator is told of no camera and no place.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import Subject
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.mimic3d_config import PATCH
from nerfgan_cli.losses.adversarial import discriminator_loss, generator_loss, r1_penalty
from nerfgan_cli.losses.imitation import imitation_loss
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.nn.discriminators import SingleDiscriminator
from nerfgan_cli.nn.patches import cut, patch_cameras
from nerfgan_cli.ops.fir import blur2d
from nerfgan_cli.training.eg3d import (
    Latents,
    Moment,
    PhaseResult,
    Term,
    Truth,
    draw_views,
    fake_codes,
    fake_logits,
    generator_terms,
    weigh,
)


class Imitation(NamedTuple):
    """By what the 2D branch is imitated."""

    distance: Perceptual
    weight: float


class PatchAdversary(NamedTuple):
    """Who judges patches."""

    discriminator: SingleDiscriminator
    weight: float  # in the generator's loss; its own has 1


class PatchTerms(NamedTuple):
    """What the 3D branch learns from; a recipe may leave some out."""

    imitation: Imitation | None = None
    adversary: PatchAdversary | None = None
    truth: float = 0.0  # weight of the mean |difference| from patches of the truth


def generator_phase_3d(
    generator: Mimic3D,
    discriminator: SingleDiscriminator,
    latents: Latents,
    corners: Tensor,  # [B, 2]
    moment: Moment,
    learned: PatchTerms,
    truth: Truth | None = None,
) -> PhaseResult:
    """The terms have the names of their weights in [loss]; "adversarial" is not weighted."""
    subject = prepare_fakes(generator, latents, moment)
    fakes = draw_views(generator, subject, latents, moment)
    logits = fake_logits(discriminator, fakes, latents, moment)
    terms = generator_terms(logits, fakes, truth)
    patch = draw_patches(generator, subject, latents, corners, moment)
    if learned.imitation is not None:
        distance, weight = learned.imitation
        pattern = cut(fakes.image, corners, PATCH)
        terms["imitation"] = Term(imitation_loss(distance, patch, pattern), weight)
    if learned.adversary is not None:
        judge, weight = learned.adversary
        loss = generator_loss(patch_logits(judge, shown_patch(patch, moment)))
        terms["patch_adversarial"] = Term(loss, weight)
    if learned.truth and truth is not None:
        error = (patch - cut(truth.image, corners, PATCH)).abs().mean(dim=(1, 2, 3))
        terms["patch_truth"] = Term(error[:, None], learned.truth)
    return weigh(terms, {"fake": logits.detach()})


def patch_discriminator_phase(
    generator: Mimic3D,
    discriminator: SingleDiscriminator,  # of patches
    latents: Latents,
    corners: Tensor,  # [B, 2], of the fakes
    reals: Tensor,  # [B, 3, m, m], patches from anywhere
    moment: Moment,
) -> PhaseResult:
    with torch.no_grad():
        subject = prepare_fakes(generator, latents, moment)
        drawn = shown_patch(draw_patches(generator, subject, latents, corners, moment), moment)
        given = shown_patch(reals, moment)
    fake, real = patch_logits(discriminator, drawn), patch_logits(discriminator, given)
    scores = {"patch_fake": fake.detach(), "patch_real": real.detach()}
    return PhaseResult(discriminator_loss(fake, real), scores)


def patch_r1_phase(
    discriminator: SingleDiscriminator, reals: Tensor, gamma: float, moment: Moment
) -> PhaseResult:
    with torch.no_grad():
        patch = shown_patch(reals, moment)
    patch = patch.detach().requires_grad_()
    return PhaseResult(gamma / 2 * r1_penalty(patch_logits(discriminator, patch), [patch]), {})


def prepare_fakes(generator: Mimic3D, latents: Latents, moment: Moment) -> Subject:
    """With all planes that there are."""
    options = replace(moment.drawing, branch=generator.finest_branch, skipping=False)
    return generator.prepare(fake_codes(generator, latents, moment), options)


def draw_patches(
    generator: Mimic3D, subject: Subject, latents: Latents, corners: Tensor, moment: Moment
) -> Tensor:  # [B, 3, m, m]
    """Rendered, not enlarged: of the 3D branch, or of the coarse planes if there are no others."""
    camera: Camera = patch_cameras(latents.camera, corners, generator.img_resolution, PATCH)
    options = replace(
        moment.drawing,
        resolution=PATCH,
        ray_chunk=PATCH**2,
        branch=generator.finest_branch,
        raw_only=True,
    )
    rendered = generator.render(subject, camera, options, latents.rays)
    return generator.finish(subject, rendered, options).image


def shown_patch(patch: Tensor, moment: Moment) -> Tensor:
    """As a patch enters its discriminator: blurred and augmented as whole pictures are."""
    patch = blur2d(patch, moment.blur_sigma)
    return patch if moment.augment is None else moment.augment(patch)


def patch_logits(discriminator: SingleDiscriminator, patch: Tensor) -> Tensor:  # [B, 1]
    """It has one picture and no label."""
    logits: Tensor = discriminator(patch, patch, patch.new_zeros(len(patch), 0))
    return logits
