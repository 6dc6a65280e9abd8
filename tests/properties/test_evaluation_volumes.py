"""What is measured of a volume: each way that it draws, with the amounts that are asked for."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from distill_case import MIMIC3D, TEACHER

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.errors import UsageError
from nerfgan_cli.evaluation import volumes
from nerfgan_cli.evaluation.volumes import Amount, measure, ways_of
from nerfgan_cli.generators.contract import DEFAULT_OPTIONS, DrawOptions
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.mimic3d import Mimic3D
from nerfgan_cli.metrics.toyheads import Likeness

SIDE = MIMIC3D.img_resolution


def test_ways_to_draw() -> None:
    """What has no strict branch is rendered directly, as large as its pictures are."""
    assert ways_of(Mimic3D(MIMIC3D)) == {name: DrawOptions(branch=name) for name in ("2d", "3d")}
    early = Mimic3D(replace(MIMIC3D, residual=False)).eval()
    direct = DrawOptions(resolution=SIDE, raw_only=True)
    assert ways_of(early) == {"2d": DrawOptions(branch="2d"), "direct": direct}
    assert ways_of(EG3D(TEACHER)) == {"image": DEFAULT_OPTIONS, "direct": direct}
    ws, camera = torch.zeros(1, early.num_ws, early.w_dim), PRESETS["ffhq"].frontal()
    with torch.no_grad():
        drawn = early.synthesis(ws, camera, direct)
    assert drawn.image.shape == drawn.image_raw.shape == (1, 3, SIDE, SIDE)


def test_all_is_measured_in_the_way_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Mimic3D(replace(MIMIC3D, z_dim=92))
    way, seen = DrawOptions(branch="3d"), {}

    def stub(name: str, *numbers: float) -> Any:
        def answer(setting: Any) -> list[Any]:
            seen[name] = setting
            return [SimpleNamespace(value=number) for number in numbers]

        return SimpleNamespace(measure=answer)

    def likeness(generator: Any, heads: np.ndarray, yaws: Any, options: DrawOptions) -> Likeness:
        seen["heads"] = len(heads), options
        return Likeness(*map(float, range(10)))

    monkeypatch.setattr(volumes, "FID", stub("fid", 1.5))
    monkeypatch.setattr(volumes, "Multiview", lambda: stub("scenes", 30.0, 0.9, 4.0))
    monkeypatch.setattr(volumes, "likeness", likeness)
    found = measure(generator, way, Path("cache"), Amount(heads=6, pictures=20, scenes=2)).numbers()
    assert (found["fid"], found["psnr_mv"], found["ssim_mv"], found["gain"]) == (1.5, 30, 0.9, 4)
    assert (found["psnr"], found["ssim"], found["backdrop_error"]) == (0, 1, 9)
    assert seen["heads"] == (6, way)
    assert (seen["fid"].number, seen["scenes"].number) == (20, 2)
    for setting in (seen["fid"], seen["scenes"]):
        assert setting.options == way
        assert setting.generator is generator
        assert setting.data.resolution == SIDE
        assert setting.networks.extractors == ("discriminator",)


def test_what_has_no_truth_is_refused() -> None:
    with pytest.raises(UsageError, match="nerfgan eval"):
        measure(Mimic3D(MIMIC3D), DEFAULT_OPTIONS, Path("cache"), Amount())
