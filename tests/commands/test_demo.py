"""`nerfgan demo` as a user runs it: on a tiny teacher, to the page and its numbers."""

import json
import re
import shlex
import shutil
import signal
from html import unescape
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from cli import start  # of this folder
from distill_case import write_case
from PIL import Image

from nerfgan_cli.checkpoints import zoo
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.demo import making, pictures
from nerfgan_cli.demo.cost import BATCHES, Cost
from nerfgan_cli.demo.curves import round_numbers
from nerfgan_cli.demo.drawer import Drawer
from nerfgan_cli.demo.parts import Part, make_part
from nerfgan_cli.media import tile
from nerfgan_cli.training.recipe_files import bundled

PARTS = ("angles", "turn", "walk", "mix", "cost")

pytestmark = pytest.mark.usefixtures("quick_training")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What makes the demo's recipe tiny."""
    case = write_case(tmp_path_factory.mktemp("case")).parent
    changes = [
        f"teacher.model={case / 'teacher.safetensors'}",
        f"teacher.discriminator={case / 'critic.safetensors'}",
        *("teacher.img_resolution=64", "teacher.raw_resolution=16", "teacher.cache_targets=8"),
        *("teacher.statistics=50", "teacher.statistics_images=4"),
        *("model.channel_base=128", "model.channel_max=8", "loss.discriminator_alone_kimg=0"),
        *("train.kimg=0.024", "train.switch_kimg=0.012", "train.batch=4", "train.batch_gpu=4"),
        *("train.snapshot_kimg=0.008", "train.log_kimg=0.004"),
        *("train.heldout=4", "train.heldout_kimg=0.008"),
    ]
    return [word for change in changes for word in ("--set", change)]


@pytest.fixture(autouse=True)
def few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "TURN_FRAMES", 4)
    monkeypatch.setattr(pictures, "WALK_FRAMES", 4)


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A place for the demo that the first test makes."""
    return {"folder": tmp_path_factory.mktemp("finished") / "my demo"}


@pytest.fixture
def demo(nerfgan, settings, finished) -> Path:
    """The folder of a finished demo."""
    folder = finished["folder"]
    if not folder.exists():
        done = nerfgan("demo", "-o", folder, *settings)
        assert done.code == 0, done
        finished["said"] = done
    return folder


def records(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]


def test_progress_and_what_is_there(demo: Path, finished) -> None:
    done = finished["said"]
    for words in ("images/s", "several angles", "as they turn", "person to person", "mixing"):
        assert words in done.err
    assert f"open {demo / 'index.html'} in a browser" in done.out
    assert "nerfgan train" in done.out
    for part in PARTS:
        for file in json.loads((demo / f"{part}.json").read_text())["files"]:
            assert (demo / file).stat().st_size > 0
    assert not (demo / "run" / ".targets").exists()
    assert [record["schedule/stage"] for record in records(demo)] == [1, 1, 1, 2, 2, 2]


def test_the_page_stands_alone(demo: Path) -> None:
    page = (demo / "index.html").read_text()
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(links) == 2 + len(pictures.PEOPLE) + 3 + 2
    for link in links:
        assert (demo / link).is_file(), link
    assert "://" not in page
    assert "drawn by the bundled student light-toyheads" in page
    for tag, label in (("img", "alt"), ("video", "aria-label"), ("svg", "aria-label")):
        elements = re.findall(rf"<{tag} [^>]*>", page)
        assert elements
        for element in elements:
            assert re.search(rf' {label}="[^"]+"', element), element


def test_what_the_page_proposes(nerfgan, demo: Path, tmp_path: Path, monkeypatch) -> None:
    """Each runs, but for what needs an official checkpoint."""
    monkeypatch.chdir(tmp_path)
    page = (demo / "index.html").read_text()
    texts = re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)
    commands = [shlex.split(line) for text in texts for line in unescape(text).splitlines()]
    assert [words[1] for words in commands].count("train") == 3
    assert ["nerfgan", "demo", "-o", str(demo)] in commands
    shorter = {"video": ["--frames", "2"], "train": ["--dry-run"]}
    for program, verb, *rest in commands:
        assert program == "nerfgan"
        if verb == "train" and rest[0] == "distill-ffhq512":
            assert rest[0] in bundled()  # its teacher has to be brought along
        elif verb != "demo":  # the other tests run it
            done = nerfgan(verb, *rest, *shorter.get(verb, []))
            assert done.code == 0, done
    assert {"both.mp4", "people.png"} <= {path.name for path in tmp_path.iterdir()}


def test_numbers_are_those_of_the_log_and_of_the_measurement(demo: Path) -> None:
    page, log = (demo / "index.html").read_text(), records(demo)
    assert f"<b>{log[-1]['psnr/image']:.1f} dB</b>" in page
    assert f"{log[-1]['images']:,} pictures in {log[-1]['step']:,} steps" in page
    assert "from 12 pictures on, stage 2" in page
    for name in ("features", "adversarial"):
        assert f"{name} <b>{log[-1][f'loss/{name}']:.3g}</b>" in page
        values = [record[f"loss/{name}"] for record in log if f"loss/{name}" in record]
        heights = [height for _, height in curve(page, name)]
        lower = sorted(range(len(values)), key=lambda index: values[index])
        assert sorted(heights, reverse=True) == [heights[index] for index in lower]
    assert "discriminator <b>" not in page
    places = [place for place, _ in curve(page, "features")]
    assert len(places) == len(log)
    assert places[1] - places[0] == pytest.approx(places[-1] - places[-2], abs=0.2)
    costs = json.loads((demo / "cost.json").read_text())
    for (batch, teacher, its_memory), (_, student, memory) in zip(
        costs["teacher"], costs["student"], strict=True
    ):
        for number in (f"{1000 * teacher:.1f}", f"{1000 * student:.1f}", f"{memory / 1e6:,.0f}"):
            assert f"<td>{number}</td>" in page
        assert f"<tr><td>{batch}</td>" in page
        assert f"<b>{teacher / student:.1f}×</b>" in page
        assert f"<b>{its_memory / memory:.1f}×</b>" in page


def curve(page: str, name: str) -> list[tuple[float, float]]:
    """The points of a curve of the page."""
    (points,) = re.findall(rf'points="([^"]*)"><title>{name}</title>', page.split("PSNR of")[0])[:1]
    return [tuple(map(float, point.split(","))) for point in points.split()]


def test_costs_are_of_the_generators_alone(demo: Path, settings) -> None:
    costs = json.loads((demo / "cost.json").read_text())
    assert " on " in costs["machine"]
    networks = {
        "teacher": settings[1].partition("=")[2],
        "student": zoo.find_model(str(demo / "run")),
    }
    for name, file in networks.items():
        assert [batch for batch, _, _ in costs[name]] == list(BATCHES)
        weights = sum(tensor.nbytes for tensor in load_model(Path(file)).parameters())
        memories = [memory for _, _, memory in costs[name]]
        assert weights < memories[0] < memories[2]
        pictures_alone = 4 * 3 * 64**2 * (BATCHES[2] - BATCHES[0])
        assert pictures_alone < memories[2] - memories[0]
        assert memories[2] < 1e8  # of this process it would be more
        assert all(seconds > 0 for _, seconds, _ in costs[name])


def test_again_makes_only_what_is_missing(nerfgan, demo: Path, settings, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(demo, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "mix.png").unlink()
    (folder / "walk.json").write_text("{")  # as if its disk had been full
    done = nerfgan("demo", "-o", folder, *settings)
    assert done.code == 0, done
    assert done.err.count("there already") == 3
    changed = {path.name for path, when in before.items() if path.stat().st_mtime_ns != when}
    mixed = {"mix.png", "mix-rows.png", "mix-columns.png", "mix.json"}
    assert changed - {"run", "index.html"} == {*mixed, "walk.mp4", "walk.json"}
    assert (folder / "mix.png").read_bytes() == (demo / "mix.png").read_bytes()


def names_and_times(folder: Path) -> dict[str, int]:
    """Of files; a folder has no time here."""
    return {
        path.name: path.stat().st_mtime_ns if path.is_file() else 0 for path in folder.iterdir()
    }


def test_a_part_that_is_interrupted(nerfgan, demo: Path, tmp_path: Path, monkeypatch) -> None:
    """What was there stays, nothing lies about, and the demo goes on as it was set."""
    folder = tmp_path / "moved"
    shutil.copytree(demo, folder)
    (folder / "walk.json").unlink()
    there = names_and_times(folder)
    frames = count()

    def interrupted(cells, columns):
        if next(frames) == 2:
            raise KeyboardInterrupt
        return tile(cells, columns)

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "tile", interrupted)
        done = nerfgan("demo", "-o", folder)
    assert done.code == 130, done
    assert names_and_times(folder) == there
    done = nerfgan("demo", "-o", folder)
    assert done.code == 0, done
    assert done.err.count("there already") == 4
    assert str(folder / "run") in (folder / "run" / "recipe.toml").read_text()
    assert str(demo) not in (folder / "run" / "recipe.toml").read_text()


def test_the_bundled_student_mixes(demo: Path, tmp_path: Path) -> None:
    """And not the one of the page. Alike but for how sums are rounded."""
    pictures.draw_mixtures(Drawer(zoo.find_model(zoo.STUDENT), torch.device("cpu")), tmp_path)
    for name in json.loads((demo / "mix.json").read_text())["files"]:
        shown, own = (np.asarray(Image.open(folder / name), int) for folder in (demo, tmp_path))
        assert shown.shape == own.shape
        assert np.abs(shown - own).max() <= 3
    assert shown.std() > 20
    rows = np.split(shown, len(pictures.SHAPES))
    assert np.abs(rows[0] - rows[1]).mean() > 8  # a row keeps something of its own


def test_a_demo_that_is_interrupted(nerfgan, settings, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "demo"
    process = start("demo", "-o", folder, *settings, "--set", "train.kimg=100", OMP_NUM_THREADS="1")
    assert process.stderr is not None
    assert any("images/s" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues" in said
    assert not (folder / "index.html").exists()
    costs = {"teacher": [Cost(1, 0.5, None)], "student": [Cost(1, 0.25, None)]}  # as on macOS
    monkeypatch.setattr(making, "measure", lambda pair: costs)
    done = nerfgan("demo", "-o", folder, "--set", "train.kimg=0.004")
    assert done.code == 0, done
    assert "continuing from" in done.err
    page = (folder / "index.html").read_text()
    assert "<b>2.0×</b><span>as fast" in page
    assert "<td>–</td><td>–</td><td><b>–</b></td>" in page
    assert "as light in memory" not in page


def test_a_part_of_another_model_is_made_anew(tmp_path: Path) -> None:
    model, said, made = tmp_path / "model", [], []
    model.write_text("one")
    part = Part("part", "a part", (model,), lambda: {"files": [], "number": made.append(1)})
    for text, times in (("one", 1), ("one", 1), ("two", 2), ("two", 2)):
        model.write_text(text)
        make_part(part, tmp_path, said.append)
        assert len(made) == times
    assert said == ["a part", "a part: there already"] * 2


def test_what_is_refused(nerfgan, settings, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter.txt").touch()
    nerfgan("demo", "-o", full, *settings).refused(3, "holds other things", "--out")
    (full / "run").mkdir()  # as projects of others have one
    nerfgan("demo", "-o", full, *settings).refused(3, "holds other things", "--out")
    assert not any((full / "run").iterdir())
    nerfgan("demo", "-o", full / "letter.txt", *settings).refused(3, "letter.txt")
    new = ("demo", "-o", tmp_path / "new")
    nerfgan(*new, "--set", "train.kim=1").refused(2, "did you mean train.kimg?")
    nerfgan(*new, *settings, "--set", "teacher.model=nobody").refused(2, "nobody")
    assert not (tmp_path / "new" / "index.html").exists()


@pytest.mark.parametrize("span", [(0, 1376), (9.3, 14.4), (0.001, 0.0013), (5, 5)])
def test_ticks_are_round_and_few(span) -> None:
    low, high = span
    ticks = round_numbers(low, high)
    assert 1 <= len(ticks) <= 7
    assert all(low <= tick <= high for tick in ticks)
    mantissas = {f"{abs(b - a):.0e}"[0] for a, b in pairwise(ticks)}
    assert mantissas <= {"1", "2", "5"}
