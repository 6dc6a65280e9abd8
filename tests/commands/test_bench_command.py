"""`nerfgan bench` as a user runs it, on small networks."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from nerfgan_cli.bench import measure
from nerfgan_cli.bench.probe import Taken
from nerfgan_cli.commands.bench import parse_batches, parse_size
from nerfgan_cli.errors import UsageError


class Model:
    """Instead of a process: memory grows by 3 MB a picture from 200 or 100."""

    def __init__(self, case) -> None:
        self.base = 200 if "teacher" in case.model else 100
        self.case = case

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None: ...

    def measure(self, batch: int) -> Taken | None:
        if batch > 600:
            return None
        size = (self.base + 3 * batch) * 10**6
        return Taken(size - 50 * 10**6, size, 1e-4 * batch)


def test_a_generator_is_measured(nerfgan, tmp_path, models) -> None:
    """Its memory in a process of its own, as far as Linux tells what that takes."""
    out = tmp_path / "cost.json"
    options = ("--repeats", 1, "--memory-limit", "none", "--device", "cpu", "-o", out)
    done = nerfgan("bench", "--model", models.student, "--batches", "2,1", *options)
    assert done.code == 0, done
    (student,) = json.loads(out.read_text())["generators"]
    assert [row["batch"] for row in student["batches"]] == [1, 2]
    assert student["largest_batch"] is None
    assert student["weight_bytes"] >= 4 * student["parameters"]
    assert student["multiply_adds"]["backbone"] == 0 < student["multiply_adds"]["rendering"]
    for row in student["batches"]:
        assert row["pictures_per_second"] > 0
        assert (row["memory"] is None) == (sys.platform != "linux")
        if row["memory"] is not None:
            assert 0 < row["memory"]["added"] < row["memory"]["resident"]
    assert "largest batch" not in done.out
    assert "pictures/s" in done.out


def test_the_largest_batches_are_found_and_drawn(nerfgan, tmp_path, models, monkeypatch) -> None:
    monkeypatch.setattr(measure, "Probe", Model)
    monkeypatch.setattr(measure, "is_told", lambda device: True)
    monkeypatch.setattr(measure, "PATIENCE", 0.05)  # 500 pictures
    out = tmp_path / "cost.json"
    arguments = ("--model", models.teacher, "--model", models.student, "--batches", "1,4")
    options = ("--repeats", 1, "--memory-limit", "1GB", "--device", "cpu", "-o", out, "--json")
    done = nerfgan("bench", *arguments, *options)
    assert done.code == 0, done
    result = json.loads(done.out)
    assert result["memory_limit"] == result["memory_limit_of_work"] == 10**9
    teacher, student = result["generators"]
    exact = {"measured": True, "at_least": False, "free": None}
    assert teacher["largest_batch"] == {"batch": 266} | exact
    assert student["largest_batch"] == {"batch": 300} | exact
    assert result["tf32"] is False
    assert {"1", "4", "256", "266", "267"} <= teacher["memory"].keys()
    bytes_of = teacher["growth"]["batch_bytes"]
    assert bytes_of["each"] == pytest.approx(3e6)
    assert bytes_of["once"] == pytest.approx(150e6)
    picture = np.asarray(Image.open(out.with_suffix(".png")))
    assert picture.std() > 10
    assert result == json.loads(out.read_text())


def test_what_the_machine_ends_is_said(nerfgan, tmp_path, models, monkeypatch) -> None:
    """Its process ends at 601 pictures, far from the limit."""
    monkeypatch.setattr(measure, "Probe", Model)
    monkeypatch.setattr(measure, "is_told", lambda device: True)
    out = tmp_path / "cost.json"
    options = ("--repeats", 1, "--batches", 1, "--device", "cpu", "-o", out)
    done = nerfgan("bench", "--model", models.student, *options)
    assert done.code == 0, done
    assert "largest batch within 24 GiB (arXiv 2303.12865, RTX 3090" in done.out
    assert "at least 600 pictures, as this machine had no memory for more" in done.out
    result = json.loads(out.read_text())
    assert result["memory_limit"] == 24 * 2**30
    assert result["generators"][0]["largest_batch"]["at_least"] is True


def test_help_says_what_is_not_counted(nerfgan) -> None:
    told = " ".join(nerfgan("bench", "--help").out.split())
    assert "looking up planes is not counted" in told


def test_batches_and_sizes_are_parsed() -> None:
    assert parse_batches("4, 1,2,4") == [1, 2, 4]
    assert parse_size("--memory-limit", "24GB") == 24 * 10**9
    assert parse_size("--memory-limit", "24GiB") == 24 * 2**30
    assert parse_size("--memory-limit", "1.5GiB") == 3 << 29
    assert parse_size("--memory-limit", "none") is None
    for text in ("", "0", "1,,2", "a", "5000", "-1"):
        with pytest.raises(UsageError, match="--batches"):
            parse_batches(text)
    for text in ("24", "GB", "0GB", "24KB", "1e3GB", "-1GB"):
        with pytest.raises(UsageError, match="--memory-limit"):
            parse_size("--memory-limit", text)


def test_what_cannot_be_measured_is_said_at_once(nerfgan, tmp_path, models) -> None:
    bench = ("bench", "--device", "cpu", "-o")
    nerfgan(*bench, "cost.txt").refused(2, ".json")
    nerfgan(*bench, tmp_path / "a.json", "--model", "nobody").refused(2, "nobody")
    nerfgan(*bench, tmp_path / "a.json", "--batches", "x").refused(2, "--batches")
    nerfgan(*bench, tmp_path / "a.json", "--model", models.student, "--branch", "3d").refused(
        2, "no", "branch"
    )
    branch = ("--model", models.student, "--branch", "3d")
    nerfgan(*bench, tmp_path / "a.json", *branch).refused(2, "none", "branch 3d")
    done = nerfgan(*bench, tmp_path / "a.json", "--model", "light", "--teacher", models.student)
    done.refused(2, "is no volumetric model")
    assert not list(tmp_path.iterdir())
