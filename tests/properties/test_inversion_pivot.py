"""Stage 1 of an inversion, the search for the pivot, and that each option does what it says."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from inversion_case import (
    PIXELS,
    SIDEWAYS,
    Models,
    codes_of,
    load,
    quick,
    run,
    search,
    tuning,
    view_of,
)
from torch import Tensor

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.inversion.extras import take_extras
from nerfgan_cli.inversion.pivot import reduce
from nerfgan_cli.inversion.settings import CameraSettings, PivotSettings, Settings
from nerfgan_cli.inversion.state import Progress, read_state, restore, restore_optimizer, save_state
from nerfgan_cli.latent_files import Latent, fit_latent
from nerfgan_cli.nn.stylegan2 import SynthesisNetwork as StyleGAN2


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_own_samples_are_found(models: Models, name: str) -> None:
    generator = load(getattr(models, name))
    settings = Settings(PivotSettings(steps=100, optimise_noise=False), depth_multiplier=1.0)
    view = view_of(generator, seed=1)
    stage = search(generator, settings, [view])
    run(stage)

    def distance(ws: Tensor) -> float:
        drawn = generator.synthesis(ws.detach().expand(1, generator.num_ws, -1), SIDEWAYS).image
        return float(PIXELS.pivot(drawn, view.target))

    assert distance(stage.ws) < 0.15 * distance(stage.statistics.w_avg)


def test_the_search_begins_at_the_mean(models: Models) -> None:
    for name, space, rows in (("student", "w", 1), ("teacher", "w", 1), ("teacher", "w+", 6)):
        generator = load(getattr(models, name))
        stage = search(generator, replace(quick(), pivot=PivotSettings(4, space)))
        expected = stage.statistics.w_avg.expand(1, rows, -1)
        assert torch.equal(stage.ws.detach(), expected)
        assert rows in (1, generator.num_ws)
        (group,) = stage.optimizer.param_groups
        assert (type(stage.optimizer), group["betas"]) == (torch.optim.Adam, (0.9, 0.999))


@pytest.mark.parametrize("space", ["w", "w+"])
def test_the_search_is_noisy_at_first(models: Models, space: str) -> None:
    """Each coordinate by 0.05 of the codes' distance from the mean; in W+ each layer by its own."""
    generator = load(models.teacher)
    stage = search(generator, replace(quick(), pivot=PivotSettings(1000, space)))
    moves = torch.cat([stage.draw_noise(index) for index in range(100)])
    assert moves.shape[1] == (1 if space == "w" else generator.num_ws)
    assert not torch.equal(moves[0], moves[1]), "fresh in each step"
    assert torch.equal(moves[:1], stage.draw_noise(0)), "the same when it goes on"
    size = moves[:20].square().mean().sqrt() / stage.statistics.w_std
    assert float(size) == pytest.approx(0.05 * (1 - 9.5 / 750) ** 2, rel=0.1)
    if space == "w+":
        assert not torch.equal(moves[:, 0], moves[:, 1])
    seen = stage.noisy(0).ws - stage.ws.detach()
    torch.testing.assert_close(seen.detach(), moves[:1].expand_as(seen))
    assert stage.draw_noise(750).abs().max() == 0


def test_pictures_are_compared_at_256_by_means_over_areas() -> None:
    image = torch.randn(1, 3, 512, 512)
    means = image.view(1, 3, 256, 2, 256, 2).mean(dim=(3, 5))
    torch.testing.assert_close(reduce(image), means)
    assert torch.equal(reduce(means), means)
    assert torch.equal(reduce(image[..., :64, :64]), image[..., :64, :64])


def test_the_first_step_moves_nothing(models: Models) -> None:
    stage = search(load(models.student), quick())
    before = {name: tensor.clone() for name, tensor in stage.tensors().items()}
    assert stage.step(0)["rate"] == 0
    for name, tensor in stage.tensors().items():
        torch.testing.assert_close(tensor, before[name])
    stage.step(1)
    assert not torch.equal(stage.ws, before["ws"])


def test_noise_images_are_optimised_where_there_are_some(models: Models) -> None:
    generator = load(models.teacher)
    names = set(generator.noise_images())
    assert names
    assert all("backbone.synthesis" in name for name in names)
    own = {name: image.clone() for name, image in generator.noise_images().items()}
    stage = search(generator, quick())
    before = {name: image.clone() for name, image in generator.noise_images().items()}
    drawn = torch.cat([image.flatten() for image in before.values()])
    assert float(drawn.detach().std()) == pytest.approx(1, abs=0.1)
    assert not any(torch.equal(image, own[name]) for name, image in before.items())
    terms = run(stage)
    assert all(term["noise"] > 0 for term in terms)
    for name, image in generator.noise_images().items():
        assert image.detach().mean().item() == pytest.approx(0, abs=1e-5)
        assert image.detach().square().mean().item() == pytest.approx(1, rel=1e-4)
        assert not torch.equal(image, before[name])
    assert not load(models.student).noise_images()


def test_noise_images_can_be_left_alone(models: Models) -> None:
    generator = load(models.teacher)
    before = {name: image.clone() for name, image in generator.noise_images().items()}
    stage = search(generator, replace(quick(), pivot=PivotSettings(4, optimise_noise=False)))
    assert "noise" not in run(stage)[0]
    assert all(torch.equal(image, before[k]) for k, image in generator.noise_images().items())


def test_w_plus_of_a_teacher_has_a_code_for_each_layer(models: Models) -> None:
    generator = load(models.teacher)
    stage = search(generator, replace(quick(), pivot=PivotSettings(8, "w+")))
    run(stage)
    assert stage.ws.shape[1] == generator.num_ws
    assert (stage.ws[:, 1:] - stage.ws[:, :1]).abs().max() > 1e-4


def test_w_plus_of_a_student_is_an_offset_to_its_inner_codes(models: Models) -> None:
    generator = load(models.student)
    stage = search(generator, replace(quick(), pivot=PivotSettings(8, "w+")))
    run(stage)
    assert stage.ws.shape[1] == 1
    assert stage.offset.abs().max() > 0
    offset = (stage.offset * stage.offset_scale).detach()
    ws = stage.ws.detach().expand(-1, generator.num_ws, -1)
    plain = load(models.student)
    latent = Latent(stage.ws.detach(), "x", tensors={"offset": offset})
    codes = fit_latent(latent, plain)
    assert take_extras(latent, plain) == []
    expected = plain.features(plain.layer_codes(ws, SIDEWAYS) + offset, SIDEWAYS)
    torch.testing.assert_close(plain.synthesis(codes, SIDEWAYS).features, expected)
    teacher = load(models.teacher)
    assert "offset" in take_extras(latent, teacher)[0]
    assert torch.equal(fit_latent(latent, teacher), ws)


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_the_layer_penalty_pulls_layers_together(models: Models, name: str) -> None:
    def spread(penalty: float) -> float:
        table = PivotSettings(20, "w+", layer_penalty=penalty)
        stage = search(load(getattr(models, name)), replace(quick(), pivot=table))
        run(stage)
        rows = stage.ws[:, 1:] - stage.ws[:, :1] if stage.offset is None else stage.offset
        return float(rows.detach().square().mean())

    assert spread(1e3) < 0.5 * spread(0.0)


def test_several_photographs_count_alike(models: Models) -> None:
    generator = load(models.student)
    views = [view_of(generator), view_of(generator, PRESETS["ffhq"].at(-0.4))]
    alone = [search(load(models.student), quick(), [view]) for view in views]
    both = search(generator, quick(), views)
    first = [stage.step(0)["perceptual"] for stage in alone]
    assert both.step(0)["perceptual"] == pytest.approx(sum(first) / 2, rel=1e-5)
    mean = (alone[0].ws.grad + alone[1].ws.grad) / 2
    torch.testing.assert_close(both.ws.grad, mean)


def test_a_mask_hides_what_does_not_count(models: Models) -> None:
    generator = load(models.student)
    view, half = view_of(generator), torch.zeros(1, 1, 64, 64)
    half[..., 32:] = 1
    spoiled = view.target.clone()
    spoiled[..., :32] = 0.9
    stages = [
        search(load(models.student), quick(), [view._replace(target=target, mask=half)])
        for target in (view.target, spoiled)
    ]
    results = [run(stage) for stage in stages]
    assert torch.equal(stages[0].ws, stages[1].ws)
    assert results[0][-1]["perceptual"] > 0
    for target in (view.target, spoiled):
        tuned = tuning(generator, codes_of(generator), view._replace(target=target, mask=half))
        assert float(tuned.compare(0)[0].detach()) < 1e-3


def test_recomputing_features_changes_no_gradient(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients, calls, forward = [], [], StyleGAN2.forward
    monkeypatch.setattr(
        StyleGAN2,
        "forward",
        lambda self, *codes, **more: calls.append(1) or forward(self, *codes, **more),
    )
    for recompute in (False, True):
        tuned = tuning(load(models.student), codes_of(load(models.student)))
        tuned.options = replace(tuned.options, recompute=recompute)
        stage = search(load(models.student), quick(recompute=recompute))
        calls.clear()
        stage.step(0)
        assert len(calls) == 1 + recompute
        tuned.compare(0)[1].backward()
        weights = [weight.grad for weight in tuned.learning.values() if weight.grad is not None]
        gradients.append([stage.ws.grad, *weights])
    assert len(gradients[0]) > 10
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)


def test_depth_samples_and_recomputing(models: Models) -> None:
    """Recomputing changes no gradient; more samples along the rays do."""
    gradients = []
    for options in ({}, {"recompute": True}, {"depth_multiplier": 2.0}):
        stage = search(load(models.teacher), quick(**options))
        stage.step(0)
        gradients.append(stage.ws.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-7)
    assert not torch.allclose(gradients[0], gradients[2], rtol=1e-3)


def test_a_search_in_w_plus_goes_on_from_its_state(models: Models, tmp_path: Path) -> None:
    """With everything that it can move; the walk itself is in test_invert_faults.py."""
    settings = replace(quick(), pivot=PivotSettings(6, "w+"), camera=CameraSettings(start=0.0))
    for name in ("student", "teacher"):
        whole, first, second = (search(load(getattr(models, name)), settings) for _ in range(3))
        run(whole)
        for index in range(3):
            first.step(index)
        save_state(tmp_path / "state", Progress({}, step=3), [first])
        _, tensors = read_state(tmp_path / "state")
        restore(second, tensors)
        restore_optimizer(second, tensors)
        for index in range(3, 6):
            second.step(index)
        assert len(whole.tensors()) > 2
        for key, tensor in whole.tensors().items():
            assert torch.equal(tensor, second.tensors()[key]), key
