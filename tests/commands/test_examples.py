"""The programs in examples/ and the Python of README.md run as they stand, on a small model."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from itertools import groupby
from pathlib import Path

import pytest
from cli import ROOT  # of this folder
from distill_case import write_case
from PIL import Image

from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.header import read_header


def run(name, *arguments):
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_turntable(teacher, tmp_path):
    run("turntable.py", teacher, tmp_path / "turn.png")
    with Image.open(tmp_path / "turn.png") as sheet:
        assert sheet.width >= 4 * 128
        assert sheet.height >= 2 * 128


def test_new_student(teacher, tmp_path):
    printed = run("new_student.py", teacher, tmp_path / "student.safetensors")
    assert "style codes equal the teacher's: True" in printed
    student = load_model(tmp_path / "student.safetensors")
    assert student.kind == "student"
    licence = read_header(tmp_path / "student.safetensors").provenance.licence
    assert licence == read_header(teacher).provenance.licence


@pytest.fixture
def ablations(tmp_path, monkeypatch, capsys):
    """Runs the program on a list of its own, as small as can be; returns what it said."""
    case = write_case(tmp_path)
    (case.parent / "first.toml").write_text('base = "distill.toml"\n[train]\nstage = 1\n')
    list_file = tmp_path / "list.toml"
    list_file.write_text(
        f'recipe = "{case}"\n[paper]\nfirst = "{case.parent}/first.toml"\n'
        '[open]\nlost = ["optim.lr=1e30"]\nfrontal = ["teacher.conditioning=frontal"]\n'
    )
    spec = spec_from_file_location("ablations", ROOT / "examples" / "ablations.py")
    program = module_from_spec(spec)
    spec.loader.exec_module(program)
    monkeypatch.setattr(program, "PEOPLE", 2)
    given = ["ablations.py", "--list", list_file, "--out", tmp_path / "out", "--targets", "4"]

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [str(each) for each in (*given, *arguments)])
        program.main()
        return capsys.readouterr().out

    return run


@pytest.mark.usefixtures("quick_training")
def test_ablations(ablations, tmp_path):
    """Trained once, compared in a table; a run that is lost does not end the others."""
    out = tmp_path / "out"
    assert ablations("--kimg", 0.012, "--only", "paper").count(": training") == 2
    table = (out / "ablations.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in table if line.startswith("| ")] == [
        *("| run", "| teacher", "| base", "| first")
    ]
    teacher, base, first = ([c.strip() for c in line.split("|")[1:-1]] for line in table[4:7])
    assert first[1] == "`train.stage = 1`"
    assert teacher[2] == teacher[3] == teacher[7] == ""
    assert float(teacher[5]) == 0  # how far its pictures are from its own
    for row in (base, first):
        psnr, raw, views, features, frechet, seconds = map(float, row[2:])
        assert min(psnr, raw, views, features, frechet) > 0
        assert seconds >= 0
    numbers = json.loads((out / "base.json").read_text())["numbers"]
    last = json.loads((out / "base" / "log.jsonl").read_text().splitlines()[-1])
    assert last["kimg"] == 0.012
    assert last["schedule/stage"] == 2  # the schedule is shortened too
    assert numbers["psnr/image"] == last["psnr/image"]
    again = ablations("--kimg", 0.012)
    assert again.count("finished before") == 2
    assert "lost: the training diverged" in again
    assert "| lost | `optim.lr = 1e+30` | diverged |" in again
    assert "| frontal | `teacher.conditioning = frontal` |" in again
    assert len(list((out / "targets").iterdir())) == 2  # one that all share, and frontal's
    with pytest.raises(SystemExit, match="has no other"):
        ablations("--only", "other")


def test_the_list_of_ablations_names_what_there_is():
    """Every recipe and every setting of it is one, and changes something."""
    spec = spec_from_file_location("ablations", ROOT / "examples" / "ablations.py")
    program = module_from_spec(spec)
    spec.loader.exec_module(program)
    arguments = argparse.Namespace(
        list=program.LIST, only=None, settings=[], kimg=20.0, targets=16, out=Path("x")
    )
    base, variants = program.read_list(arguments)
    assert [group for group, _ in groupby(variant.group for variant in variants)] == [
        *("paper", "open", "beyond")
    ]
    changed = [program.changes(variant.recipe, base.recipe) for variant in variants]
    assert all(changed)
    assert len(set(changed)) == len(variants)
    assert len({variant.name for variant in variants}) == len(variants)


def test_python_of_the_readme(teacher, tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert blocks
    monkeypatch.chdir(tmp_path)
    shutil.copy(teacher, "ffhq.safetensors")
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "torch.Size([3, 3, 128, 128])" in capsys.readouterr().out
