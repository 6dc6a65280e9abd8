"""The commands that README.md shows work as they stand there, in one folder, one after another.

It counts on these: `ffhq.pkl` (a checkpoint of the official format), `ffhq.safetensors`,
`photo.jpg`, the folder `pictures` and the run `faces` are there from the start; commands make
others. What would train for days is only planned, with a small teacher in place of a published one.
"""

import re
import shlex
import shutil

import pytest
from cli import ROOT  # of this folder
from PIL import Image

from nerfgan_cli.commands.app import VERBS
from nerfgan_cli.demo import pictures

README = ROOT / "README.md"
SHELLS = ("console", "bash", "sh", "shell")
# Given last, these win over the README's.
SHORTER = {
    "video": "--frames 2",
    "train": "--set train.video_frames=2",
    "align": "--camera frontal",  # instead of networks that would be fetched
    "invert": "--steps 2 --tuning-steps 1",
    "interpolate": "--frames 2",
    "directions": "--num 50",
    "mesh": "--resolution 16",
    "figure": "--views 2 --side 32",
    "eval": "--num 2 --metrics fid",
    "bench": "--model light-toyheads --batches 1 --repeats 1 --memory-limit none",
    "consistency": "--num 1 --views 3 --side 16",
}
SHORTER["demo"] = (
    "--set train.kimg=0.016 --set train.switch_kimg=0.008 --set teacher.cache_targets=8 "
    "--set teacher.statistics=50 --set teacher.statistics_images=8 --set train.heldout=8"
)
PLANNED = {
    "eg3d-ffhq512-64": "--dry-run",
    "distill-ffhq512": "--dry-run --set teacher.model=eg3d-toyheads "
    "--set teacher.discriminator=eg3d-toyheads-discriminator --set teacher.img_resolution=none "
    "--set data.kind=spread --set loss.reals=teacher",
}


def shown_commands():
    """Every command line of the README's blocks for shells, continued lines joined."""
    text = README.read_text() if README.exists() else ""
    commands = []
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language not in SHELLS:
            continue
        lines = block.replace("\\\n", " ").split("\n")
        if language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        commands += [words for line in lines if (words := shlex.split(line, comments=True))]
    return commands


COMMANDS = shown_commands()


def test_the_readme_shows_the_main_commands():
    verbs = {words[1] for words in COMMANDS if words[0] == "nerfgan"}
    assert verbs | {"camera", "doctor"} >= set(VERBS)


def test_nerfgan_commands(nerfgan, tmp_path, monkeypatch, teacher, student, golden_checkpoint):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    (tmp_path / "ffhq.pkl").write_bytes(golden_checkpoint)
    (tmp_path / "faces" / "checkpoints").mkdir(parents=True)
    shutil.copy(student, "faces/checkpoints/000000001.safetensors")
    monkeypatch.setattr(pictures, "TURN_FRAMES", 2)
    monkeypatch.setattr(pictures, "WALK_FRAMES", 2)
    made = nerfgan("data", "toyheads", "--num", 2, "--resolution", 32, "-o", "pictures.zip")
    assert made.code == 0, made.err
    shutil.unpack_archive("pictures.zip", "pictures")
    Image.new("RGB", (96, 96), (180, 140, 120)).save("photo.jpg")
    for words in COMMANDS:
        if words[0] != "nerfgan":
            continue
        shutil.copy(teacher, "ffhq.safetensors")  # the converted one takes longer to draw
        assert not {"|", ">", "<", "&&", ";"} & set(words), f"too clever for this test: {words}"
        planned = PLANNED.get(words[2]) if words[1] == "train" else None
        done = nerfgan(*words[1:], *shlex.split(planned or SHORTER.get(words[1], "")))
        assert done.code == 0, f"{shlex.join(words)}\n{done.err}"
        for option in ("-o", "--out"):
            if option in words and not planned:
                written = tmp_path / words[words.index(option) + 1]
                assert written.exists(), f"{shlex.join(words)} wrote no {written.name}"


@pytest.mark.parametrize("words", [w for w in COMMANDS if w[0] == "make"], ids=shlex.join)
def test_make_targets_exist(words):
    makefile = (ROOT / "Makefile").read_text()
    for target in words[1:]:
        if "=" not in target:
            assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target


def test_examples_in_this_test_are_found(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text(
        "```console\n$ nerfgan image \\\n    --seeds 1  # one\nwrote\n```\n"
        "```python\nnerfgan no\n```\n```bash\nmake test\n```\n"
    )
    monkeypatch.setattr(f"{__name__}.README", tmp_path / "README.md")
    assert shown_commands() == [["nerfgan", "image", "--seeds", "1"], ["make", "test"]]


def test_nothing_is_left_to_fill_in():
    text = README.read_text()
    assert "<!--" not in text
    for name in re.findall(r"benchmarks/([a-z_]+)\.py", text):
        assert (ROOT / "benchmarks" / f"{name}.py").exists(), name
