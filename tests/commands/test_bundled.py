"""The model that travels with the package: there, small, and of heads that turn."""

import json
from math import radians

import numpy as np
import pytest

from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.zoo import BUNDLED, BUNDLED_FOLDER, find_model, installed
from nerfgan_cli.metrics.toyheads import HELD_OUT, likeness
from nerfgan_cli.training.kinds import resolve
from nerfgan_cli.training.recipe_reader import parse_toml

LARGEST = 8e6  # bytes, of a model


@pytest.mark.parametrize("name", BUNDLED)
def test_each_has_its_file_card_recipe_and_log(name):
    file = installed(name)
    assert file is not None
    assert file.stat().st_size <= LARGEST
    assert len((BUNDLED_FOLDER / f"{name}.md").read_text()) > 1000
    recipe = (BUNDLED_FOLDER / f"{name}.recipe.toml").read_text()
    assert resolve(parse_toml(recipe, name)).data.kind == "toyheads"
    log = (BUNDLED_FOLDER / f"{name}.log.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["kimg"] > json.loads(log[0])["kimg"]


def test_it_draws_without_a_word_about_models(nerfgan, tmp_path):
    out = tmp_path / "people.png"
    done = nerfgan("image", "--seeds", "0-3", "-o", out)
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "people.png.json").read_text())["kind"] == "eg3d"
    video = tmp_path / "turn.mp4"
    done = nerfgan("video", "--seed", 7, "--yaw-range", 30, "--frames", 3, "-o", video)
    assert done.code == 0, done.err
    assert nerfgan("info").code == 0


def test_heads_are_those_of_their_latents_and_have_depth():
    """Floors well below what the card says, so that only a broken file fails."""
    yaws = [radians(yaw) for yaw in (-30, 30)]
    found = likeness(load_model(find_model(None)), np.arange(HELD_OUT, HELD_OUT + 8), yaws, batch=8)
    assert found.psnr > 15
    assert found.distinctness > 2
    assert found.depth_correlation > 0.5
    assert found.depth_error < 0.08
