"""What an inversion compares: photographs under masks, by which networks."""

import json
from pathlib import Path

import pytest
import torch
from inversion_case import PIXELS, Models, load
from PIL import Image

from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER, find_model
from nerfgan_cli.inversion import distances
from nerfgan_cli.inversion.photos import face_mask
from nerfgan_cli.losses.discriminator_distance import DiscriminatorDistance


def test_the_face_mask_follows_the_points(tmp_path: Path) -> None:
    Image.new("RGB", (128, 128)).save(tmp_path / "a.png")
    five = [[40, 60], [80, 60], [60, 72], [46, 90], [74, 90]]  # eyes, nose, mouth; 30 pixels high
    (tmp_path / "a.json").write_text(json.dumps({"points": five}))
    mask = face_mask(tmp_path / "a.json", tmp_path / "a.png", 64)[0, 0]
    (rows, columns) = mask.nonzero(as_tuple=True)
    assert float(mask.max()) == 1
    center = 30 + 0.43 * 15
    assert float(rows.float().mean()) == pytest.approx(center, abs=1)
    assert float(columns.float().mean()) == pytest.approx(30, abs=1)
    height, width = int(rows.max() - rows.min()), int(columns.max() - columns.min())
    assert height == pytest.approx(2 * 1.4 * 15 * 1.15, abs=2)
    assert width == pytest.approx(2 * 1.1 * 15 * 1.15, abs=2)
    turned = [[y, 128 - x] for x, y in five]  # the head lies down
    (tmp_path / "a.json").write_text(json.dumps({"points": turned}))
    lying = face_mask(tmp_path / "a.json", tmp_path / "a.png", 64)[0, 0]
    torch.testing.assert_close(lying, mask.T.flip(0), rtol=0, atol=1e-5)


def test_networks_by_model(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        distances, "open_lpips", lambda name, folder: asked.append(name) or PIXELS.pivot
    )
    cpu = torch.device("cpu")
    other = distances.open_distances(load(models.student), "auto", None, None, cpu)
    assert (asked, other.names, other.stop) == (
        ["vgg", "alex"],
        ("lpips-vgg", "lpips-alex"),
        0.06,
    )
    for name in (STUDENT, TEACHER):
        own = distances.open_distances(load(find_model(name)), "auto", None, None, cpu)
        assert isinstance(own.pivot, DiscriminatorDistance)
        assert own.names == (f"discriminator {TEACHER}-discriminator",) * 2
        assert own.stop == 0
    given = distances.open_distances(load(models.student), "auto", str(models.critic), None, cpu)
    assert given.names[0] == f"discriminator {models.critic.name}"
    assert len(asked) == 2
