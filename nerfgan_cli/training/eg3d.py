"""The four phases of an EG3D training iteration (EG3D section 5; eg3d.md 9).

    generator      latents → fakes ──┬→ adversarial loss
    density        latents → planes → densities at pairs of near points
    discriminator  fakes, reals ─────┴→ adversarial loss
    r1             reals → gradient penalty

A phase returns losses per sample; the loop takes their mean, times the interval of a phase that
does not run in every iteration. All random numbers are handed in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import DrawOptions, Subject
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.losses.adversarial import discriminator_loss, generator_loss, r1_penalty
from nerfgan_cli.losses.density import (
    MONOTONIC_STEP,
    MONOTONIC_WEIGHT,
    monotonic_loss,
    point_pairs,
    points_in_line,
    smoothness_loss,
)
from nerfgan_cli.nn.depths import Draws
from nerfgan_cli.nn.discriminators import SingleDiscriminator
from nerfgan_cli.ops.fir import blur2d
from nerfgan_cli.ops.resize import filtered_resizing, resize


class Mixing(NamedTuple):
    """Style mixing: layers from `cutoff` on get the styles of another latent."""

    z: Tensor  # [B, z_dim]
    cutoff: int


class Latents(NamedTuple):
    """What fakes are made from."""

    z: Tensor  # [B, z_dim]
    camera: Camera  # B
    swap: Tensor  # [B], uniform in [0, 1): who gets another's conditioning camera
    rays: Sequence[Draws] | None = None  # B; None: drawn by the generator of the options
    mixing: Mixing | None = None


class Truth(NamedTuple):
    """What the latents stand for, where that is known: not in EG3D, whose latents mean nothing."""

    image: Tensor  # [B, 3, H, W] in [−1, 1]
    weight: float


class DensityPoints(NamedTuple):
    """Where the density is regularised."""

    uniform: Tensor  # [B, N, 3] in [0, 1)
    offsets: Tensor  # [B, N, 3] to their neighbours, in world units
    in_line: Tensor | None = None  # [B, M, 3] in [0, 1), of the monotonic variants


class Reals(NamedTuple):
    image: Tensor  # [B, 3, H, W] in [−1, 1]
    camera: Camera  # B


class Views(NamedTuple):
    """What the discriminator compares."""

    image: Tensor  # [B, 3, H, W]
    image_raw: Tensor  # [B, 3, r, r]


class Exhibit(NamedTuple):
    """Pictures with what the discriminator is told about them."""

    views: Views
    camera: Camera  # B


@dataclass(frozen=True)
class Moment:
    """What the schedules say now, and how pictures are drawn and shown to the discriminator."""

    swap_probability: float
    blur_sigma: float  # pixels
    resolution: int  # of the volume rendering, r
    drawing: DrawOptions  # its resolution is not used; its generator draws all noise
    augment: Callable[[Tensor], Tensor] | None = None  # [B, 6, H, W], both views side by side
    official_raw: bool = True  # raw pictures as the releases return them


class PhaseResult(NamedTuple):
    loss: Tensor  # [B, 1] or [B]; [] where samples are not told apart
    scores: Mapping[str, Tensor]  # logits [B, 1] of "fake" and "real", and of patches, detached
    terms: Mapping[str, Tensor] = {}  # [B, 1], of what the loss is the sum, if of several; detached


class Term(NamedTuple):
    """A part of a loss."""

    value: Tensor  # [B, 1]
    weight: float


def weigh(terms: Mapping[str, Term], scores: Mapping[str, Tensor]) -> PhaseResult:
    """Their weighted sum; without their weights they are told apart, if there are several."""
    loss = torch.stack([weight * value for value, weight in terms.values()]).sum(dim=0)
    apart = {name: term.value.detach() for name, term in terms.items() if len(terms) > 1}
    return PhaseResult(loss, scores, apart)


def swap_cameras(camera: Camera, probability: float, draws: Tensor) -> Camera:  # draws [B] or [1]
    """What the generator is conditioned on: now and then the previous sample's camera.

    So the conditioning does not give away where the picture is seen from.
    """
    label = camera.label
    swapped = (draws < probability).to(label.device)[:, None]
    return Camera.from_label(label.roll(1, dims=0).where(swapped, label))


def draw_fakes(
    generator: EG3D, latents: Latents, moment: Moment, update_average: bool = False
) -> Views:
    ws = fake_codes(generator, latents, moment, update_average)
    return draw_views(generator, generator.prepare(ws, moment.drawing), latents, moment)


def fake_codes(
    generator: EG3D, latents: Latents, moment: Moment, update_average: bool = False
) -> Tensor:  # [B, L, w_dim]
    conditioning = swap_cameras(latents.camera, moment.swap_probability, latents.swap)
    ws = generator.mapping(latents.z, conditioning, update_average=update_average)
    if latents.mixing is None:
        return ws
    z, cutoff = latents.mixing
    others = generator.mapping(z, latents.camera)  # the camera that is not swapped
    return torch.cat([ws[:, :cutoff], others[:, cutoff:]], dim=1)


def draw_views(generator: EG3D, subject: Subject, latents: Latents, moment: Moment) -> Views:
    """What is drawn of subjects as their cameras see them."""
    options = replace(
        moment.drawing, resolution=moment.resolution, official_raw=moment.official_raw
    )
    rendered = generator.render(subject, latents.camera, options, latents.rays)
    rendering = generator.finish(subject, rendered, options)
    return Views(rendering.image, rendering.image_raw)


def real_views(image: Tensor, moment: Moment) -> Views:  # [B, 3, H, W]
    """A real raw image is blurred as the image will be; fakes' raw images never are."""
    return Views(image, blur2d(filtered_resizing(image, moment.resolution), moment.blur_sigma))


def shown(views: Views, moment: Moment) -> Views:
    """The views as they enter the discriminator."""
    image, raw = blur2d(views.image, moment.blur_sigma), views.image_raw
    if moment.augment is None:
        return Views(image, raw)
    both = torch.cat([image, resize(raw, image.shape[-1])], dim=1)
    image, enlarged = moment.augment(both).chunk(2, dim=1)
    return Views(image, resize(enlarged, raw.shape[-1]))


def generator_phase(
    generator: EG3D,
    discriminator: SingleDiscriminator,
    latents: Latents,
    moment: Moment,
    truth: Truth | None = None,
) -> PhaseResult:
    fakes = draw_fakes(generator, latents, moment)
    logits = fake_logits(discriminator, fakes, latents, moment)
    return weigh(generator_terms(logits, fakes, truth), {"fake": logits.detach()})


def fake_logits(
    discriminator: SingleDiscriminator, fakes: Views, latents: Latents, moment: Moment
) -> Tensor:  # [B, 1]
    """What the discriminator makes of pictures that are drawn."""
    given = shown(fakes, moment)
    logits: Tensor = discriminator(*given, latents.camera.label, moment.drawing.generator)
    return logits


def generator_terms(logits: Tensor, fakes: Views, truth: Truth | None) -> dict[str, Term]:
    """What the generator learns from by whole pictures."""
    terms = {"adversarial": Term(generator_loss(logits), 1.0)}
    if truth is not None:
        terms["truth"] = Term(distance(fakes, truth.image)[:, None], truth.weight)
    return terms


def distance(fakes: Views, image: Tensor) -> Tensor:  # [B]
    """Mean |difference| of the pictures and of the raw ones, together."""
    exact = Views(image, resize(image, fakes.image_raw.shape[-1]))
    pairs = zip(fakes, exact, strict=True)
    return torch.stack([(a - b).abs().mean(dim=(1, 2, 3)) for a, b in pairs]).sum(dim=0)


def density_phase(
    generator: EG3D,
    latents: Latents,
    points: DensityPoints,
    moment: Moment,
    strength: float,
    hold_front: bool = False,
) -> PhaseResult:
    """The strength is that of smoothness alone. The first swap decides for the whole batch.

    The density is that of the finest branch.
    """
    conditioning = swap_cameras(latents.camera, moment.swap_probability, latents.swap[:1])
    options = replace(moment.drawing, branch=generator.finest_branch)
    subject = generator.prepare(generator.mapping(latents.z, conditioning), options)
    pairs = generator.density(subject, point_pairs(points.uniform, points.offsets))
    loss = strength * smoothness_loss(pairs)
    if points.in_line is not None:
        step = generator.eg3d_config.volume.box_warp * MONOTONIC_STEP
        lines = generator.density(subject, points_in_line(points.in_line, step))
        loss = loss + MONOTONIC_WEIGHT * monotonic_loss(lines, hold_front)
    return PhaseResult(loss, {})


def discriminator_phase(
    generator: EG3D,
    discriminator: SingleDiscriminator,
    latents: Latents,
    reals: Reals,
    moment: Moment,
) -> PhaseResult:
    """Also the only phase that updates the generator's average style code."""
    with torch.no_grad():
        fakes = draw_fakes(generator, latents, moment, update_average=True)
        views = real_views(reals.image, moment)
    fake, real = Exhibit(fakes, latents.camera), Exhibit(views, reals.camera)
    return judge(discriminator, fake, real, moment)


def r1_phase(
    discriminator: SingleDiscriminator, reals: Reals, gamma: float, moment: Moment
) -> PhaseResult:
    with torch.no_grad():
        views = real_views(reals.image, moment)
    return penalize(discriminator, Exhibit(views, reals.camera), gamma, moment)


def judge(
    discriminator: SingleDiscriminator, fakes: Exhibit, reals: Exhibit, moment: Moment
) -> PhaseResult:
    """The discriminator's loss on fakes that are drawn."""
    noise = moment.drawing.generator
    with torch.no_grad():
        drawn, given = (shown(each.views, moment) for each in (fakes, reals))
    fake_logits = discriminator(*drawn, fakes.camera.label, noise)
    real_logits = discriminator(*given, reals.camera.label, noise)
    scores = {"fake": fake_logits.detach(), "real": real_logits.detach()}
    return PhaseResult(discriminator_loss(fake_logits, real_logits), scores)


def penalize(
    discriminator: SingleDiscriminator, reals: Exhibit, gamma: float, moment: Moment
) -> PhaseResult:
    """γ/2 of the penalty on the views that enter the discriminator, blurred and augmented."""
    with torch.no_grad():
        views = shown(reals.views, moment)
    inputs = [view.detach().requires_grad_() for view in views]
    logits = discriminator(*inputs, reals.camera.label, moment.drawing.generator)
    penalty = r1_penalty(logits, inputs[: discriminator.images])  # a single one sees no raw image
    return PhaseResult(gamma / 2 * penalty, {"real": logits.detach()})
