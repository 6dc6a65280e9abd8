"""The program around the commands: help, options in both places, errors, signals."""

import errno
import json
import os
import signal
import subprocess
import sys
from types import ModuleType

import pytest
import torch
import typer
from cli import ROOT, heed_interrupts, start  # of this folder

from nerfgan_cli import __version__
from nerfgan_cli.commands import app
from nerfgan_cli.commands import options as o
from nerfgan_cli.errors import (
    DivergedError,
    InputError,
    NerfganError,
    UnsafeFileError,
    UsageError,
    WeightsError,
)

HEAVY = ("torch", "numpy", "PIL", "scipy", "imageio_ffmpeg", "safetensors")


@pytest.fixture
def verb(monkeypatch):
    """Adds the verb `try` to the program."""

    def add(function):
        module = ModuleType("nerfgan_cli.commands.try")
        module.command = function
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(app.VERBS, "try", "A verb for tests.")

    return add


def test_help_is_quick_and_imports_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-m", "nerfgan_cli", "--help"]
    seconds = []
    for _ in range(5):
        before = os.times().children_user + os.times().children_system
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        seconds.append(os.times().children_user + os.times().children_system - before)
    assert min(seconds) < 0.5
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.split("\n")
    }
    assert "typer" in imported
    assert imported.isdisjoint(HEAVY)
    for name, about in app.VERBS.items():
        line = next(line for line in done.stdout.split("\n") if line.split()[:1] == [name])
        assert about.split()[0] in line


def test_no_verb_shows_the_help(nerfgan):
    assert nerfgan() == nerfgan("--help")
    assert nerfgan().code == 0


@pytest.mark.parametrize("name", app.VERBS)
def test_every_verb_has_help(nerfgan, name):
    done = nerfgan(name, "--help")
    assert done.code == 0
    assert f"nerfgan {name}" in done.out
    assert done.err == ""


def test_version(nerfgan):
    assert nerfgan("--version").out == f"nerfgan {__version__}\n"


def test_shared_options_stand_before_or_after_the_verb(nerfgan, verb):
    def command(
        seeds: o.Seeds = "0", device: o.Device = o.DeviceName.auto, json: o.Json = False
    ) -> None:
        o.print_result({"seeds": seeds, "device": device.value}, "for people", json)

    verb(command)
    expected = {"seeds": "3-5", "device": "cpu"}
    assert json.loads(nerfgan("--json", "--seed", "3-5", "--device", "cpu", "try").out) == expected
    assert json.loads(nerfgan("try", "--seed", "3-5", "--json", "--device", "cpu").out) == expected
    assert json.loads(nerfgan("--seed", "9", "try", "--json", "--seeds", "4").out)["seeds"] == "4"
    assert nerfgan("try").out == "for people\n"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UsageError("no such thing: use another."), 2, "no such thing"),
        (InputError("no such\n  file: check it."), 3, "no such file: check it."),
        (WeightsError("no weights: get some."), 4, "no weights"),
        (UnsafeFileError("it bites: leave it."), 5, "it bites"),
        (DivergedError("NaN: lower the rate."), 6, "NaN"),
        (NerfganError("it fails: try again."), 1, "it fails"),
        (ValueError("what\nis this"), 1, "unexpected ValueError: what is this (--debug"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "--batch"),
        (torch.OutOfMemoryError("CUDA out of memory"), 1, "--ray-chunk"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), 1, "--batch"),
        (OSError(errno.ENOSPC, "No space left on device", "a.png"), 3, "disk is full at a.png"),
        (PermissionError(errno.EACCES, "Permission denied", "a.png"), 3, "a.png (permission"),
        (ModuleNotFoundError("No module named 'scipy'", name="scipy"), 1, "nerfgan doctor"),
    ],
)
def test_errors_become_one_sentence_and_a_code(nerfgan, verb, error, code, words):
    def command() -> None:
        raise error

    verb(command)
    nerfgan("try").refused(code, words)
    for debug in (nerfgan("--debug", "try"), nerfgan("try", "--debug")):
        assert debug.code == code
        assert "Traceback" in debug.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vidoe"], "did you mean video?"),
        (["xyzzy"], "image, video"),
        (["--foo"], "--foo"),
        (["doctor", "--foo"], "nerfgan doctor --help"),
        (["doctor", "more"], "more"),
        (["--device", "gpu", "doctor"], "'gpu' is not one of 'auto', 'cpu', 'cuda', 'mps'"),
        (["try"], "--count"),
        (["try", "--count", "x"], "integer"),
        (["try", "--count"], "--count"),
    ],
)
def test_wrong_usage_is_one_sentence_too(nerfgan, verb, arguments, words):
    def command(count: int = typer.Option()) -> None:
        pass

    verb(command)
    nerfgan(*arguments).refused(2, words)


@pytest.mark.parametrize("argument", ["doctor", "--version", "--help"])
def test_output_that_cannot_be_written(argument):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nerfgan_cli", argument],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "the disk is full" in done.stderr


def test_a_reader_that_goes_away():
    process = start("doctor")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_run_the_cleanup(tmp_path, sent, code):
    program = f"""
import sys, time, types
from pathlib import Path
from nerfgan_cli.commands import app
def command() -> None:
    try:
        Path({str(tmp_path / "started")!r}).touch()
        time.sleep(60)
    finally:
        Path({str(tmp_path / "cleaned")!r}).touch()
module = types.ModuleType("nerfgan_cli.commands.sleep")
module.command = command
sys.modules[module.__name__] = module
app.VERBS["sleep"] = "Sleep."
sys.exit(app.main(["sleep"]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    while not (tmp_path / "started").exists():
        assert process.poll() is None
    process.send_signal(sent)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert said.count("\n") == 1
    assert (tmp_path / "cleaned").exists()
