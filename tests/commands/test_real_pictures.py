"""From real photographs and scans to a training run: prepare, check, train."""

import json
from pathlib import Path

import numpy as np
import pytest
from datasets import shared

from nerfgan_cli.cameras import Camera
from nerfgan_cli.data.archive import ImageArchive
from nerfgan_cli.data.camera_plot import project

RIGHT_BOX = "-0.073568,0.021728,-0.012445,0.028855,0.181892,0.062736"  # published with the temple

pytestmark = pytest.mark.usefixtures("quick_training")


def yaw_table(folder: Path) -> Path:
    """COIL-20's turntable turns by five degrees; picture 54 shows the duck's face."""
    lines = [f"obj1__{k}.png,{5 * k - 270},15" for k in range(72)]
    (folder / "turn.csv").write_text("name,yaw,pitch\n" + "\n".join(lines))
    return folder / "turn.csv"


@pytest.mark.parametrize("name", ["temple_ring", "coil20", "head_scan"])
def test_prepare_check_train(name, nerfgan, tiny_recipe, tmp_path):
    options = {
        "temple_ring": ["--background", "black", f"--box={RIGHT_BOX}"],
        "coil20": ["--background", "black", "--cameras", yaw_table(tmp_path)],
        "head_scan": [],
    }[name]
    data, run = tmp_path / f"{name}.zip", tmp_path / "run"
    source = shared(name)
    done = nerfgan("data", "prepare", "folder", source, "-o", data, "--resolution", 64, *options)
    assert done.code == 0, done.err
    sheet = tmp_path / "sheet.png"
    assert nerfgan("data", "check", data, "-o", sheet).code == 0
    assert sheet.stat().st_size > 10_000
    settings = [
        "loss.augment=none",
        "optim.discriminator_lr=0.01",
        f"data.path={data}",
        "train.kimg=0.24",
        "train.snapshot_kimg=1",
    ]
    options = [word for setting in settings for word in ("--set", setting)]
    trained = nerfgan("train", tiny_recipe, "--out", run, *options)
    assert trained.code == 0, trained.err
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    losses = [line["loss/discriminator"] for line in lines]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def test_the_turntable_turns_as_its_labels_say(nerfgan, tmp_path):
    """The duck's head and face are at its front, and appear where the cameras see the front."""
    data, table = tmp_path / "coil20.zip", yaw_table(tmp_path)
    options = ["--background", "black", "--cameras", table, "--resolution", 64]
    done = nerfgan("data", "prepare", "folder", shared("coil20"), "-o", data, *options)
    assert done.code == 0, done.err
    images = ImageArchive(data)
    cameras = Camera.from_label(images.labels(np.arange(72)))
    column, _, depth = project(cameras, np.array([[0, 0, 0.3]]))[:, 0].T
    pixels = [images[index].image.float().mean(dim=0).numpy() for index in range(72)]
    aside, contrast = np.array([head(picture) for picture in pixels]).T
    assert np.corrcoef(column, aside)[0, 1] > 0.9  # 0.99; the other way round −0.99
    assert np.corrcoef(-depth, contrast)[0, 1] > 0.8  # not the back, where the head is as far aside


def head(pixels: np.ndarray) -> tuple[float, float]:  # [H, W], black around the duck
    """How far right of the body the head is, in pixels, and its contrast, that of eyes and beak."""
    rows, columns = np.nonzero(pixels > 50)
    height = (rows - rows.min()) / np.ptp(rows)
    aside = columns[height < 1 / 3].mean() - columns[height > 1 / 2].mean()
    return float(aside), float(pixels[rows, columns][height < 1 / 2].std())
