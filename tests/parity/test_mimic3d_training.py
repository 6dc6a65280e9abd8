"""The phases of Mimic3D's official training loss, with constant draws and a stand-in for LPIPS."""

from pathlib import Path

import pytest
import torch
from golden import Golden, assert_close, filled
from mimic3d_case import build, fx, half, one
from torch import Tensor, nn

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.generators.mimic3d_config import PATCH, PATCH_DISCRIMINATOR
from nerfgan_cli.losses.imitation import imitation_loss
from nerfgan_cli.losses.perceptual import Perceptual
from nerfgan_cli.nn.discriminators import (
    DiscriminatorConfig,
    SingleDiscriminator,
    build_discriminator,
)
from nerfgan_cli.nn.patches import cut
from nerfgan_cli.training.eg3d import (
    DensityPoints,
    Latents,
    Moment,
    PhaseResult,
    Reals,
    density_phase,
    discriminator_phase,
    draw_views,
)
from nerfgan_cli.training.mimic3d import (
    Imitation,
    PatchAdversary,
    PatchTerms,
    draw_patches,
    generator_phase_3d,
    patch_discriminator_phase,
    patch_logits,
    patch_r1_phase,
    prepare_fakes,
)

TOLERANCE = 1e-4
NORMS = 2e-3  # relative, of gradient norms
ROUNDING_NOISE = 1e-6
BATCH, SIDE, RAYS = 4, 256, 64
R1_INTERVAL, DENSITY_INTERVAL, DENSITY, DISTANCE = 16, 4, 0.25, 0.002
GAMMA = 1.0


class Squares(Perceptual):
    """The golden's distance."""

    def forward(self, drawn: Tensor, target: Tensor) -> Tensor:
        return 0.05 * (drawn - target).square().mean(dim=(1, 2, 3))


class Case:
    """Networks and inputs of the golden."""

    def __init__(self, golden: Golden) -> None:
        self.golden = golden
        generator = build(golden)
        self.generator: Mimic3D = generator.train().requires_grad_()
        self.discriminator = network("DualDiscriminator", DiscriminatorConfig(SIDE))
        self.critic = network("SingleDiscriminator", PATCH_DISCRIMINATOR)
        self.camera = Camera.from_label(golden["c"])
        draws = half(generator)
        rays = [next(draws) for _ in range(BATCH)]
        z = fx(golden, "loss/z", (BATCH, generator.z_dim))
        self.latents = Latents(z, self.camera, torch.ones(BATCH), rays)
        self.image = fx(golden, "loss/real", (BATCH, 3, SIDE, SIDE), 0.5)
        self.corners = golden["top_left_fake"]
        self.patches = cut(self.image, golden["top_left_real"], PATCH)
        self.moment = Moment(0.0, 0.0, RAYS, DrawOptions(noise_mode="none"))

    def generate(self, terms: PatchTerms) -> PhaseResult:
        networks = self.generator, self.discriminator
        return generator_phase_3d(*networks, self.latents, self.corners, self.moment, terms)

    def check(self, key: str, actual: Tensor) -> None:
        golden = self.golden[key]
        assert_close(actual.detach().reshape(golden.shape), golden, TOLERANCE)

    def check_norms(self, key: str, trained: nn.Module) -> None:
        names = "G|names" if trained is self.generator else "D_patch|names"
        parameters = dict(trained.named_parameters())
        pairs = zip(self.golden.array(names), self.golden[key].tolist(), strict=True)
        for name, norm in pairs:
            gradient = parameters.pop(str(name)).grad
            actual = 0.0 if gradient is None else gradient.double().norm().item()
            assert actual == pytest.approx(norm, rel=NORMS, abs=ROUNDING_NOISE), name
        assert not parameters


def network(name: str, config: DiscriminatorConfig) -> SingleDiscriminator:
    made = filled(build_discriminator(name, config)).train()
    assert isinstance(made, SingleDiscriminator)
    return made


@pytest.mark.parametrize("path", one("loss"))
def test_phases(path: Path) -> None:
    """All in one, since the networks take seconds to build."""
    case = Case(Golden(path))
    generator, critic, golden = case.generator, case.critic, case.golden
    networks, moment = (generator, case.discriminator), case.moment

    imitation = Imitation(Squares(), 1.0)
    result = case.generate(PatchTerms(imitation, PatchAdversary(critic, 0.2)))
    case.check("Gmain|Loss/scores/fake", result.scores["fake"])
    weights = {"adversarial": 1.0, "imitation": 1.0, "patch_adversarial": 0.2}
    assert list(result.terms) == list(weights)
    terms = [golden[f"Gmain|Loss/G/{name}"] for name in ("loss", "lpips", "patch")]
    for (name, weight), term in zip(weights.items(), terms, strict=True):
        assert_close(weight * result.terms[name], term, TOLERANCE)
    assert_close(result.loss.detach(), sum(terms[1:], terms[0]), TOLERANCE)
    result.loss.mean().backward()
    case.check_norms("Gmain|grad_norms", generator)

    generator.zero_grad()
    subject = prepare_fakes(generator, case.latents, moment)
    image = draw_views(generator, subject, case.latents, moment).image
    patch = draw_patches(generator, subject, case.latents, case.corners, moment)
    case.check("Gmain|Loss/scores/patch_fake", patch_logits(critic, patch))
    imitation_loss(Squares(), patch, cut(image, case.corners, PATCH)).mean().backward()
    case.check_norms("imitation|grad_norms", generator)

    generator.zero_grad()
    offsets = DISTANCE * fx(golden, "loss/reg_normal", (BATCH, 1000, 3))
    points = DensityPoints(golden["reg_uniform"], offsets)
    result = density_phase(generator, case.latents, points, moment, DENSITY)
    case.check("Greg|value", result.loss)
    (result.loss * DENSITY_INTERVAL).backward()
    case.check_norms("Greg|grad_norms", generator)

    result = discriminator_phase(*networks, case.latents, Reals(case.image, case.camera), moment)
    for name, logits in result.scores.items():
        case.check(f"Dmain|Loss/scores/{name}", logits)
    case.check("Dmain|Loss/D/loss", result.loss)

    critic.requires_grad_()
    patches = case.patches
    result = patch_discriminator_phase(
        generator, critic, case.latents, case.corners, patches, moment
    )
    for name, logits in result.scores.items():
        case.check(f"D_patchmain|Loss/scores/{name}", logits)
    case.check("D_patchmain|Loss/D_patch/loss", result.loss)
    result.loss.mean().backward()
    case.check_norms("D_patchmain|grad_norms", critic)

    critic.zero_grad()
    result = patch_r1_phase(critic, patches, GAMMA, moment)
    case.check("D_patchreg|Loss/D_patch/reg", result.loss)
    case.check("D_patchreg|Loss/patch_r1_penalty", result.loss / (GAMMA / 2))
    (result.loss.mean() * R1_INTERVAL).backward()
    case.check_norms("D_patchreg|grad_norms", critic)
