"""Augmentation of the EG3D release, with draws fixed at percentiles."""

import re
from pathlib import Path

import pytest
import torch
from golden import Golden, assert_close, goldens

from nerfgan_cli.training.augment import OPERATIONS, AugmentDraws, AugmentPipe

TOLERANCE = 1e-4
PART_PERCENTILE = 0.7  # of the golden's single parts (its description says so; meta does not)
COLORS = OPERATIONS[OPERATIONS.index("brightness") :]

pytestmark = pytest.mark.parametrize("path", goldens("eg3d_augment*.npz"))


def percentile_draws(count: int, q: float, without: tuple[str, ...] = ()) -> AugmentDraws:
    """Everything happens but the second rotation; every draw is its distribution's percentile."""
    shape = (count, len(OPERATIONS))
    chance = torch.zeros(shape)
    for name in ("rotate_after", *without):
        chance[:, OPERATIONS.index(name)] = 1
    normal = float(torch.erfinv(torch.tensor(2 * q - 1)))
    return AugmentDraws(chance, torch.full((*shape, 2), q), torch.full((*shape, 2), normal))


def augmented(golden: Golden, channels: int, draws: AugmentDraws) -> torch.Tensor:
    size, count = golden.meta["size"], golden.meta["batch"]
    return AugmentPipe()(golden.blocky(f"aug/x{channels}", (count, channels, size, size)), draws)


def test_all_operations(path: Path) -> None:
    golden = Golden(path)
    count = golden.meta["batch"]
    for q in golden.meta["percentiles"]:
        for channels in (3, 6):
            images = augmented(golden, channels, percentile_draws(count, q))
            assert_close(images, golden[f"bgc_c{channels}_p{q}"], TOLERANCE)


def test_parts(path: Path) -> None:
    golden = Golden(path)
    count = golden.meta["batch"]
    q = golden.meta.get("part_percentile", PART_PERCENTILE)
    geometry = percentile_draws(count, q, without=COLORS)
    color = percentile_draws(count, q, without=OPERATIONS[: -len(COLORS)])
    for key in golden.keys():  # noqa: SIM118
        match = re.fullmatch(r"(geom|color)_c(\d+)", key)
        if match:
            draws = geometry if match[1] == "geom" else color
            assert_close(augmented(golden, int(match[2]), draws), golden[key], TOLERANCE)


def test_buffers(path: Path) -> None:
    golden = Golden(path)
    buffers = AugmentPipe().state_dict()
    assert list(buffers) == ["p", "Hz_geom", "Hz_fbank"]
    for name in ("Hz_geom", "Hz_fbank"):
        assert_close(buffers[name], golden[name], 1e-6)
