"""What the benchmarks of inversion measure is what they say."""

import json
import sys
from importlib import import_module

import numpy as np
import pytest
from cli import ROOT  # of this folder
from inversion_case import PIXELS, Models, quick

from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.generators.eg3d import EG3D


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    """A program of the folder, by name."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "1")  # which they would set for good
    return import_module


def test_ratios_are_to_the_teacher(benchmark, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    program, asked = benchmark("inversion"), []

    def in_child(file: str, flag: str, text: str) -> dict[str, float]:
        asked.append(program.Case(*json.loads(text)))
        found = {"big": (4.0, 800.0), "again big": (5.0, 400.0), "small": (0.5, 200.0)}
        found["kept small"] = (0.4, 300.0)
        return dict(zip(("seconds", "mb"), found[asked[-1].model], strict=True))

    monkeypatch.setattr(program, "in_child", in_child)
    arguments = ["x", "--model", "small", "--teacher", "big", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", arguments)
    program.main()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in capsys.readouterr().out.splitlines()[2:]
    ]
    assert rows[:4] == [
        ["pivot", "big", "0.25", "1.0×", "800", "1.00×"],
        ["pivot", "again big", "0.2", "0.8×", "400", "0.50×"],
        ["pivot", "small", "2", "8.0×", "200", "0.25×"],
        ["pivot", "kept small", "2.5", "10.0×", "300", "0.38×"],
    ]
    assert [case.stage for case in asked] == ["pivot"] * 4 + ["tuning"] * 4


@pytest.mark.parametrize("stage", ["pivot", "tuning"])
def test_a_step_is_measured(benchmark, models: Models, stage: str) -> None:
    program = benchmark("inversion")
    step = program.open_stage(
        program.Case(str(models.student), str(models.teacher), stage, "cpu", 1, False)
    )
    terms = step()
    assert terms["perceptual"] > 0
    assert terms["rate"] > 0


def test_samples_are_recovered_and_judged_from_the_side(benchmark, models: Models) -> None:
    program = benchmark("inversion_proof")
    generator = load_model(models.student).requires_grad_(False)
    settings = quick(30, 30)
    found, sheet = program.recover(str(models.student), generator, PIXELS, settings, 1)
    assert found.tuned > found.pivot > 10
    assert found.tuned_aside != found.tuned
    assert sheet.shape == (2 * 64, 3 * 64, 3)
    row = program.summary("x", [found, found._replace(tuned=31.0, tuned_aside=20.0)])
    assert f"({min(found.tuned, 31.0):.2f})" in row
    assert row.split("|")[6].strip() == f"{1 + (found.tuned >= 30)} of 2"


def test_truth_and_results_are_drawn_as_they_were_tuned(
    benchmark, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, samples, draw = benchmark("inversion_proof"), [], EG3D.draw

    def spy(self: EG3D, subject, camera, options):
        volume = self.eg3d_config.volume.scaled(options.depth_multiplier)
        samples.append(volume.depth_resolution)
        return draw(self, subject, camera, options)

    monkeypatch.setattr(EG3D, "draw", spy)
    generator = load_model(models.teacher).requires_grad_(False)
    settings = quick(1, 1, depth_multiplier=2.0)
    program.recover(str(models.teacher), generator, PIXELS, settings, 1)
    assert len(samples) >= 3 * 2
    assert set(samples) == {2 * generator.eg3d_config.volume.depth_resolution}


def test_a_proof_goes_on_from_its_record(
    benchmark, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    program, drawn = benchmark("inversion_proof"), []

    def recover(model, generator, distances, settings, seed):
        drawn.append(seed)
        found = program.Found(30.0, 40.0 + len(drawn), 20.0, 30.0, 5.0)
        return found, np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(program, "recover", recover)
    for samples, new in ((2, 2), (3, 1), (3, 0)):
        drawn.clear()
        command = ["x", "--model", "light-toyheads", "--samples", str(samples), "--first", "7"]
        monkeypatch.setattr(sys, "argv", [*command, "-o", str(tmp_path)])
        program.main()
        assert len(drawn) == new
    assert "| light-toyheads | 30.00 (30.00) | 41.33 (41.00) |" in capsys.readouterr().out
    assert len(list(tmp_path.glob("*.png"))) == 3
