"""`nerfgan eval`, with networks that draw in no time: numbers, names, faults, comparisons."""

import csv
import io
import json
import os
import re
import shutil
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import archive, labels_at, noise, png, write_zip
from distill_case import save_teacher
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from training_case import in_child

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.conversion import sha256_of
from nerfgan_cli.commands.app import main
from nerfgan_cli.commands.evaluating import Bars
from nerfgan_cli.data.toyheads.dataset import cameras
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.evaluation import rows
from nerfgan_cli.evaluation.folder import PictureFolder
from nerfgan_cli.evaluation.table import METRICS
from nerfgan_cli.media import to_pixels

DISTANCES = "fid,kid,fid3d"
ALL = f"{DISTANCES},psnr,ssim"


@pytest.fixture(autouse=True)
def without_weights(monkeypatch, tmp_path):
    """No network of anybody else is installed, or to be had; the sheet is small."""

    def offline(*_, **__):
        raise OSError("offline")

    for name in ("NERFGAN_HOME", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setattr("nerfgan_cli.checkpoints.published.urlopen", offline)
    for name, few in (("SUBJECTS", 1), ("YAWS", (0.0, 15.0)), ("PITCHES", ())):
        monkeypatch.setattr(f"nerfgan_cli.evaluation.figures.{name}", few)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Real pictures of the size that the models draw."""
    return archive(tmp_path_factory.mktemp("real") / "real.zip", count=9, side=64)


@pytest.fixture
def evaluate(nerfgan, models, real, tmp_path):
    """Evaluates the tiny student; later words win."""

    def run(*more):
        return nerfgan(
            "eval",
            *("--model", models.student, "--teacher", models.teacher),
            *("--data", real, "--discriminator", models.critic),
            *("--cache", tmp_path / "cache", "-o", tmp_path / "out", *more),
        )

    return run


@pytest.fixture
def judge(nerfgan, models, real, tmp_path):
    """Judges pictures."""

    def run(images, *more):
        return nerfgan(
            *("eval", "--images", images, "--data", real),
            *("--discriminator", models.critic),
            *("--cache", tmp_path / "cache", "-o", tmp_path / "judged", *more),
        )

    return run


def failed(done, code, *words):
    """After it had said what it would measure, it ended with one sentence."""
    *announced, sentence = done.err.splitlines()
    assert done.code == code, done
    assert announced[0].startswith("measuring ")
    assert sentence.startswith("nerfgan: ")
    assert all(word in sentence for word in words), sentence


def narrow(text):
    """A table without what aligns it."""
    return re.sub(" +", " ", text)


def values(folder: Path) -> dict[str, float]:
    report = json.loads((folder / "eval.json").read_text())
    return {value["name"]: value["value"] for value in report["values"]}


def test_each_number_says_what_it_is_of(evaluate, tmp_path):
    done = evaluate("--metrics", ALL, "--num", 5)
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "out" / "eval.json").read_text())
    protocols = {value["name"]: value["protocol"] for value in report["values"]}
    assert list(protocols) == [
        *("fid5_full:discriminator", "kid5_full:discriminator", "fid3d5_full:discriminator"),
        *("psnr5", "psnr_raw5", "ssim5"),
    ]
    fid = protocols["fid5_full:discriminator"]
    assert (fid["generated"], fid["real"], fid["cameras"]) == (5, 9, "of real")
    assert len(fid["extractor_sha256"]) == 64
    assert "singular" in fid["note"]
    assert protocols["kid5_full:discriminator"]["subset_size"] == 5
    assert protocols["psnr5"]["psnr_of_mean_error"] <= values(tmp_path / "out")["psnr5"]
    assert report["seed"] == 0
    assert report["teacher"].endswith("teacher.safetensors")
    skipped = {entry["metric"]: entry["reason"] for entry in report["skipped"]}
    assert (
        "nerfgan weights get inception" in skipped["fid:inception, fid3d:inception, kid:inception"]
    )
    lines = (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["metric"] for line in lines] == ALL.split(",")
    times = [json.loads(line)["total_time"] for line in lines]
    assert sum(times) == pytest.approx(report["seconds"], abs=0.1)
    assert all(report[library] for library in ("torch", "numpy", "torch-fidelity", "lpips"))
    assert "fid5_full:discriminator ↓" in (tmp_path / "out" / "table.txt").read_text()
    assert "psnr5 dB ↑" in done.out
    assert Image.open(tmp_path / "out" / "poses.png").width > 2 * 64


def test_a_bare_word_measures_what_it_can(evaluate, monkeypatch, tmp_path):
    kept = {name: METRICS[name] for name in ("fid", "psnr", "lpips", "perceptual")}
    monkeypatch.setattr("nerfgan_cli.commands.evaluating.METRICS", kept)
    monkeypatch.setattr("nerfgan_cli.evaluation.distances.QUICK", 4)
    monkeypatch.setattr("nerfgan_cli.evaluation.distances.QUICK_REAL", 6)
    monkeypatch.setattr("nerfgan_cli.evaluation.likeness.QUICK", 3)
    done = evaluate()
    assert done.code == 0, done.err
    assert list(values(tmp_path / "out")) == [
        *("fid4:discriminator", "psnr3", "psnr_raw3", "perceptual3:discriminator")
    ]
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").open()]
    for line in lines:  # nothing was fetched, and each says what is missing
        missing = {entry["metric"]: entry["reason"] for entry in line["missing"]}
        assert list(missing) == ["lpips", "fid:inception"]
        assert "nerfgan weights get alex" in missing["lpips"]
        assert "nerfgan weights get inception" in missing["fid:inception"]
    assert "nerfgan weights get alex" in done.out
    (protocol,) = lines[-1]["protocol"].values()
    assert (protocol["pairs"], protocol["network"]) == (3, "discriminator")


def test_many_pictures_are_for_distances_only(evaluate, monkeypatch, tmp_path):
    """As published, FID has 50,000 and PSNR 1000, whatever --num."""
    monkeypatch.setattr("nerfgan_cli.evaluation.likeness.MOST", 3)
    assert evaluate("--metrics", "fid,psnr,ssim", "--num", 5).code == 0
    assert list(values(tmp_path / "out")) == [
        *("fid5_full:discriminator", "psnr3", "psnr_raw3", "ssim3"),
    ]


def test_batch_size_changes_nothing_and_the_seed_does(evaluate, tmp_path):
    found = []
    for number, more in enumerate((["--batch", 1], ["--batch", 5], ["--seed", 1])):
        out = tmp_path / str(number)
        done = evaluate("--metrics", ALL, "--num", 5, "-o", out, "--cache", out / "cache", *more)
        assert done.code == 0, done.err
        found.append(values(out))
    for name, value in found[0].items():  # up to a pixel that is rounded the other way
        assert found[1][name] == pytest.approx(value, rel=1e-5), name
        assert found[2][name] != pytest.approx(value, rel=1e-4), name


def test_conditioning_is_what_fid3d_fixes(evaluate, tmp_path):
    assert evaluate("--metrics", "fid,fid3d", "--num", 5).code == 0
    found = values(tmp_path / "out")
    assert found["fid5_full:discriminator"] != found["fid3d5_full:discriminator"]


def test_interrupted_it_goes_on(evaluate, monkeypatch, tmp_path):
    from nerfgan_cli.evaluation import features

    monkeypatch.setattr(rows, "PART", 2)
    drawn = []
    draw = features.draw_pictures

    def interrupted(setting, indices, frontal):
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(indices.tolist())
        return draw(setting, indices, frontal)

    monkeypatch.setattr(features, "draw_pictures", interrupted)
    assert evaluate("--metrics", "fid", "--num", 5).code == 130
    monkeypatch.setattr(
        features, "draw_pictures", lambda *a: drawn.append(a[1].tolist()) or draw(*a)
    )
    assert evaluate("--metrics", "fid", "--num", 5).code == 0
    assert drawn == [[0, 1], [2, 3], [4]]
    again = values(tmp_path / "out")
    assert evaluate("--metrics", "fid", "--num", 5, "--cache", tmp_path / "other").code == 0
    assert values(tmp_path / "out") == again


def test_a_damaged_entry_of_the_cache_is_made_again(evaluate, tmp_path):
    assert evaluate("--metrics", "fid", "--num", 5).code == 0
    before = values(tmp_path / "out")
    parts = sorted((tmp_path / "cache").rglob("*.npy"))
    assert len(parts) == 4  # features and their statistics, real and generated
    for index, part in enumerate(parts):
        content = part.read_bytes()
        part.write_bytes(content[:-9] + b"surprises" * (index % 2))
    done = evaluate("--metrics", "fid", "--num", 5)
    assert done.code == 0
    assert done.err.count("is damaged: it is made again") == 4
    assert values(tmp_path / "out") == before
    for place in (11, 16, 25, 40, 60):  # of the header
        part = min((tmp_path / "cache").rglob("*.npy"))
        content = bytearray(part.read_bytes())
        content[place] ^= 0x10
        part.write_bytes(content)
        done = evaluate("--metrics", "fid", "--num", 5)
        assert done.err.count("is damaged: it is made again") == 1, place
        assert values(tmp_path / "out") == before


def test_identical_sets(judge, real, tmp_path):
    done = judge(real, "--metrics", "fid,kid")
    assert done.code == 0, done.err
    found = values(tmp_path / "judged")
    assert found["fid9_full:discriminator"] == pytest.approx(0, abs=1e-9)
    assert -0.1 < found["kid9_full:discriminator"] < 0
    assert "both sets have the same mean and covariance" in done.out
    assert "mean of 100 subsets of 9, unbiased" in done.out
    assert "it may be negative where the two sets are alike" in done.out


def test_squeezenet_as_extractor_and_below_lpips(evaluate, tmp_path):
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    weights = tmp_path / "squeeze.pth"
    torch.save(squeezenet1_1(weights=None).state_dict(), weights)
    options = ["--extractor", "squeezenet", "--squeezenet", weights, "--num", 3]
    lpips = ["--lpips", "squeeze", "--lpips-weights", weights]
    done = evaluate("--metrics", "fid,lpips", *options, *lpips)
    assert done.code == 0, done.err
    found = values(tmp_path / "out")
    own = sha256_of(weights)[:8]  # not those published: other numbers
    assert list(found) == [f"fid3_full:squeezenet@{own}", f"lpips3:squeeze@{own}"]
    assert all(value > 0 for value in found.values())
    save_teacher(tmp_path / "other.safetensors", 2)
    other = ["--teacher", tmp_path / "other.safetensors", "-o", tmp_path / "again"]
    again = evaluate("--metrics", "fid,lpips", *options, *lpips, *other)
    assert again.code == 2
    assert f"fid3_full:squeezenet@{own}" in again.out
    assert "does not understand this model's latents" in again.err
    wrong = evaluate("--metrics", "fid", "--extractor", "inception", "--inception", weights)
    failed(wrong, 4, "is not the Inception of 2015", "or take --extractor discriminator")


# Pictures of another system


def folder_of(path, count=4, side=64):
    path.mkdir()
    for index in range(count):
        (path / f"{index}.png").write_bytes(png(noise(side, index)))
    return path


def test_bad_folders_of_pictures(judge, monkeypatch, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    judge(empty, "--metrics", "fid").refused(3, "holds no pictures")
    pictures = folder_of(tmp_path / "pictures")
    judge(pictures, "--metrics", "fid", "--num", 5).refused(3, "4 pictures", "--num")
    judge(pictures, "--metrics", "psnr").refused(2, "give a --model")
    judge(pictures, "--metrics", "fid3d").refused(2, "give a --model")
    failed(judge(folder_of(tmp_path / "one", 1), "--metrics", "fid"), 3, "at least 2")
    monkeypatch.chdir(pictures)
    assert judge(".", "--metrics", "fid").code == 0
    assert json.loads((tmp_path / "judged" / "eval.json").read_text())["name"] == "pictures"
    (pictures / "large.png").write_bytes(png(noise(65, 9)))
    judge(pictures, "--metrics", "fid").refused(3, "large.png", "one size")
    (pictures / "large.png").write_bytes(b"no picture")
    judge(pictures, "--metrics", "fid").refused(3, "large.png", "no picture")
    small = folder_of(tmp_path / "small", side=32)
    judge(small, "--metrics", "fid").refused(3, "another set of pictures", "--out")
    small = judge(small, "--metrics", "fid", "-o", tmp_path / "other")
    small.refused(2, "prepare the data at 32²")


def test_cameras_of_pictures_must_match(judge, tmp_path):
    pictures = folder_of(tmp_path / "pictures")
    table = tmp_path / "cameras.json"
    labels = labels_at(np.linspace(-0.3, 0.3, 4))
    table.write_text(json.dumps({"labels": [[f"{i}.png", labels[i]] for i in (0, 1, 3)]}))
    judge(pictures, "--metrics", "fid", "--cameras", table).refused(3, "2.png", "no camera")
    table.write_text(json.dumps({"labels": [[f"{i}.png", labels[i]] for i in (3, 1, 2, 0)]}))
    assert judge(pictures, "--metrics", "fid", "--cameras", table).code == 0
    read = PictureFolder(pictures, table, PRESETS["ffhq"])
    torch.testing.assert_close(read.labels(np.arange(4)), torch.tensor(labels))
    np.save(tmp_path / "cameras.npy", np.array(labels[:3], dtype=np.float32))
    cameras = ["--cameras", tmp_path / "cameras.npy"]
    judge(pictures, "--metrics", "fid", *cameras).refused(3, "3 cameras", "4")


def test_cameras_without_names_go_by_order_where_it_is_plain(tmp_path):
    pictures = folder_of(tmp_path / "pictures", 11)  # "10.png" is sorted before "2.png"
    np.save(tmp_path / "cameras.npy", np.array(labels_at(np.linspace(-0.3, 0.3, 11)), np.float32))
    with pytest.raises(InputError, match="as many digits"):
        PictureFolder(pictures, tmp_path / "cameras.npy", PRESETS["ffhq"])
    for index in range(11):
        (pictures / f"{index}.png").rename(pictures / f"{index:02d}.png")
    assert PictureFolder(pictures, tmp_path / "cameras.npy", PRESETS["ffhq"]).has_cameras


@pytest.mark.parametrize("content", [{"labels": None}, {"labels": [["0.png", 3]]}, {}])
def test_distances_of_pictures_ask_for_no_cameras(judge, tmp_path, content):
    """Of neither side; StyleGAN's own sets have no labels, or classes."""
    pictures, reals = folder_of(tmp_path / "pictures"), folder_of(tmp_path / "reals", 5)
    (pictures / "dataset.json").write_text(json.dumps(content))
    done = judge(pictures, "--metrics", "fid", "--data", reals)
    assert done.code == 0, done.err
    assert "fid4_full:discriminator" in done.out
    (pictures / "dataset.json").write_text("no JSON")
    judge(pictures, "--metrics", "fid", "--data", reals).refused(3, "JSON")


@pytest.mark.parametrize("suffix", ["bmp", "ppm", "png"])
def test_pictures_are_told_apart_by_all_of_them(tmp_path, suffix):
    """Two that differ in the middle alone."""
    told = []
    for name in ("a", "b"):
        pixels = np.full((64, 64, 3), 255, np.uint8)
        pixels[20:40, 20:40] = noise(20, ord(name))
        (tmp_path / name).mkdir()
        extra = PngInfo()
        extra.add_text("Comment", "the same, at the end of both, and longer than any checksum" * 3)
        kept = {"pnginfo": extra} if suffix == "png" else {}
        Image.fromarray(pixels).save(tmp_path / name / f"0.{suffix}", **kept)
        told.append(PictureFolder(tmp_path / name, None, PRESETS["ffhq"]).fingerprint())
    assert told[0] != told[1]
    again = shutil.copytree(tmp_path / "a", tmp_path / "c")
    assert PictureFolder(again, None, PRESETS["ffhq"]).fingerprint() == told[0]


def test_an_extractor_that_cannot_be_had_keeps_no_other(evaluate, tmp_path):
    (tmp_path / "inception.pth").write_bytes(b"half of it")
    options = ("--extractor", "inception,discriminator", "--inception", tmp_path / "inception.pth")
    done = evaluate("--metrics", "fid,kid", "--num", 5, *options)
    assert done.code in (3, 4), done
    assert list(values(tmp_path / "out")) == ["fid5_full:discriminator", "kid5_full:discriminator"]
    report = json.loads((tmp_path / "out" / "eval.json").read_text())
    assert [skip["metric"] for skip in report["skipped"]] == ["fid:inception", "kid:inception"]


def test_a_metric_without_memory_keeps_no_other(evaluate, tmp_path, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr("nerfgan_cli.evaluation.likeness.compare_pairs", full)
    done = evaluate("--metrics", "psnr,fid", "--num", 5)
    assert done.code == 1
    assert "not enough memory for psnr: give a smaller --batch" in done.err
    assert list(values(tmp_path / "out")) == ["fid5_full:discriminator"]


def test_pose_of_pictures_with_a_camera_table(nerfgan, monkeypatch, tmp_path):
    monkeypatch.setattr("nerfgan_cli.commands.evaluating._open_teacher", lambda *order: None)
    seen = cameras(3, np.arange(4))
    heads = to_pixels(draw(heads_from_latent(latents(3, np.arange(4))), seen, 64).image)
    (tmp_path / "heads").mkdir()
    for index, head in enumerate(heads):
        Image.fromarray(head).save(tmp_path / "heads" / f"{index}.png")
    table = tmp_path / "cameras.json"
    found = []
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):  # the true cameras, and those of others
        labels = [[f"{i}.png", seen.label[j].tolist()] for i, j in enumerate(order)]
        table.write_text(json.dumps({"labels": labels}))
        options = ["--data", "toyheads", "--cameras", table, "--metrics", "pose"]
        out = tmp_path / f"from {order[0]}"
        options += ["--cache", tmp_path / "cache", "-o", out, "--format", "markdown"]
        done = nerfgan("eval", "--images", tmp_path / "heads", *options)
        assert done.code == 0, done.err
        found.append(values(out)["pose4_uncorrected:toyheads"])
    assert found[0] < 0.01 < found[1]
    text = narrow((out / "table.md").read_text())
    assert text.startswith("| metric | value | error | note |")
    assert f"| pose4_uncorrected:toyheads rad² ↓ | {found[1]:.4g} |" in text
    assert "| identity |" in text  # and why it was not measured


def test_processes_share_the_work(models, real, tmp_path, monkeypatch, capfd):
    """As torchrun starts them."""
    monkeypatch.setattr(rows, "PART", 2)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    options = ["--model", models.student, "--data", real, "--discriminator", models.critic]
    options += ["--metrics", "fid", "-n", 5, "--format", "csv"]

    def run(out):
        words = map(str, ["eval", *options, "--cache", out / "cache", "-o", out])
        assert main([*words]) == 0

    def start(rank):
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", **address}
        run(tmp_path / "two")

    with ThreadPoolExecutor(2) as pool:
        both = pool.map(lambda rank: in_child(lambda: start(rank)), range(2))
        assert [*both, in_child(lambda: run(tmp_path / "one"))] == [0, 0, 0]
    said = capfd.readouterr()
    assert said.out.count("\nfid5_full:discriminator") == said.err.count("measuring fid") == 2
    assert json.loads((tmp_path / "two" / "eval.json").read_text())["processes"] == 2
    assert values(tmp_path / "two") == pytest.approx(values(tmp_path / "one"), rel=1e-6)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_for_each_pass_that_may_grow(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    with Bars(True) as bars:
        for step in (("drawing", 0, 4), ("drawing", 4, 4), ("weighing", 0, 3), ("weighing", 3, 6)):
            bars(*step)
        shown = sys.stderr.getvalue()
        assert "drawing: 100%" in shown
        assert "4/4" in shown
        assert (bars.what, bars.bar.n, bars.bar.total) == ("weighing", 3, 6)
        assert "<" in shown  # the time that is left stands behind it
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with Bars(True) as bars:
        bars("drawing", 1, 2)
    assert sys.stderr.getvalue() == ""


# What is missing, what is wrong


def test_what_is_asked_for_and_cannot_be_had(evaluate, nerfgan, models, tmp_path):
    done = evaluate("--metrics", "lpips,psnr", "--num", 3)
    assert done.code == 4
    assert "psnr3" in done.out  # the rest was measured
    for word in ("(offline)", "https://download.pytorch.org/models/alexnet", "--lpips-weights"):
        assert word in done.err.splitlines()[-1]
    assert list(values(tmp_path / "out")) == ["psnr3", "psnr_raw3"]
    assert "lpips" in (tmp_path / "out" / "table.txt").read_text()
    line = json.loads((tmp_path / "out" / "metrics.jsonl").read_text())
    assert line["total_time_str"].endswith("s")
    assert [entry["metric"] for entry in line["missing"]] == ["lpips"]
    assert "https://download.pytorch.org/models/alexnet" in line["missing"][0]["reason"]
    evaluate("--metrics", "fidd").refused(2, "no metric 'fidd'")
    evaluate("--metrics", "fid", "--extractor", "vgg").refused(2, "unknown extractor 'vgg'")
    evaluate("--metrics", "fid", "--inception", "no", "--extractor", "inception").refused(3, "no")
    wrong = evaluate("--metrics", "fid", "--discriminator", models.student)
    failed(wrong, 4, "no discriminator")
    for metrics in ("lpips", "psnr,lpips"):  # which is told before anything is measured
        wrong = evaluate("--metrics", metrics, "--lpips", "vgg19")
        wrong.refused(2, "unknown network 'vgg19'")
    bare = ["eval", "--model", models.student, "-o", tmp_path / "bare"]
    nerfgan(*bare, "--metrics", "fid").refused(2, "--data")
    nerfgan(*bare, "--metrics", "psnr").refused(2, "--teacher")
    nerfgan(*bare, "--images", tmp_path).refused(2, "give one of them")
    nerfgan(*bare, "a-model").refused(2, "--compare")
    nerfgan("eval", "--compare", "-o", tmp_path).refused(2, "--compare")


class Broken:
    """A metric that finds out only when it measures that it cannot."""

    name = "broken"

    def obstacle(self, setting):
        return None

    def measure(self, setting):
        raise InputError("no face was found: take a model of faces.")


def test_a_metric_that_fails_keeps_no_other_from_being_measured(evaluate, monkeypatch, tmp_path):
    kept = {"fid": METRICS["fid"], "broken": Broken(), "psnr": METRICS["psnr"]}
    monkeypatch.setattr("nerfgan_cli.commands.evaluating.METRICS", kept)
    out = tmp_path / "out"

    def measured():
        assert list(values(out)) == ["fid3_full:discriminator", "psnr3", "psnr_raw3"]
        assert "no face was found" in (out / "table.txt").read_text()
        (out / "table.txt").unlink()

    done = evaluate("--num", 3)
    assert done.code == 0, done.err
    assert "no face was found" in done.out
    assert (out / "poses.png").is_file()
    measured()
    done = evaluate("--num", 3, "--metrics", "fid,broken,psnr")
    assert (done.code, "no face was found" in done.err) == (3, True)
    measured()

    def draw_nothing(*_):
        raise WeightsError("it draws nothing: train it further.")

    monkeypatch.setattr("nerfgan_cli.commands.evaluating.write_poses", draw_nothing)
    done = evaluate("--num", 3, "--metrics", "fid,psnr")
    assert (done.code, "it draws nothing" in done.err) == (4, True)
    assert "it draws nothing" in (out / "table.txt").read_text()
    assert len(values(out)) == 3
    for name in ("fid", "psnr"):
        kept.pop(name)
    done = evaluate("--num", 3)
    assert (done.code, "no face was found" in done.err) == (3, True)  # nothing was measured
    assert len(values(out)) == 3


def test_psnr_needs_no_network_of_lpips(evaluate, tmp_path):
    damaged = tmp_path / "alex.pth"
    damaged.write_bytes(b"no weights")
    done = evaluate("--metrics", "psnr,lpips", "--num", 3, "--lpips-weights", damaged)
    assert done.code == 3
    assert "alex.pth" in done.err
    assert list(values(tmp_path / "out")) == ["psnr3", "psnr_raw3"]


def test_a_report_is_not_replaced_by_nothing(evaluate, tmp_path):
    assert evaluate("--metrics", "psnr", "--num", 3).code == 0
    assert evaluate("--metrics", "lpips", "--num", 3).code == 4
    assert list(values(tmp_path / "out")) == ["psnr3", "psnr_raw3"]
    assert "psnr3" in (tmp_path / "out" / "table.txt").read_text()


def test_a_report_grows_and_is_never_mixed(evaluate, nerfgan, models, monkeypatch, tmp_path):
    out = tmp_path / "out"
    for metrics, number in (("psnr", 3), ("ssim,lpips", 3), ("psnr", 2)):
        done = evaluate("--metrics", metrics, "--num", number)
        assert done.code == (4 if "lpips" in metrics else 0), done
    assert "ssim" not in done.out  # what was measured now
    assert "wrote " in done.err
    assert list(values(out)) == ["psnr3", "psnr_raw3", "ssim3", "psnr2", "psnr_raw2"]
    report = json.loads((out / "eval.json").read_text())
    assert [skip["metric"] for skip in report["skipped"]] == ["lpips"]
    lines = [json.loads(line) for line in (out / "metrics.jsonl").open()]
    assert report["seconds"] == pytest.approx(sum(one["total_time"] for one in lines), abs=0.2)
    table = (out / "table.txt").read_text()
    assert all(name in table for name in (*values(out), "lpips"))
    before = (out / "eval.json").read_bytes()
    refused = evaluate("--metrics", "psnr", "--num", 3, "--seed", 1)
    refused.refused(3, "another seed (0, not 1)", "--out")
    assert (out / "eval.json").read_bytes() == before
    monkeypatch.chdir(tmp_path)  # and without --out each has a folder of its own
    common = ("--teacher", models.teacher, "--metrics", "ssim", "--num", 3)
    assert nerfgan("eval", "--model", models.student, *common).code == 0
    assert list(values(Path("eval/student"))) == ["ssim3"]
    assert nerfgan("eval", "--compare", models.student, "out", *common).code == 0
    assert Path("eval/comparison.txt").is_file()
    assert len(list(Path("eval").glob("student*/eval.json"))) == 2  # with its label there


def test_a_report_learns_its_teacher_and_its_data(nerfgan, models, real, tmp_path):
    """As the tool itself says what a number lacks."""
    out, found = tmp_path / "out", []
    options = ("--model", models.student, "--cache", tmp_path / "cache", "-o", out, "--num", 3)
    fid = ("--metrics", "fid", "--data", real, "--discriminator", models.critic)
    for more in (("--metrics", "psnr", "--teacher", models.teacher), fid):
        done = nerfgan("eval", *options, *more)
        assert done.code == 0, done.err
        found.append(json.loads((out / "eval.json").read_text()))
    assert list(values(out)) == ["psnr3", "psnr_raw3", "fid3_full:discriminator"]
    for fact in ("teacher", "teacher_checksum"):
        assert found[1][fact] == found[0][fact] is not None
    assert found[1]["data_fingerprint"] is not None is found[0]["data_fingerprint"]
    save_teacher(tmp_path / "other.safetensors", 2)
    other = nerfgan("eval", *options, *fid, "--teacher", tmp_path / "other.safetensors")
    other.refused(3, "another teacher", "--out")
    del found[1]["checksum"]  # which an old one might not know
    (out / "eval.json").write_text(json.dumps(found[1] | {"nerfgan": "0.0.1"}))
    nerfgan("eval", *options, *fid).refused(3, "another version of nerfgan (0.0.1, not ")


def test_options_that_would_do_nothing(evaluate, judge, tmp_path):
    psnr = ("--metrics", "psnr")
    evaluate(*psnr, "--extractor", "inception").refused(2, "--extractor would do nothing", "fid")
    evaluate(*psnr, "--condition-on-view").refused(2, "--condition-on-view", "identity_curves")
    evaluate("--metrics", "fid", "--lpips", "vgg").refused(2, "--lpips would do nothing")
    evaluate("--metrics", "fid", "--pack", "antelopev2").refused(
        2, "--pack would do nothing", "pose"
    )
    evaluate(*psnr, "--like", "afhq").refused(2, "--like would do nothing without --images")
    for words in (("--branch", "3d"), ("--what", "raw"), ("--resolution", 64)):
        judge(tmp_path, "--metrics", "fid", *words).refused(2, f"{words[0]} would do nothing with")


def test_companions_that_cannot_be_had_are_named(evaluate, tmp_path):
    done = evaluate("--metrics", "fid,identity,kid", "--num", 3)
    assert done.code == 4
    assert "buffalo_l.zip, which is not installed and could not be fetched" in done.err
    report = json.loads((tmp_path / "out" / "eval.json").read_text())
    assert [value["metric"] for value in report["values"]] == ["fid", "kid"]
    skipped = [entry["metric"] for entry in report["skipped"]]
    assert skipped[1:4] == ["pose", "identity", "landmarks"]


# Several


def test_comparison_beside_what_was_published(evaluate, nerfgan, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert evaluate("--metrics", "fid,psnr", "--num", 4, "-o", first).code == 0
    shutil.copytree(first, second)
    report = json.loads((second / "eval.json").read_text())
    report["name"] = "other_one"
    report["values"] = report["values"][:1]
    other = {"protocol": {"extractor_sha256": "abcdef0123"}, "value": 7.5}
    report["values"].append(report["values"][0] | other)  # another discriminator's
    (second / "eval.json").write_text(json.dumps(report))
    compare = ["eval", "--compare", first, second / "eval.json", "-o", tmp_path / "out"]
    done = nerfgan(*compare, "--format", "csv")
    assert done.code == 0, done.err
    assert Image.open(tmp_path / "out" / "poses.png").height > 2 * 64
    table = list(csv.DictReader((tmp_path / "out" / "comparison.csv").open()))
    assert [row["model"] for row in table[:2]] == ["student", "other_one"]
    assert table[0]["fid4_full:discriminator ↓"] == table[1]["fid4_full:discriminator ↓"] != ""
    assert table[1]["fid4_full:discriminator@abcdef01 ↓"] == "7.5"
    assert table[0]["psnr4 dB ↑"]
    assert not table[1]["psnr4 dB ↑"]
    published = [row for row in table if row["published"] == "yes"]
    student = next(row for row in published if row["psnr1k dB ↑"] == "28.49")
    assert (student["model"], student["fid50k_full:inception ↓"]) == ("student", "8.3")
    assert "2303.12865" in student["source"]
    methods = {row["model"] for row in published}
    assert {"PC-GAN", "SURF", "LiftGAN", "EG3D", "GRAM-HD", "VoxGRAF", "GMPI"} <= methods
    latex = nerfgan(*compare, "--format", "latex").out
    assert "\\textcolor{gray}{28.49}" in latex
    assert "other\\_one" in latex
    markdown = narrow(nerfgan(*compare, "--format", "markdown").out)
    assert "| *student* | *FFHQ 512* | *arXiv 2303.12865" in markdown
    lines = nerfgan(*compare).out.splitlines()
    ours = next(index for index, line in enumerate(lines) if line.startswith("student, real "))
    assert len(lines[ours + 2]) == 0  # the published have none of these numbers
    assert any("student, FFHQ 512, arXiv" in line and "28.49" in line for line in lines)
    (second / "eval.json").write_text("[]")
    nerfgan(*compare).refused(3, "no report of nerfgan eval")


def test_models_of_equal_names_are_told_apart(nerfgan, models, real, tmp_path):
    paths = [tmp_path / name / "run" / "model.safetensors" for name in ("one", "two")]
    for path, source in zip(paths, (models.student, models.teacher), strict=True):
        path.parent.mkdir(parents=True)
        shutil.copy(source, path)
    options = ["--data", real, "--num", 3, "--metrics", "fid,psnr", "--teacher", models.teacher]
    options += ["--discriminator", models.critic, "--cache", tmp_path / "cache"]
    out = tmp_path / "out"
    done = nerfgan("eval", "--compare", *paths, *options, "--format", "csv", "-o", out)
    assert done.code == 0, done.err  # though a teacher has no PSNR to itself
    table = list(csv.DictReader((out / "comparison.csv").open()))
    assert [row["model"] for row in table[:2]] == ["model (one)", "model (two)"]
    assert table[0]["fid3_full:discriminator ↓"] != table[1]["fid3_full:discriminator ↓"]
    for name, word in (("model-one", "one"), ("model-two", "two")):
        report = json.loads((out / name / "eval.json").read_text())
        assert Path(report["model"]).parts[-3] == word
    both = [out / "model-one", out / "model-two"]
    again = ["eval", "--compare", *both, "-o", out, "--format", "csv"]
    assert nerfgan(*again).code == 0
    assert Image.open(out / "poses.png").height > 2 * 64
    shutil.copy(models.student, paths[1])  # trained further, say
    done = nerfgan(*again)
    assert f"{paths[1]} is no longer the model of the report" in done.err
    assert Image.open(out / "poses.png").height < 2 * 64
    options += ["-o", out]
    nerfgan("eval", "--compare", paths[0], paths[0], *options).refused(2, "is there twice")


def test_a_comparison_shows_what_was_measured_earlier(nerfgan, models, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    nerfgan("eval", "--compare", "no-such-model").refused(2, "no-such-model")
    assert not Path("eval").exists()
    options = ("--teacher", models.teacher, "--num", 3, "--cache", tmp_path / "cache")
    for metric, form in (("ssim", "text"), ("psnr", "csv")):
        more = ("--metrics", metric, "--format", form)
        assert nerfgan("eval", "--compare", models.student, *options, *more).code == 0
    row = next(csv.DictReader(io.StringIO(Path("eval/comparison.csv").read_text())))
    assert row["ssim3 ↑"]
    assert row["psnr3 dB ↑"]
    assert not Path("eval/comparison.txt").exists()  # which has fewer numbers
    shutil.copytree("eval/student", "eval/teacher")
    both = nerfgan("eval", "--compare", models.student, models.teacher, *options)
    both.refused(3, "eval/teacher", "another model")  # before anything was measured


def test_what_a_comparison_lacks_is_a_failure(nerfgan, models, real, tmp_path):
    options = ["--data", real, "--num", 3, "--cache", tmp_path / "cache", "-o", tmp_path / "out"]
    done = nerfgan("eval", "--compare", models.student, *options, "--metrics", "fid,kid")
    assert done.code == 4
    assert "which is not installed and could not be fetched" in done.err  # for it was named
    assert "fid50k_full:inception" in (tmp_path / "out" / "comparison.txt").read_text()
    done = nerfgan("eval", "--compare", models.student, *options, "--metrics", "psnr")
    assert (done.code, "name it with --teacher" in done.err) == (2, True)


def test_published_pictures_are_read_from_zip(judge, tmp_path):
    path = write_zip(
        tmp_path / "pictures.zip",
        {f"{index}.png": png(noise(64, index + 50)) for index in range(3)},
    )
    assert judge(path, "--metrics", "fid").code == 0
