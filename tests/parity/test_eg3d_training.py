"""The phases of the official training loss, with constant draws, and the schedules."""

from pathlib import Path
from typing import Any

import pytest
import torch
from golden import Golden, assert_close, filled, goldens
from torch import Tensor, nn

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.eg3d import EG3D, EG3DConfig
from nerfgan_cli.losses.density import point_pairs
from nerfgan_cli.nn.depths import Draws
from nerfgan_cli.nn.discriminators import DiscriminatorConfig, DualDiscriminator
from nerfgan_cli.training.eg3d import (
    DensityPoints,
    Latents,
    Moment,
    Reals,
    density_phase,
    discriminator_phase,
    generator_phase,
    r1_phase,
    swap_cameras,
)
from nerfgan_cli.training.schedules import (
    blur_sigma,
    ema_beta,
    rendering_resolution,
    swap_probability,
)

TOLERANCE = 1e-4
SMALL_TOLERANCE = 1e-3  # relative: R1 penalties and gradient norms
ROUNDING_NOISE = 1e-7  # a smaller gradient norm is none
SCHEDULE_BATCH = 32  # of the golden's tables
CONSTANT = 0.5  # every uniform draw


def family() -> list[Any]:
    """(file, case) of every training golden."""
    cases = []
    for entry in goldens("eg3d_training*.npz"):
        (path,) = entry.values
        names = [] if path is None else Golden(path).meta["cur_nimg"]
        cases += [pytest.param(path, name, id=f"{entry.id}-{name}") for name in names]
    return cases


class Case:
    """Networks, inputs and settings of one golden case."""

    def __init__(self, golden: Golden, name: str) -> None:
        meta = golden.meta
        self.golden, self.meta, self.name = golden, meta, name
        generator = filled(EG3D(EG3DConfig.from_official(meta["G"])))
        discriminator = filled(DualDiscriminator(DiscriminatorConfig.from_release(meta["D"])))
        assert isinstance(generator, EG3D)
        assert isinstance(discriminator, DualDiscriminator)
        self.generator = generator.train().requires_grad_()
        self.discriminator = discriminator.train().requires_grad_()
        batch, size = meta["batch"], meta["D"]["img_resolution"]
        resolution = meta["neural_rendering_resolution"]
        volume = generator.eg3d_config.volume
        coarse, fine = volume.depth_resolution, volume.depth_resolution_importance
        rays = Draws(torch.full([1, coarse], CONSTANT), torch.full([1, fine], CONSTANT))
        camera = Camera.from_label(golden["gen_c"])
        uniform = torch.full([batch], CONSTANT)
        self.latents = Latents(golden.fx(*meta["z"]), camera, uniform, [rays] * batch)
        image = golden.blocky(meta["real"], (batch, 3, size, size)).clamp(-1, 1)
        self.reals = Reals(image, Camera.from_label(golden["real_c"]))
        nimg = meta["cur_nimg"][name]
        self.moment = Moment(
            swap_probability(nimg, meta["gpc_reg_prob"], meta["gpc_reg_fade_kimg"]),
            blur_sigma(nimg, meta["blur_fade_kimg"], meta["blur_init_sigma"]),
            resolution,
            DrawOptions(noise_mode="none"),  # normal draws are zero
        )

    def points(self) -> DensityPoints:
        """The golden's quasi-random points, and their offsets."""
        name, shape = self.meta["perturb"]
        number = torch.arange(shape[0] * shape[1], dtype=torch.float64)
        steps = torch.tensor(self.meta["coord_steps"], dtype=torch.float64)
        uniform = (CONSTANT + number[:, None] * steps).frac().float()
        distance = self.meta["G"]["rendering_kwargs"]["density_reg_p_dist"]
        return DensityPoints(uniform.reshape(shape), self.golden.fx(name, shape, distance))

    def check(self, phase: str, key: str, actual: Tensor, relative: bool = False) -> None:
        golden = self.golden[f"{self.name}_{phase}_{key}"]
        tolerance, floor = (SMALL_TOLERANCE, 0.0) if relative else (TOLERANCE, 1.0)
        assert_close(actual.detach().reshape(golden.shape), golden, tolerance, floor)

    def check_gradients(self, phase: str, network: nn.Module, loss: Tensor) -> None:
        """Norms of some tensors' gradients, −1 for those without, and of all together."""
        (loss.mean() * self.meta["gain"][phase]).backward()
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        present = [
            gradient.double().norm() for gradient in gradients.values() if gradient is not None
        ]
        names = self.golden.array("param_names_" + ("G" if network is self.generator else "D"))
        expected = self.golden[f"{self.name}_{phase}_gradnorm"].tolist()
        for name, norm in zip(names, expected, strict=True):
            gradient = gradients[str(name)]
            actual = -1.0 if gradient is None else gradient.double().norm().item()
            bound = pytest.approx(norm, rel=SMALL_TOLERANCE, abs=ROUNDING_NOISE)
            assert actual == bound, name
        self.check(phase, "gradnorm_total", torch.stack(present).norm(), relative=True)


@pytest.mark.parametrize(("path", "name"), family())
class TestPhases:
    def test_generator(self, path: Path, name: str) -> None:
        case = Case(Golden(path), name)
        case.discriminator.requires_grad_(False)
        result = generator_phase(case.generator, case.discriminator, case.latents, case.moment)
        case.check("Gmain", "Loss_scores_fake", result.scores["fake"])
        case.check("Gmain", "Loss_G_loss", result.loss)
        case.check_gradients("Gmain", case.generator, result.loss)

    def test_density(self, path: Path, name: str) -> None:
        case = Case(Golden(path), name)
        strength = case.meta["G"]["rendering_kwargs"]["density_reg"]
        result = density_phase(case.generator, case.latents, case.points(), case.moment, strength)
        case.check("Greg", "Greg_l1", result.loss / strength, relative=True)
        case.check_gradients("Greg", case.generator, result.loss)

    def test_density_at_the_first_points(self, path: Path, name: str) -> None:
        case = Case(Golden(path), name)
        generator, latents, moment = case.generator, case.latents, case.moment
        camera = swap_cameras(latents.camera, moment.swap_probability, latents.swap[:1])
        subject = generator.prepare(generator.mapping(latents.z, camera), moment.drawing)
        head = case.golden[f"{name}_Greg_Greg_sigma_initial_head"]
        points = case.points()
        pairs = point_pairs(points.uniform, points.offsets)
        first = pairs[:, : len(head) // len(latents.z)]
        case.check("Greg", "Greg_sigma_initial_head", generator.density(subject, first))

    def test_discriminator(self, path: Path, name: str) -> None:
        case = Case(Golden(path), name)
        networks = (case.generator, case.discriminator)
        result = discriminator_phase(*networks, case.latents, case.reals, case.moment)
        for key, scores in result.scores.items():
            case.check("Dmain", f"Loss_scores_{key}", scores)
        case.check("Dmain", "Loss_D_loss", result.loss)
        case.check_gradients("Dmain", case.discriminator, result.loss)
        assert all(parameter.grad is None for parameter in case.generator.parameters())
        average = case.generator.state_dict()["backbone.mapping.w_avg"]
        assert_close(average, case.golden[f"{name}_w_avg_after"], TOLERANCE)

    def test_r1(self, path: Path, name: str) -> None:
        case = Case(Golden(path), name)
        gamma = case.meta["r1_gamma"]
        result = r1_phase(case.discriminator, case.reals, gamma, case.moment)
        case.check("Dreg", "Loss_scores_real", result.scores["real"])
        case.check("Dreg", "Loss_r1_penalty", result.loss * 2 / gamma, relative=True)
        case.check("Dreg", "Loss_D_reg", result.loss, relative=True)
        case.check_gradients("Dreg", case.discriminator, result.loss)


@pytest.mark.parametrize("path", goldens("eg3d_training*.npz"))
def test_schedules(path: Path) -> None:
    golden = Golden(path)
    meta = golden.meta
    fade, seen = meta["gpc_reg_fade_kimg"], golden["sched_nimg"].tolist()
    tables = {
        "sched_blur_sigma": [
            blur_sigma(n, meta["blur_fade_kimg"], meta["blur_init_sigma"]) for n in seen
        ],
        "sched_swap_prob_05": [swap_probability(n, 0.5, fade) for n in seen],
        "sched_nrr_64_128": [rendering_resolution(n, 64, 128, fade) for n in seen],
        "sched_ema_beta": [ema_beta(n, SCHEDULE_BATCH) for n in seen],
    }
    for key, values in tables.items():
        actual = torch.tensor(values, dtype=golden[key].dtype)
        torch.testing.assert_close(actual, golden[key], rtol=1e-9, atol=1e-12, msg=key)
