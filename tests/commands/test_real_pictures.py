"""From real photographs and scans to a training run: prepare, check, train."""

import json
from pathlib import Path

import pytest
from datasets import shared

RIGHT_BOX = "-0.073568,0.021728,-0.012445,0.028855,0.181892,0.062736"  # published with the temple

pytestmark = pytest.mark.usefixtures("quick_training")


def yaw_table(folder: Path) -> Path:
    """COIL-20's turntable turns by five degrees."""
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
        "loss.augment=none",
    ]
    options = [word for setting in settings for word in ("--set", setting)]
    trained = nerfgan("train", tiny_recipe, "--out", run, *options)
    assert trained.code == 0, trained.err
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    losses = [line["loss/discriminator"] for line in lines]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
