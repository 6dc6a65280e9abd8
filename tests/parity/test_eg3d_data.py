"""Data order and feature distances of the EG3D release."""

import re
from itertools import islice
from pathlib import Path

import pytest
import torch
from golden import Golden, assert_close, goldens

from nerfgan_cli.data.sampler import InfiniteSampler
from nerfgan_cli.metrics.fid import fid
from nerfgan_cli.metrics.kid import kid

pytestmark = pytest.mark.parametrize("path", goldens("eg3d_data*.npz"))


def keys_with_numbers(golden: Golden, pattern: str) -> list[tuple[str, list[int]]]:
    matches = [re.fullmatch(pattern, key) for key in sorted(golden.keys())]
    found = [(match[0], [int(number) for number in match.groups()]) for match in matches if match]
    assert found
    return found


def test_sampler_order(path: Path) -> None:
    golden = Golden(path)
    keys = keys_with_numbers(golden, r"sampler_n(\d+)_r(\d+)of(\d+)_seed(\d+)")
    for key, (length, rank, replicas, seed) in keys:
        sampler = InfiniteSampler(length, seed, rank, replicas, golden.meta["window_size"])
        order = golden[key].tolist()
        assert list(islice(sampler, len(order))) == order


def test_fid(path: Path) -> None:
    golden = Golden(path)
    distance = fid(golden.array("feat_real"), golden.array("feat_gen"))
    assert_close(torch.tensor([distance]), golden["fid"], 1e-6, floor=0)


def test_kid(path: Path) -> None:
    """All subsets are everything, so the result does not depend on their draw."""
    golden = Golden(path)
    for key, (n_real, n_generated) in keys_with_numbers(golden, r"kid_(\d+)_(\d+)_all"):
        real, generated = golden.array("feat_real")[:n_real], golden.array("feat_gen")[:n_generated]
        distance = kid(real, generated, subsets=2, subset_size=min(n_real, n_generated))
        assert_close(torch.tensor([distance]), golden[key], 1e-5, floor=0)
