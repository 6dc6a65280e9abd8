"""What the benchmark of evaluations measures, and estimates, is what it says."""

from importlib import import_module
from pathlib import Path

import pytest
import torch
from inversion_case import Models

from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.evaluation.extractors import Extractor
from nerfgan_cli.metrics.cost import Cost

CPU = torch.device("cpu")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return import_module("evaluation")


def test_a_pass_draws_and_looks_at_all(
    program, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two seconds for seven pictures, the first ones to warm up apart."""
    looked_at: list[int] = []

    def look(pictures: torch.Tensor) -> torch.Tensor:
        looked_at.append(len(pictures))
        return pictures.float().mean(dim=(2, 3))

    extractor = Extractor("inception", "", look, CPU)
    monkeypatch.setattr(program, "random_inception", lambda device: extractor)
    monkeypatch.setattr(program, "PART", 2)
    now = iter([10.0, 12.0])
    rate = program.pass_rate(load_model(models.student), 7, lambda: next(now), CPU)
    assert (rate, sum(looked_at)) == (3.5, 2 + 7)


def test_an_estimate_is_said_to_be_one(program, monkeypatch: pytest.MonkeyPatch) -> None:
    each = 100 * program.H200 * program.SHARE / 50_000  # FLOPs of a picture, 100 seconds of all
    assert program.estimate(each, 2 * each, 16) == pytest.approx(300 + program.DISTANCE)
    asked = program.LAUNCHES * 50_000
    assert program.estimate(0, 0, 1) == pytest.approx(asked + program.DISTANCE)
    monkeypatch.setattr(program, "STUDENTS", ("light",))
    monkeypatch.setattr(program, "cost", lambda work: Cost(int(1e9), 0))
    head, light = program.estimates()
    assert "ESTIMATE" in head
    assert "(19 GFLOP to draw 512², 16 at once, + 1 for Inception)" in light
