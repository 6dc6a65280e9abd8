"""`nerfgan doctor`: what is there, what is missing, what to do."""

import json
from importlib import metadata

import pytest
import torch

from nerfgan_cli import __version__
from nerfgan_cli.checkpoints.measuring import MEASURING
from nerfgan_cli.checkpoints.zoo import ZOO


@pytest.fixture
def report(nerfgan, monkeypatch, tmp_path):
    """The report as {(section, name): check}, and the exit code; nothing is installed."""
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TORCH_HOME", raising=False)

    def make():
        done = nerfgan("doctor", "--json")
        content = json.loads(done.out)
        assert content["ok"] == (done.code == 0)
        assert done.err == ""
        return {(check["section"], check["name"]): check for check in content["checks"]}, done.code

    return make


def test_it_lists_what_is_there(report):
    checks, code = report()
    assert code == 0
    assert checks["versions", "nerfgan"]["detail"] == __version__
    assert checks["versions", "torch"]["detail"] == metadata.version("torch")
    assert checks["devices", "cpu"]["state"] == "ok"
    assert checks["ffmpeg", "ffmpeg"]["state"] == "ok"
    assert checks["ffmpeg", "libx264"]["state"] == "ok"
    if not torch.cuda.is_available():
        assert checks["devices", "cuda"]["state"] == "missing"


def test_whatever_is_missing_has_a_remedy(report):
    checks, code = report()
    assert code == 0, "optional parts may be missing"
    for name in ZOO:
        assert checks["weights", name]["state"] == "missing"
    for file in MEASURING:  # the very files that losses and metrics ask for
        check = checks["optional parts", file.name]
        assert check["state"] == "missing"
        assert file.purpose in check["detail"]
        assert file.address in check["remedy"]
    for check in checks.values():
        assert bool(check["remedy"]) == (check["state"] != "ok"), check


def test_installed_weights_are_found(report, tmp_path):
    weights = tmp_path / "home" / "weights"
    weights.mkdir(parents=True)
    files = ["ffhq512-128.safetensors", "vgg16-397923af.pth", "mine.safetensors"]
    for name in files:
        (weights / name).write_bytes(bytes(2_000_000))
    hub = tmp_path / ".cache" / "torch" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    (hub / "alexnet-owt-7be5be79.pth").touch()
    (tmp_path / ".insightface" / "models" / "buffalo_sc").mkdir(parents=True)
    (tmp_path / ".insightface" / "models" / "buffalo_sc" / "det_500m.onnx").touch()
    checks, _ = report()
    for section, name in (
        ("weights", "ffhq512-128"),
        ("weights", "mine.safetensors"),
        ("optional parts", "vgg16-397923af.pth"),
        ("optional parts", "alexnet-owt-7be5be79.pth"),
        ("optional parts", "insightface models"),
    ):
        assert checks[section, name]["state"] == "ok"
    assert "2.0 MB" in checks["weights", "ffhq512-128"]["detail"]
    assert ("weights", "vgg16-397923af.pth") not in checks, "it is listed once"


def test_no_ffmpeg(report, monkeypatch, tmp_path):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nowhere"))
    checks, code = report()
    assert code == 0
    assert checks["ffmpeg", "ffmpeg"]["state"] == "missing"
    assert "IMAGEIO_FFMPEG_EXE" in checks["ffmpeg", "ffmpeg"]["remedy"]


def test_an_ffmpeg_without_h264(report, monkeypatch, tmp_path):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho ffmpeg version 1 Copyright\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    assert report()[0]["ffmpeg", "libx264"]["state"] == "missing"


def test_something_required_is_missing(report, monkeypatch):
    real = metadata.distributions
    monkeypatch.setattr(
        metadata,
        "distributions",
        lambda: [found for found in real() if found.metadata["Name"] not in ("scipy", "lpips")],
    )
    checks, code = report()
    assert code == 1
    assert checks["versions", "scipy"]["state"] == "broken"
    assert checks["versions", "scipy"]["remedy"] == "pip install scipy"
    assert checks["versions", "lpips"]["state"] == "missing"


def test_a_check_that_fails_is_a_line_of_the_report(report, monkeypatch):
    def fail() -> int:
        raise RuntimeError("driver\nfailure")

    monkeypatch.setattr(torch.cuda, "device_count", fail)
    checks, code = report()
    assert code == 1
    assert checks["devices", "devices"]["detail"] == "driver failure"
    assert checks["ffmpeg", "ffmpeg"]["state"] == "ok", "the other checks go on"


def test_for_people(nerfgan):
    done = nerfgan("doctor")
    assert done.code == 0
    for section in ("versions", "devices", "ffmpeg", "optional parts", "weights"):
        assert f"\n{section}\n" in f"\n{done.out}"
    assert "->" in done.out
