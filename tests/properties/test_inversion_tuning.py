"""Stage 2 of an inversion, the tuning, and what its terms hold."""

import pytest
import torch
from inversion_case import Models, codes_of, load, run, tuning
from torch import Tensor

from nerfgan_cli.errors import UsageError
from nerfgan_cli.inversion.tuning import NEIGHBOUR_DISTANCE
from nerfgan_cli.losses.perceptual import Perceptual


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_tuning_draws_the_photograph(models: Models, name: str) -> None:
    generator = load(getattr(models, name))
    pivot = codes_of(generator, seed=6)  # somebody else
    stage = tuning(generator, pivot, steps=25, rate=3e-3)
    terms = run(stage)
    assert terms[-1]["pixels"] < 0.5 * terms[0]["pixels"]
    own, its = stage.tuned.latent_space().state_dict(), generator.latent_space().state_dict()
    assert all(torch.equal(own[key], its[key]) for key in own), "the latent space has moved"


def test_good_enough_changes_nothing(models: Models) -> None:
    generator = load(models.student)
    stage = tuning(generator, codes_of(generator, seed=6), stop=float("inf"))
    assert stage.step(0) is None
    for key, tensor in stage.tuned.state_dict().items():
        assert torch.equal(tensor, generator.state_dict()[key])


def test_tuning_ends_at_a_distance_and_not_before(models: Models) -> None:
    generator = load(models.student)
    pivot = codes_of(generator, seed=6)
    distances = [terms["perceptual"] for terms in run(tuning(generator, pivot, steps=4))]
    assert distances == sorted(distances, reverse=True)
    stage = tuning(generator, pivot, steps=4, stop=distances[2])
    terms = run(stage)
    assert [one is None for one in terms] == [False, False, True, True]
    (group,) = stage.optimizer.param_groups
    assert (group["lr"], group["betas"]) == (3e-4, (0.9, 0.999))


def test_locality_compares_final_and_raw_pictures_from_several_sides(models: Models) -> None:
    seen: list[tuple[int, ...]] = []

    class Recording(Perceptual):
        def forward(self, drawn: Tensor, target: Tensor) -> Tensor:
            assert drawn.requires_grad
            assert not target.requires_grad
            seen.append(tuple(drawn.shape))
            return (drawn - target).abs().mean(dim=(1, 2, 3))

    generator = load(models.student)
    stage = tuning(generator, codes_of(generator))
    assert stage.locality(0).item() == pytest.approx(0, abs=1e-6), "nothing has moved yet"
    stage.distance = Recording()
    stage.locality(0)
    raw, sides = generator.raw_resolution, 2
    assert seen == [(sides, 3, 64, 64), (sides, 3, raw, raw)]
    camera = stage.draw_views("locality camera", 0)
    assert not torch.allclose(camera.label[0], camera.label[1])
    for name in ("predictor", "superresolution"):  # the raw picture comes before the latter
        moved = tuning(generator, codes_of(generator))
        with torch.no_grad():
            for parameter in getattr(moved.tuned, name).parameters():
                parameter.mul_(1.05)
        assert moved.locality(0).item() > 1e-5


def test_locality_holds_other_people(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nerfgan_cli.inversion.tuning.NEIGHBOUR_DISTANCE", 2.0)
    generator = load(models.student)
    pivot = codes_of(generator, seed=6)

    def moved(weight: float) -> float:
        stage = tuning(generator, pivot, steps=12, rate=4e-3, locality=weight)
        run(stage)
        return sum(stage.locality(1000 + k).item() for k in range(4))

    assert moved(10.0) < 0.7 * moved(0.0)


def test_neighbours_are_a_step_away_and_not_all_the_same(models: Models) -> None:
    generator = load(models.student)
    stage = tuning(generator, codes_of(generator))
    found = [stage.neighbour(index) for index in range(2)]
    for ws in found:
        distance = (ws - stage.pivot).norm(dim=2)
        torch.testing.assert_close(distance, torch.full_like(distance, NEIGHBOUR_DISTANCE))
    assert not torch.allclose(*found)
    assert torch.equal(stage.neighbour(1), found[1])


def test_consistency_holds_the_other_sides(models: Models) -> None:
    generator = load(models.student)
    pivot = codes_of(generator, seed=6)

    def moved(weight: float) -> float:
        stage = tuning(generator, pivot, steps=12, rate=4e-3, consistency=weight)
        run(stage)
        return sum(stage.consistency(1000 + k).item() for k in range(4))

    assert moved(10.0) < 0.7 * moved(0.0)


def test_shape_holds_the_depth_of_other_sides(models: Models) -> None:
    teacher, student = load(models.teacher), load(models.student)
    stage = tuning(teacher, codes_of(teacher))
    assert stage.shape(0).item() < 1e-12, "nothing has moved yet"
    with torch.no_grad():
        for parameter in stage.tuned.decoder.parameters():
            parameter.add_(0.3)
    stage.shape(0).backward()
    assert stage.shape(0).item() > 1e-6
    assert stage.tuned.decoder.net[0].weight.grad.abs().max() > 0
    with pytest.raises(UsageError, match="no depth"):
        tuning(student, codes_of(student)).shape(0)
