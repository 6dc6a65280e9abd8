"""The programs in examples/ and the Python of README.md run as they stand, on a small model."""

import os
import re
import shutil
import subprocess
import sys

from cli import ROOT  # of this folder
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


def test_python_of_the_readme(teacher, tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert blocks
    monkeypatch.chdir(tmp_path)
    shutil.copy(teacher, "ffhq.safetensors")
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "torch.Size([3, 3, 128, 128])" in capsys.readouterr().out
