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
    Truth,
    draw_views,
    fake_codes,
    fool,
)


class Imitation(NamedTuple):
    """By what the 2D branch is imitated."""

    distance: Perceptual
    weight: float


class Scrutiny(NamedTuple):
    """Who judges patches."""

    critic: SingleDiscriminator
    weight: float  # in the generator's loss; its own has 1


class PatchTerms(NamedTuple):
    """What the 3D branch learns from; a recipe may leave some out."""

    imitation: Imitation | None = None
    scrutiny: Scrutiny | None = None
    truth: float = 0.0  # weight of the mean |difference| from patches of the truth


def imitating_phase(
    generator: Mimic3D,
    discriminator: SingleDiscriminator,
    latents: Latents,
    corners: Tensor,  # [B, 2]
    moment: Moment,
    terms: PatchTerms,
    truth: Truth | None = None,
) -> PhaseResult:
    """The generator's phase."""
    subject = prepare_fakes(generator, latents, moment)
    fakes = draw_views(generator, subject, latents, moment)
    result = fool(discriminator, fakes, latents, moment, truth)
    loss = result.loss
    patch = draw_patches(generator, subject, latents, corners, moment)
    if terms.imitation is not None:
        distance, weight = terms.imitation
        pattern = cut(fakes.image, corners, PATCH)
        loss = loss + weight * imitation_loss(distance, patch, pattern)
    if terms.scrutiny is not None:
        critic, weight = terms.scrutiny
        loss = loss + weight * generator_loss(ask(critic, shown_patch(patch, moment)))
    if terms.truth and truth is not None:
        error = (patch - cut(truth.image, corners, PATCH)).abs().mean(dim=(1, 2, 3))
        loss = loss + terms.truth * error[:, None]
    return PhaseResult(loss, result.scores)


def patch_discriminator_phase(
    generator: Mimic3D,
    critic: SingleDiscriminator,
    latents: Latents,
    corners: Tensor,  # [B, 2], of the fakes
    reals: Tensor,  # [B, 3, m, m], patches from anywhere
    moment: Moment,
) -> PhaseResult:
    with torch.no_grad():
        subject = prepare_fakes(generator, latents, moment)
        drawn = shown_patch(draw_patches(generator, subject, latents, corners, moment), moment)
        given = shown_patch(reals, moment)
    fake, real = ask(critic, drawn), ask(critic, given)
    scores = {"patch_fake": fake.detach(), "patch_real": real.detach()}
    return PhaseResult(discriminator_loss(fake, real), scores)


def patch_r1_phase(
    critic: SingleDiscriminator, reals: Tensor, gamma: float, moment: Moment
) -> PhaseResult:
    with torch.no_grad():
        patch = shown_patch(reals, moment)
    patch = patch.detach().requires_grad_()
    return PhaseResult(gamma / 2 * r1_penalty(ask(critic, patch), [patch]), {})


def prepare_fakes(generator: Mimic3D, latents: Latents, moment: Moment) -> Subject:
    """With all planes that there are."""
    options = replace(moment.drawing, branch=generator.branches[-1], skipping=False)
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
        branch=generator.branches[-1],
        raw_only=True,
    )
    rendered = generator.render(subject, camera, options, latents.rays)
    return generator.finish(subject, rendered, options).image


def shown_patch(patch: Tensor, moment: Moment) -> Tensor:
    """As a patch enters its discriminator: blurred and augmented as whole pictures are."""
    patch = blur2d(patch, moment.blur_sigma)
    return patch if moment.augment is None else moment.augment(patch)


def ask(critic: SingleDiscriminator, patch: Tensor) -> Tensor:  # [B, 1]
    """The logits. It has one picture and no label."""
    logits: Tensor = critic(patch, patch, patch.new_zeros(len(patch), 0))
    return logits
