"""What the benchmark of the 3D branch measures is what it says; not how fast it is."""

from argparse import Namespace
from importlib import import_module

import ball
import pytest
import torch
from cli import ROOT  # of this folder

from nerfgan_cli.generators.mimic3d import Mimic3D


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "1")  # which it would set for good
    return import_module("mimic3d")


def test_all_ways_draw_the_same(program, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = ball.build()
    taken = iter((43, 15, 321))

    def added(_, way):
        assert way().shape[-1] == 24
        return next(taken) * 1_000_000

    monkeypatch.setattr(program.Memory, "added", added)
    monkeypatch.setattr(program, "is_told", lambda _: True)
    arguments = Namespace(resolution=24, repeats=1, without_plain=False, processor=True)
    with torch.no_grad():
        program.compare(generator, ball.subject(generator), arguments)
    printed = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed[2:5]]
    assert [row[0] for row in rows] == ["seen samples", "all samples", "plain"]
    assert rows[0][2] == "1.0×"
    assert all(float(row[1]) > 0 and float(row[3]) < 0.004 for row in rows)
    assert float(rows[1][3]) == 0
    assert [row[5] for row in rows] == ["43", "15", "321"]
    assert type(generator) is Mimic3D


def test_the_bundled_volume_is_that_of_the_teacher(
    program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In more channels and larger planes, but of the same densities."""
    from nerfgan_cli.checkpoints.format import load_model
    from nerfgan_cli.checkpoints.zoo import find_model
    from nerfgan_cli.generators.drawing import Person

    small = program.replace(
        program.PRESETS["shapenet128-3d"], channel_base=64, channel_max=2, plane_resolution=64
    )
    monkeypatch.setitem(program.PRESETS, "shapenet128-3d", small)
    teacher = load_model(find_model(program.TEACHER))
    points = torch.rand(1, 50, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.no_grad():
        generator, subject = program.bundled_volume("shapenet128-3d")
        expected = teacher.sample(teacher.prepare(Person(program.SEED).codes(teacher)), points)
        found = generator.sample(subject, points)
    close = (found.sigma - expected.sigma).abs() < 0.02 * expected.sigma.abs().max()
    assert close.float().mean() > 0.9  # the enlarged planes are smoother
    assert expected.sigma.std() > 100
