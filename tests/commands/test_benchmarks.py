"""What the benchmarks measure is what they say; not how fast it is."""

import json
import sys
from argparse import Namespace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from cli import ROOT  # of this folder
from distill_case import MIMIC3D, save_teacher, write_case
from PIL import Image

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.format import load_model, save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import student_config
from nerfgan_cli.training.distill_task import DistillTask


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    """A program of the folder, by name."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "1")  # which they would set for good
    return import_module


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(tmp_path_factory.mktemp("distillation"))


def test_the_plain_teacher_draws_the_same(benchmark, case: Path) -> None:
    teacher = load_model(case.parent / "teacher.safetensors")
    assert isinstance(teacher, EG3D)
    cameras = PRESETS["ffhq"].at([-0.4, 0.3])
    ws = teacher.mapping(torch.randn(2, teacher.z_dim), cameras)

    @torch.no_grad()
    def draw():
        one = teacher.draw(teacher.prepare(ws[:1]), cameras)
        return *teacher.synthesis(ws, cameras), *one

    ours = draw()
    benchmark("plain").make_plain(teacher)
    assert type(teacher) is not EG3D
    for own, plain in zip(ours, draw(), strict=True):
        torch.testing.assert_close(plain, own, rtol=0, atol=1e-3)


def test_networks_are_compared_with_the_teacher(
    benchmark, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Itself, rendered plainly, and its student; the memory of each in a process of its own."""
    program = benchmark("inference")
    source, student = case.parent / "teacher.safetensors", tmp_path / "student.v2.safetensors"
    teacher = load_model(source)
    assert isinstance(teacher, EG3D)
    save_model(student, Student(student_config("light", teacher)), Provenance("s"))
    names = [str(source), f"plain {source}", str(student)]
    asked = []

    def in_child(file: str, flag: str, text: str, *_: object) -> float:
        asked.append(program.Case(*json.loads(text)))
        return {names[0]: 40.0, names[1]: 80.0, names[2]: 10.0}[asked[-1].model]

    monkeypatch.setattr(program, "in_child", in_child)
    options = {"device": "cpu", "threads": 1, "memory_limit": 1.0, "processor": True}
    arguments = Namespace(batches=[2], repeats=1, **options)
    with torch.no_grad():
        program.compare(names, "bf16", arguments)
    printed = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed[-3:]]
    assert [row[1] for row in rows] == ["teacher", "plain teacher", "student.v2"]
    assert rows[0][3] == rows[0][5] == rows[0][7] == "1.0×"
    assert [row[6:] for row in rows[1:]] == [["80.0", "0.5×"], ["10.0", "4.0×"]]
    assert all(float(row[2]) > 0 for row in rows)
    assert asked == [(name, names[0], "bf16", 2, "cpu") for name in names]
    different = [line for line in printed if line.endswith("% from float32")]
    assert [line.partition(",")[0] for line in different] == [row[1] for row in rows]
    assert all(0 < float(line.split()[-4]) < 5 for line in different)


def test_students_are_compared_with_the_branch_that_is_asked_for(
    benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """A teacher that stands for its student draws its 2D branch."""
    program, model = benchmark("student"), tmp_path / "mimic.safetensors"
    save_teacher(model, 1, MIMIC3D)
    found = {}
    for branch in ("2d", "3d"):
        sheet = tmp_path / f"{branch}.png"
        words = ["--teacher", model, "--branch", branch, "--pairs", 3, "--subjects", 2, "-o", sheet]
        monkeypatch.setattr(sys, "argv", [*map(str, ["x", "--model", model, *words])])
        program.main()
        cells = capsys.readouterr().out.splitlines()[-1].split("|")[2:-1]
        found[branch] = [float(cell.split()[0]) for cell in cells]
        pixels = np.asarray(Image.open(sheet))
        above, below = pixels[: len(pixels) // 12], pixels[len(pixels) // 12 :][: len(pixels) // 12]
        assert (above == below).all() == (branch == "2d")
    assert found["2d"][:3] == [100, 100, 100]
    assert all(5 < value < 60 for value in found["3d"][:3])
    assert found["2d"][4] == 1 != found["3d"][4]


def test_a_step_is_the_sum_of_its_parts(benchmark, case: Path, tmp_path: Path) -> None:
    """Networks that are not there are random; each part moves what it says."""
    program = benchmark("distillation")
    settings = ["teacher.discriminator=nobody", "loss.perceptual=lpips-squeeze", "loss.raw=0"]
    settings += ["model.discriminator.channel_base=128", "model.discriminator.channel_max=8"]
    settings += ["model.discriminator.mbstd_group_size=2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NERFGAN_HOME", str(tmp_path))
        patch.setenv("TORCH_HOME", str(tmp_path))
        found = program.stand_ins(program.read(str(case), settings), tmp_path)
        names = [each.partition("=")[0] for each in found]
        assert names == ["teacher.discriminator", "loss.perceptual_weights"]
        tasks = [
            program.build(str(case), [*settings, *found], version, torch.device("cpu"))
            for version in program.VERSIONS
        ]
    assert [type(task.teacher).__name__ for task in tasks] == ["EG3D", "PlainEG3D"]
    parts = program.parts_of(tasks[0])
    moves = {name: moved_by(work, tasks[0]) for name, work in parts.items()}
    assert moves == {
        "teacher": set(),
        "student": {"generator gradients"},
        "perceptual": set(),
        "discriminator": {"discriminator", "discriminator gradients"},
        "r1": {"discriminator gradients"},
        "step": {
            *("generator", "generator gradients", "discriminator", "discriminator gradients"),
            "average",
        },
    }


def moved_by(work, task: DistillTask) -> set[str]:
    """Networks whose weights it changes, and those that get gradients."""
    networks = {name: task.modules[name] for name in ("generator", "discriminator", "average")}
    before = {}
    for name, network in networks.items():
        network.zero_grad(set_to_none=True)
        before[name] = [parameter.detach().clone() for parameter in network.parameters()]
    work()
    found = set()
    for name, network in networks.items():
        pairs = zip(before[name], network.parameters(), strict=True)
        if not all(torch.equal(old, new) for old, new in pairs):
            found.add(name)
        if any(parameter.grad is not None for parameter in network.parameters()):
            found.add(f"{name} gradients")
    return found
