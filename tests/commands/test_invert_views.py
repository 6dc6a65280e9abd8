"""Photographs, cameras and masks as `nerfgan invert` takes them, without inverting."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inversion_case import SIDEWAYS, load, make_job, quick, sample
from PIL import Image

from nerfgan_cli.camera_files import write_cameras
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints.zoo import STUDENT, find_model
from nerfgan_cli.commands.invert import announce, find_reader, tell_cosines
from nerfgan_cli.commands.views import FACE, open_views
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.evaluation.looks import Looks
from nerfgan_cli.inversion.report import likeness
from nerfgan_cli.inversion.settings import CameraSettings
from nerfgan_cli.media import to_pixels

FIVE = [[20, 30], [40, 30], [30, 36], [23, 45], [37, 45]]
OTHER = PRESETS["ffhq"].at(-0.4)


@pytest.fixture(scope="module")
def generator(models):
    return load(models.student)


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        Image.new("RGB", (64, 64), "grey").save(path)
    return paths


def test_cameras_are_those_of_their_photographs(photos, generator, tmp_path) -> None:
    views = open_views(photos, [], [], generator)
    assert [view.known for view in views] == [False, False]
    assert all(torch.equal(view.camera.label, PRESETS["ffhq"].frontal().label) for view in views)
    write_cameras([(None, SIDEWAYS)], tmp_path / "a.json")
    views = open_views(photos, [], [], generator)
    assert [view.known for view in views] == [True, False], "that of b is not told"
    assert [view.to(torch.device("cpu")).known for view in views] == [True, False]
    torch.testing.assert_close(views[0].camera.label, SIDEWAYS.label)
    both = tmp_path / "both.json"
    write_cameras([("b.png", OTHER), ("a.png", SIDEWAYS)], both)
    write_cameras([(None, OTHER)], tmp_path / "other.json")
    for files in ([both], [tmp_path / "a.json", tmp_path / "other.json"]):
        views = open_views(photos, files, [], generator)
        assert all(view.known for view in views)
        labels = torch.cat([view.camera.label for view in views])
        torch.testing.assert_close(labels, torch.cat([SIDEWAYS.label, OTHER.label]))
    with pytest.raises(UsageError, match="one camera for 2 photographs"):
        open_views(photos, [tmp_path / "other.json"], [], generator)
    with pytest.raises(UsageError, match="3 cameras for 2 photographs"):
        open_views(photos, [both] * 3, [], generator)
    write_cameras([("a.png", OTHER), ("b.png", OTHER)], both)  # of a tripod
    views = open_views(photos, [both], [], generator)
    assert torch.equal(views[0].camera.label, views[1].camera.label)
    write_cameras([("b.png", OTHER), ("c.png", SIDEWAYS)], both)
    with pytest.raises(InputError, match=r"none of its 2 cameras is that of a\.png"):
        open_views(photos, [both], [], generator)


def test_what_align_was_told_to_assume_is_searched(nerfgan, generator, tmp_path) -> None:
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "cat.png")
    write_cameras([(None, SIDEWAYS)], tmp_path / "seen.json")
    for camera, known in (("frontal", False), (tmp_path / "seen.json", True)):
        align = ("align", tmp_path / "cat.png", "-o", tmp_path / "out", "--camera", camera)
        assert nerfgan(*align).code == 0
        (view,) = open_views([tmp_path / "out" / "cat.png"], [], [], generator)
        assert view.known is known
    beside = tmp_path / "out" / "cat.json"  # of whatever program wrote it; what is named is known
    beside.write_text(beside.read_text("utf-8"), "utf-8-sig")
    for cameras in ([], [beside]):
        assert open_views([tmp_path / "out" / "cat.png"], cameras, [], generator)[0].known


def test_a_lens_of_another_domain_is_pointed_out(photos, generator, capsys) -> None:
    write_cameras([(None, SIDEWAYS)], photos[0].with_suffix(".json"))
    open_views(photos, [], [], generator)
    assert capsys.readouterr().err == ""
    wide = replace(PRESETS["ffhq"], focal=3.0).at(0.2)
    write_cameras([(None, wide)], photos[0].with_suffix(".json"))
    open_views(photos, [], [], generator)
    assert "a.json: a focal length of 3 where 4.265 is usual" in capsys.readouterr().err


def test_masks_are_pictures_or_the_face(photos, generator, tmp_path) -> None:
    left = Image.new("L", (64, 64))
    left.paste(255, (0, 0, 32, 64))
    left.save(tmp_path / "left.png")
    views = open_views(photos[:1], [], [tmp_path / "left.png"], generator)
    assert views[0].mask[..., :32].min() == 1
    assert views[0].mask[..., 32:].max() == 0
    for photo in photos:
        photo.with_suffix(".json").write_text(
            json.dumps({"yaw": 0, "points": FIVE}), encoding="utf-8"
        )
    views = open_views(photos, [], [FACE], generator)
    for view in views:
        assert view.mask[0, 0, 36, 30] == 1
        assert view.mask[0, 0, :8].max() == 0
    photos[1].with_suffix(".json").unlink()
    with pytest.raises(InputError, match=r"no .*b\.json, .*nerfgan align"):
        open_views(photos, [], [FACE], generator)
    places = {"points": FIVE, "world": [[0, 0, 0.1 * k] for k in range(5)]}
    photos[1].with_suffix(".json").write_text(json.dumps({"yaw": 0} | places), encoding="utf-8")
    with pytest.raises(InputError, match="not those of a face"):
        open_views(photos, [], [FACE], generator)


def test_a_toy_is_called_one(models, nerfgan, monkeypatch, tmp_path) -> None:
    """Once, before it begins; so is the cost of little time."""
    monkeypatch.setattr("nerfgan_cli.commands.invert.invert", lambda *job: None)
    Image.new("RGB", (128, 128)).save(tmp_path / "photo.png")
    fast = ("invert", tmp_path / "photo.png", "--preset", "fast", "-o", tmp_path / "out")
    said = nerfgan(*fast).err
    assert said.count("is a toy") == 1
    assert "costs likeness" in said
    other = ("--model", models.student, "--discriminator", models.critic, "--steps", 1)
    said = nerfgan(*fast, *other).err
    assert "toy" not in said
    assert "costs" not in said


def test_of_many_photographs_not_each_is_told_of() -> None:
    assert tell_cosines([1.0, None]) == "1.000, no face found"
    assert tell_cosines([None] * 9) == "no face found"
    assert tell_cosines([0.9, None, 0.5, 0.7, None]) == (
        "0.700 on average, 0.500 at least, no face found in 2"
    )


def test_what_becomes_of_unknown_cameras_is_said(models, capsys) -> None:
    told = make_job(models.student, quick())
    lost = told.views[0]._replace(known=False)
    announce(replace(told, views=[lost]), fast=False)
    said = capsys.readouterr().err
    assert "no camera is known: the frontal one is taken and stays" in said
    searched = quick(camera=CameraSettings(known=False))
    announce(replace(told, views=[told.views[0], lost], settings=searched), fast=False)
    said = capsys.readouterr().err
    assert "for 1 of 2 photographs: it is searched" in said


class Colours:
    """Tells pictures apart by their colour, and sees nobody in the dark."""

    def look(self, pictures) -> Looks:
        codes = pictures.mean(axis=(1, 2), dtype=float)
        nothing = np.zeros((len(pictures), 3))
        return Looks(codes.sum(axis=1) > 0, nothing, nothing[:, None], codes)


def test_identity_is_a_cosine_where_faces_are_found() -> None:
    red, green, black = (np.full((8, 8, 3), c, np.uint8) for c in ((9, 0, 0), (0, 9, 0), (0, 0, 0)))
    found = likeness(Colours(), [red, red, red, black], [red, green, black, red])
    assert found == [1.0, 0.0, None, None]


def test_who_tells_people_apart(models, monkeypatch, tmp_path) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr("nerfgan_cli.faces.packs.PLACE", tmp_path)
    (tmp_path / "models" / "buffalo_l").mkdir(parents=True)  # empty: a pack that was not fetched
    monkeypatch.setattr("nerfgan_cli.checkpoints.published.urlopen", None)
    assert find_reader(load(models.student), cpu) is None, "nothing is fetched"
    toy = find_reader(load(find_model(STUDENT)), cpu)
    own = to_pixels(sample(load(find_model(STUDENT))))[0]
    other = to_pixels(sample(load(find_model(STUDENT)), seed=6))[0]
    same, different = likeness(toy, [own, own], [own, other])
    assert same == pytest.approx(1, abs=1e-3)
    assert different < 0.95
