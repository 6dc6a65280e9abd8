"""Pose, identity and landmarks: closed forms, and generators that are wrong in known ways."""

import csv
import json
from dataclasses import replace
from importlib import import_module
from math import degrees, radians
from pathlib import Path

import numpy as np
import pytest
import torch
from faces_judged import (
    ExactHeads,
    ExactVolume,
    HeedsConditioning,
    IgnoresCamera,
    MirrorsYaw,
    SwapsIdentity,
    setting_of,
)
from PIL import Image
from test_training_distributed import fork_all  # of this folder

from nerfgan_cli.cameras import PRESETS, viewing_angles
from nerfgan_cli.checkpoints.format import load_model, load_network, save_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.zoo import STUDENT, TEACHER, find_model
from nerfgan_cli.data.toyheads.dataset import ToyHeads, cameras
from nerfgan_cli.data.toyheads.identity import heads_from_latent, latents
from nerfgan_cli.data.toyheads.landmarks import LANDMARKS as ALL_POINTS
from nerfgan_cli.data.toyheads.landmarks import landmarks
from nerfgan_cli.data.toyheads.renderer import draw
from nerfgan_cli.errors import InputError, UsageError, WeightsError
from nerfgan_cli.evaluation import pose, rows
from nerfgan_cli.evaluation.curves import (
    PITCHES,
    YAWS,
    IdentityCurves,
    points_of,
    write_identity,
)
from nerfgan_cli.evaluation.folder import PictureFolder
from nerfgan_cli.evaluation.looks import (
    Looks,
    Source,
    distance_of_eyes,
    from_rows,
    to_rows,
)
from nerfgan_cli.evaluation.metric import Networks
from nerfgan_cli.evaluation.sittings import look_at_pictures
from nerfgan_cli.evaluation.table import METRICS
from nerfgan_cli.evaluation.toy_faces import FILE, ToyFaces, open_toy_faces, unproject
from nerfgan_cli.evaluation.turning import TURNING, with_companions
from nerfgan_cli.media import to_pixels
from nerfgan_cli.metrics.identity import cosines
from nerfgan_cli.metrics.landmarks import landmark_errors
from nerfgan_cli.metrics.pose import fit_correction, pose_errors
from nerfgan_cli.metrics.toyheads import HELD_OUT
from nerfgan_cli.metrics.umeyama import fit_similarity
from nerfgan_cli.training.toy_reader import (
    POINTS,
    Schooling,
    contrast,
    draw_lineups,
    new_reader,
    pass_by,
    spoil,
    teach,
    to_picture,
)

FFHQ = PRESETS["ffhq"]
CPU = torch.device("cpu")
POSE, IDENTITY, LANDMARKS = TURNING


def turns(count, seed=0):
    """Rotations of determinant 1: [N, 3, 3]."""
    matrices = np.linalg.qr(np.random.RandomState(seed).randn(count, 3, 3))[0]
    return matrices * np.linalg.det(matrices)[:, None, None]


def moved(points, seed):
    random = np.random.RandomState(seed)
    scale, shift = random.uniform(0.5, 3, (len(points), 1, 1)), random.randn(len(points), 1, 3)
    return scale * points @ turns(len(points), seed) + shift


# Closed forms (metrics.md 12)


def test_umeyama_recovers_a_similarity():
    points = np.random.RandomState(0).randn(5, 20, 3)
    target = moved(points, 1)
    fit = fit_similarity(points, target)
    np.testing.assert_allclose(fit(points), target, atol=1e-10)
    np.testing.assert_allclose(np.linalg.det(fit.rotation), 1, atol=1e-10)


def test_umeyama_refuses_a_reflection():
    points = np.random.RandomState(0).randn(1, 20, 3)
    fit = fit_similarity(points, points * (-1, 1, 1))
    np.testing.assert_allclose(np.linalg.det(fit.rotation), 1, atol=1e-10)
    assert np.abs(fit(points) - points * (-1, 1, 1)).max() > 0.5


def test_umeyama_in_the_plane_and_without_a_size():
    flat = np.random.RandomState(0).randn(2, 6, 3) * (1, 1, 0)
    np.testing.assert_allclose(
        fit_similarity(flat, moved(flat, 3))(flat), moved(flat, 3), atol=1e-9
    )
    with pytest.raises(InputError, match="one point"):
        fit_similarity(np.zeros((1, 4, 3)), np.zeros((1, 4, 3)))
    with pytest.raises(InputError, match="three or more"):
        fit_similarity(np.zeros((1, 2, 3)), np.zeros((1, 2, 3)))


def test_landmark_errors_do_not_depend_on_where_a_head_is():
    random = np.random.RandomState(0)
    front = random.randn(4, 19, 3)
    seen = front + 0.05 * random.randn(4, 19, 3)
    eyes = np.linalg.norm(front[:, 0] - front[:, 1], axis=1)
    found = landmark_errors(seen, front, eyes)
    assert (found > 0).all()
    np.testing.assert_allclose(landmark_errors(moved(seen, 1), front, eyes), found, rtol=1e-9)
    elsewhere = moved(front, 2)
    apart = np.linalg.norm(elsewhere[:, 0] - elsewhere[:, 1], axis=1)
    np.testing.assert_allclose(landmark_errors(seen, elsewhere, apart), found, rtol=1e-9)
    one = front.copy()
    one[:, 5] += (0.3, 0, 0)  # a point of 19 that moves: at most its squared way
    assert (landmark_errors(one, front, np.ones(4)) < 0.09 / 19).all()
    assert (landmark_errors(one, front, np.ones(4)) > 0.5 * 0.09 / 19).all()


def test_cosines():
    first, second = np.eye(4)[:2], np.eye(4)[2:]
    np.testing.assert_allclose(cosines(first, second), 0)
    codes = np.random.RandomState(0).randn(3, 8)
    np.testing.assert_allclose(cosines(codes, 7 * codes), 1)
    np.testing.assert_allclose(cosines(codes, -codes), -1)
    with pytest.raises(InputError, match="zeros"):
        cosines(codes, 0 * codes)


def some_angles(count=200):
    return np.random.RandomState(0).randn(count, 3) * (0.3, 0.15, 0.08)


def test_a_perfect_estimator_and_one_with_offset_and_gain():
    true = some_angles()
    assert pose_errors(true, true).max() == 0
    offset, gain = np.radians([4.0, -3.0, 1.0]), np.array([1.1, 0.8, 1.0])
    np.testing.assert_allclose(pose_errors(true + offset, true), np.tile(offset**2, (200, 1)))
    estimated = gain * true + offset
    correction = fit_correction("made", estimated, true)
    np.testing.assert_allclose(correction.gain, gain, atol=1e-9)
    np.testing.assert_allclose(correction.offset, offset, atol=1e-9)
    assert pose_errors(correction(estimated), true).max() < 1e-18
    assert pose_errors(true + 2 * np.pi, true).max() < 1e-18


def test_the_correction_is_robust_and_refuses_other_conventions():
    true = some_angles()
    estimated = true + 0.02
    estimated[::10] += 1.0  # one in ten is wild
    correction = fit_correction("made", estimated, true)
    np.testing.assert_allclose(np.degrees(correction.offset), degrees(0.02), atol=0.3)
    with pytest.raises(InputError, match=r"of the yaw, made sees -1\.00 times"):
        fit_correction("made", true * (-1, 1, 1), true)
    with pytest.raises(InputError, match="disagree"):
        fit_correction("made", true + np.radians([0, 12, 0]), true)
    with pytest.raises(InputError, match="in 5 pictures"):
        fit_correction("made", true[:5], true[:5])


def test_rows_keep_what_was_seen():
    random = np.random.RandomState(0)
    looks = Looks(np.array([True, False]), *(random.randn(2, *s) for s in ((3,), (4, 3), (5,))))
    back = from_rows(to_rows(looks), points=4, code_size=5)
    for before, after in zip(looks, back, strict=True):
        np.testing.assert_allclose(before, after, rtol=1e-6)


# The network that reads ToyHeads


@pytest.fixture(scope="module")
def reader():
    return open_toy_faces(CPU)


@pytest.fixture(scope="module")
def held_out():
    """Exact pictures of heads that nobody learnt from, as `to_pixels` gives them."""
    indices = np.arange(HELD_OUT + 1000, HELD_OUT + 1048)
    return indices, to_pixels(
        draw(heads_from_latent(latents(0, indices)), cameras(0, indices), 128).image
    )


def true_angles(camera):
    return torch.stack(viewing_angles(camera.cam2world.double()), dim=1).numpy()


def test_it_is_small_and_its_card_says_what_it_errs():
    assert FILE.stat().st_size < 2e6
    card = FILE.with_suffix(".md").read_text()
    for word in ("yaw", "pitch", "distance between the eyes", "cosine", "benchmarks/toy_reader.py"):
        assert word in card


def test_it_reads_pose_points_and_identity(reader, held_out):
    """Bounds well above what the card says."""
    indices, pictures = held_out
    looks = reader.look(pictures)
    camera = cameras(0, indices)
    world = landmarks(heads_from_latent(latents(0, indices)))
    world = world[:, [ALL_POINTS.index(point) for point in POINTS]]
    places, depths = (part.double().numpy() for part in to_picture(camera, world))
    exact = unproject(places, depths)
    apart = distance_of_eyes(reader, exact)
    away, strangers = (
        (np.linalg.norm((looks.points - true)[..., :2], axis=2).mean(axis=1) / apart).mean()
        for true in (exact, np.roll(exact, 1, axis=0))  # of the head, and of the next one
    )
    assert away < 0.15 < 0.17 < strangers
    assert landmark_errors(looks.points, exact, apart).mean() ** 0.5 < 0.18
    off = np.degrees(looks.angles - true_angles(cameras(0, indices)))
    assert (np.sqrt(np.square(off).mean(axis=0)) < (4.5, 5.5, 2.0)).all()
    front = draw(heads_from_latent(latents(0, indices)), FFHQ.frontal().expand(48), 128).image
    codes = reader.look(to_pixels(front)).codes
    likeness = looks.codes @ codes.T
    assert likeness.diagonal().mean() > 0.7
    assert likeness[~np.eye(48, dtype=bool)].mean() < 0.3
    assert (likeness.argmax(axis=1) == np.arange(48)).mean() > 0.9


def test_roll_is_counter_clockwise_and_the_mirror_turns_it(reader):
    z = latents(0, np.arange(HELD_OUT, HELD_OUT + 6))
    camera = FFHQ.at(0.3, 0.1, 0.15).expand(6)
    pictures = to_pixels(draw(heads_from_latent(z), camera, 128).image)
    yaw, pitch, roll = reader.look(pictures).angles.mean(axis=0)
    assert roll == pytest.approx(0.15, abs=0.04)
    assert yaw == pytest.approx(float(viewing_angles(camera.cam2world)[0][0]), abs=0.06)
    mirrored = reader.look(np.ascontiguousarray(pictures[:, :, ::-1]))
    np.testing.assert_allclose(mirrored.angles.mean(axis=0), (-yaw, pitch, -roll), atol=1e-4)


def test_a_picture_is_read_alike_in_any_company(reader, held_out):
    _, pictures = held_out
    together, alone = reader.look(pictures[:8]), reader.look(pictures[3:4])
    for whole, part in zip(together, alone, strict=True):
        np.testing.assert_allclose(whole[3:4], part, atol=1e-5)


@pytest.mark.parametrize("name", [TEACHER, STUDENT])
def test_it_reads_what_the_bundled_models_draw(reader, name):
    """They are soft, and were never seen in training."""
    generator = load_model(find_model(name))
    indices = np.arange(HELD_OUT, HELD_OUT + 16)
    camera = cameras(0, indices)
    with torch.inference_mode():
        ws = generator.mapping(latents(0, indices), FFHQ.frontal())
        subject = generator.prepare(ws)
        pictures = to_pixels(generator.draw(subject, camera).image)
    found = reader.look(pictures)
    off = np.degrees(found.angles - true_angles(camera))
    assert (np.sqrt(np.square(off).mean(axis=0)) < (5.0, 5.5, 2.5)).all()


def test_teaching_lowers_every_loss():
    """A few steps, always of the same two lineups."""
    table = Schooling(lineups=2, batch=2, steps=8)
    reader = new_reader(table)
    lineups = draw_lineups(table, reader.config.side, lambda done: None)
    losses = list(teach(reader, lineups, table))
    assert all(losses[-1][name] < losses[0][name] for name in ("pose", "points", "code"))
    assert lineups.image.shape == (2, 16, 3, 64, 64)


def test_spoiling_moves_points_with_their_pixels():
    """A dot painted at each point stays under it, turned, shifted, enlarged and mirrored."""
    table = Schooling(lineups=1, heads=1, views=4)
    config = new_reader(table).config
    lineup = draw_lineups(table, config.side, lambda done: None)
    number = 6  # a point in the middle of the face
    image = torch.zeros_like(lineup.image)
    for picture, (x, y) in zip(image[0], (lineup.places[0, :, number] * 64).tolist(), strict=True):
        column, row = round(x - 0.5), round(y - 0.5)
        picture[:, row - 2 : row + 3, column - 2 : column + 3] = 255
    for seed in range(3):
        draws = torch.Generator().manual_seed(seed)
        spoilt = spoil(lineup._replace(image=image), config.mirrored, draws)
        bright = spoilt.image.mean(dim=1) + 1
        bright = torch.where(bright > bright.amax(dim=(1, 2), keepdim=True) / 2, bright, 0)
        weight = bright / bright.sum(dim=(1, 2), keepdim=True)
        cells = (torch.arange(64) + 0.5) / 64
        seen = torch.stack([(weight * cells).sum((1, 2)), (weight * cells[:, None]).sum((1, 2))], 1)
        mirror = config.mirrored.index(number)
        off = [(seen - spoilt.places[:, k]).norm(dim=1) for k in (number, mirror)]
        assert torch.stack(off).amin(dim=0).max() < 1 / 64


def test_passing_things_change_and_the_head_does_not():
    z = torch.randn(6, 92, generator=torch.Generator().manual_seed(0))
    other = pass_by(z, torch.Generator().manual_seed(1))
    before, after = (heads_from_latent(each).traits for each in (z, other))
    for name in ("head_width", "nose_length", "hair_colour", "eye_size"):
        torch.testing.assert_close(before[name], after[name])
    assert (before["smile"] - after["smile"]).abs().min() > 1e-3
    assert torch.equal(before.choices["hair_style"], after.choices["hair_style"])


def test_contrast_wants_the_views_of_a_head_together():
    together = torch.eye(4).repeat_interleave(2, dim=0)
    assert contrast(together, 2, 0.1) < 0.01
    assert contrast(together.roll(1, 0), 2, 0.1) > 5


# Generators that are wrong in known ways


def numbers(generator, cache, count=32, **facts):
    setting = setting_of(generator, cache, data=ToyHeads(64, 1000), number=count, **facts)
    found = {}
    for metric in TURNING:
        assert metric.obstacle(setting) is None
        found |= {value.name: value for value in metric.measure(setting)}
    return found


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Few of the teacher's pictures correct the estimator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pose, "LEAST", 32)
        yield


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    cache = tmp_path_factory.mktemp("rows")
    kinds = (ExactHeads, IgnoresCamera, SwapsIdentity)
    return {kind: numbers(kind(), cache, teacher=ExactVolume()) for kind in kinds}


def test_a_generator_that_ignores_its_camera_keeps_identity_and_loses_pose(judged):
    true, wrong = judged[ExactHeads], judged[IgnoresCamera]
    assert wrong["identity32:toyheads"].value == pytest.approx(1, abs=1e-6)
    assert wrong["identity_pairs32:toyheads"].value == pytest.approx(1, abs=1e-6)
    assert wrong["landmarks32:toyheads"].value == pytest.approx(0, abs=1e-9)
    assert wrong["pose32:toyheads"].value > 10 * true["pose32:toyheads"].value
    assert wrong["pose_rms32:toyheads"].value > 8


def test_a_generator_that_swaps_identity_keeps_pose_and_loses_identity(judged):
    true, wrong = judged[ExactHeads], judged[SwapsIdentity]
    assert wrong["pose_rms32:toyheads"].value < 5
    assert wrong["identity32:toyheads"].value < 0.35 < 0.7 < true["identity32:toyheads"].value
    # Neither of two cameras is the frontal one: it is the same other person.
    assert wrong["identity_pairs32:toyheads"].value > 0.7 < true["identity_pairs32:toyheads"].value
    assert wrong["landmarks32:toyheads"].value > 2 * true["landmarks32:toyheads"].value


def test_the_numbers_say_what_they_depend_on(judged):
    found = judged[IgnoresCamera]
    pose, identity = found["pose32:toyheads"], found["identity32:toyheads"]
    each = [found[f"pose_{angle}32:toyheads"].value for angle in ("yaw", "pitch", "roll")]
    assert pose.value == pytest.approx(np.mean(each))
    assert not [name for name in found if "no_face" in name]  # there is no detector
    assert pose.protocol["correction"]["pictures"] == 32
    assert pose.protocol["teacher"] == pytest.approx(
        judged[ExactHeads]["pose32:toyheads"].protocol["teacher"]
    )
    assert pose.protocol["estimator_sha256"] == identity.protocol["network_sha256"]
    assert identity.protocol["teacher"] < 0.999
    assert (pose.better, identity.better) == ("lower", "higher")
    assert identity.error == pytest.approx(0, abs=1e-6)  # it is 1 for all
    assert 1e-4 < judged[ExactHeads]["identity32:toyheads"].error < 0.05
    assert identity.protocol["conditioning"] == "frontal"


def test_a_teacher_that_turns_the_other_way_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"of the yaw, toyheads sees -\d"):
        numbers(ExactHeads(), tmp_path, 16, teacher=MirrorsYaw())


def test_without_a_teacher_nothing_is_corrected(tmp_path, monkeypatch):
    monkeypatch.setattr("nerfgan_cli.evaluation.turning.MOST", 16)  # however many are asked for
    found = numbers(ExactHeads(), tmp_path, 20)
    assert {"pose_rms16_uncorrected:toyheads", "identity16:toyheads"} < set(found)
    pose = found["pose16_uncorrected:toyheads"]
    assert "no volumetric teacher" in pose.protocol["correction"]
    assert "--teacher" in pose.protocol["note"]
    assert pose.value < radians(5) ** 2
    flat = numbers(ExactHeads(), tmp_path, 16, teacher=ExactHeads())  # which may be wrong itself
    assert flat["pose16_uncorrected:toyheads"].value == pose.value
    volume = numbers(ExactHeads(), tmp_path, 16, teacher=ExactVolume())
    corrected = volume["pose16:toyheads"].value  # of so few, a little is chance
    assert corrected == pytest.approx(pose.value, rel=0.1)
    assert corrected != pose.value


def test_each_of_the_three_says_how_often_no_face_was_found(tmp_path, monkeypatch):
    class Strict(ToyFaces):
        """Does not find every fourth head, when they come in fours."""

        detector = Source("strict", "0" * 64)

        def look(self, pictures):
            assert len(pictures) == 4
            looks = super().look(pictures)
            return looks._replace(found=np.arange(4) != 1)

    toy = open_toy_faces(CPU)
    strict = Strict(toy.network, toy.sources["pose"], CPU)
    monkeypatch.setattr("nerfgan_cli.evaluation.turning.open_reader", lambda *_: strict)
    found = numbers(ExactHeads(), tmp_path, 8, batch=4)
    for name in ("pose", "identity", "landmarks"):
        assert found[f"{name}_no_face8:toyheads"].value == 0.25
        assert found[f"{name}_no_face8:toyheads"].better == "lower"


def test_the_three_stand_together():
    chosen = with_companions([METRICS[name] for name in ("fid", "landmarks", "kid", "pose")])
    assert [metric.name for metric in chosen] == ["fid", "pose", "identity", "landmarks", "kid"]
    assert with_companions([METRICS["kid"]]) == [METRICS["kid"]]


def test_batches_change_nothing_and_rows_are_kept(tmp_path):
    one = numbers(ExactHeads(), tmp_path / "a", 16, batch=5)
    other = numbers(ExactHeads(), tmp_path / "b", 16, batch=16)
    for name, value in one.items():
        assert value.value == pytest.approx(other[name].value, rel=1e-4, abs=1e-7)

    class Tired(ExactHeads):
        def draw(self, subject, camera, options=None):
            raise AssertionError("it was drawn before")

    tired = Tired()
    tired.load_state_dict(ExactHeads().state_dict())
    again = numbers(tired, tmp_path / "a", 16)
    assert again["identity16:toyheads"].value == one["identity16:toyheads"].value


def test_cats_and_pictures_meet_their_obstacles(tmp_path):
    cats = ExactHeads()
    cats.camera_preset = "afhq"
    data = ToyHeads(64, 8)
    for metric in TURNING:
        assert "cats and cars" in metric.obstacle(setting_of(cats, tmp_path, data=data))
    Image.new("RGB", (64, 64)).save(tmp_path / "0.png")
    images = PictureFolder(tmp_path, None, FFHQ)
    setting = setting_of(None, tmp_path, images=images, data=data)
    assert "--cameras" in POSE.obstacle(setting)
    assert "--model" in IDENTITY.obstacle(setting)
    assert "--model" in LANDMARKS.obstacle(setting)


def test_faces_need_a_pack_that_is_here(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    setting = setting_of(ExactHeads(), tmp_path)
    obstacle = POSE.obstacle(setting)
    assert "buffalo_l.zip" in obstacle
    assert "--pack" in obstacle
    (tmp_path / ".insightface" / "models" / "buffalo_l").mkdir(parents=True)
    assert POSE.obstacle(setting) == obstacle  # nothing is fetched to find that out
    other = replace(setting, networks=Networks(pack="antelopev2"))  # which nobody can check
    assert "unpack its networks" in str(POSE.obstacle(other))
    mistyped = replace(setting, networks=Networks(pack="./mypack"))
    assert "there is no folder ./mypack" in str(POSE.obstacle(mistyped))

    def offline(*_, **__):
        raise OSError("offline")

    monkeypatch.setattr("nerfgan_cli.checkpoints.published.urlopen", offline)
    named = replace(setting, named=frozenset({"identity_curves"}))
    chosen = replace(setting, networks=Networks(pack="buffalo_l"))
    for wanting in (named, chosen):  # these are fetched, when they are used
        assert POSE.obstacle(wanting) is None
        with pytest.raises(WeightsError, match=r"buffalo_l\.zip, which is not installed and could"):
            POSE.measure(wanting)


def test_pictures_made_elsewhere_have_a_pose(tmp_path):
    indices = np.arange(16)
    camera = cameras(5, indices)
    pictures = to_pixels(draw(heads_from_latent(latents(5, indices)), camera, 64).image)
    labels = {}
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        labels[f"{number}.png"] = camera.label[number].tolist()
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": list(labels.items())}))
    images = PictureFolder(tmp_path, None, FFHQ)
    setting = setting_of(None, tmp_path / "c", images=images, data=ToyHeads(64, 8), number=16)
    assert POSE.obstacle(setting) is None
    value = POSE.measure(setting)[0]
    assert value.name == "pose16_uncorrected:toyheads"
    assert value.value < radians(5) ** 2
    corrected = POSE.measure(replace(setting, teacher=ExactVolume(), number=16))[0]
    assert corrected.name == "pose16:toyheads"
    assert corrected.value < value.value


def test_conditioning_on_the_view_makes_others_of_who_heeds_it(tmp_path):
    fixed = numbers(HeedsConditioning(), tmp_path, 8)
    found = numbers(HeedsConditioning(), tmp_path, 8, condition_on_view=True)
    name = "identity8_conditioned:toyheads"
    assert "landmarks8_conditioned:toyheads" in found
    assert found[name].protocol["conditioning"] == "the camera of the view"
    assert found[name].value < fixed["identity8:toyheads"].value - 0.2


def test_processes_find_what_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "PART", 4)

    def work(world):
        torch.set_num_threads(1)
        cache = tmp_path / str(world.size)
        found = numbers(ExactHeads(), cache, 8, batch=4, world=world)
        place = tmp_path / f"{world.rank} of {world.size}.json"
        place.write_text(json.dumps({name: value.value for name, value in found.items()}))

    assert fork_all(1, work) == [0]
    assert fork_all(2, work) == [0, 0]
    names = ("0 of 1", "0 of 2", "1 of 2")
    one, first, second = (json.loads((tmp_path / f"{n}.json").read_text()) for n in names)
    assert len(one) == 9
    assert first == second == pytest.approx(one, rel=1e-6)


def test_a_network_that_is_described_otherwise_looks_anew(tmp_path):
    class Described:
        points, code_size, detector, eyes = 1, 0, None, ((0,), (0,))
        asked = 0

        def look(self, pictures):
            self.asked += 1
            count = len(pictures)
            points = np.full((count, 1, 3), self.side)
            return Looks(np.ones(count, bool), np.zeros((count, 3)), points, np.zeros((count, 0)))

    Image.new("RGB", (64, 64)).save(tmp_path / "0.png")
    images = PictureFolder(tmp_path, None, FFHQ)
    setting = setting_of(None, tmp_path / "cache", images=images)
    reader = Described()
    for side in (1.5, 2.0, 1.5):
        reader.side = side
        reader.sources = {"landmarks": Source("mine", "0" * 64, f"side={side}")}
        assert look_at_pictures(setting, reader, 1).points.max() == side
    assert reader.asked == 2


# Figure 3


def test_identity_over_angles(tmp_path):
    metric = IdentityCurves()
    kinds = {"exact": ExactHeads(), "ignoring": IgnoresCamera()}
    found = {}
    for name, generator in kinds.items():
        setting = setting_of(generator, tmp_path, name=name, data=ToyHeads(64, 8), number=2)
        assert metric.obstacle(setting) is None
        found[name] = metric.measure(setting)
    values = found["exact"]
    assert [value.name for value in values] == [
        "identity_yaw0.5_2:toyheads",
        "identity_pitch0.3_2:toyheads",
    ]
    yaw = np.array(values[0].protocol["curve"])
    np.testing.assert_allclose(yaw[:, 0], YAWS)
    assert yaw[5, 1] == pytest.approx(1)
    assert yaw[[0, -1], 1].max() < yaw[[4, 6], 1].min() < 1
    np.testing.assert_allclose(np.array(found["ignoring"][1].protocol["curve"])[:, 1], 1)

    told = [{"metric": "identity_curves", **value._asdict()} for value in values]
    ends = [cosine for angle, cosine, *_ in values[0].protocol["curve"] if abs(angle) == 0.5]
    assert values[0].value == pytest.approx(np.mean(ends))
    assert points_of({0.1: np.array([0.5, np.nan])}) == [[0.1, 0.5, None, 1]]
    files = write_identity({"exact": told}, tmp_path)
    names = ["identity_yaw.png", "identity_pitch.png", "identity.csv"]
    assert [file.name for file in files] == names
    rows = list(csv.DictReader(files[2].open()))
    assert len(rows) == len(YAWS) + len(PITCHES)
    assert float(rows[0]["cosine"]) == pytest.approx(yaw[0, 1], abs=1e-4)
    assert np.asarray(Image.open(files[0])).std() > 5
    assert write_identity({"exact": []}, tmp_path) == []
    other = [{"metric": "identity_curves", **value._asdict()} for value in found["ignoring"]]
    before = np.asarray(Image.open(files[0]))
    files = write_identity({"exact": told, "ignoring": other}, tmp_path)
    assert Image.open(files[0]).height == len(before) + 18  # one more row of the legend
    rows = list(csv.DictReader(files[2].open()))
    assert {row["model"] for row in rows} == {"exact", "ignoring"}


def test_the_file_of_a_reader_and_what_its_benchmark_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    benchmark = import_module("toy_reader")
    assert benchmark.separation(np.array([0.9, 0.5]), np.array([0.1, 0.6])) == pytest.approx(0.75)
    before = new_reader(Schooling()).eval()
    save_model(tmp_path / "reader.safetensors", before, Provenance("test"))
    after = load_network(tmp_path / "reader.safetensors")
    image = torch.linspace(-1, 1, 3 * 128 * 128).view(1, 3, 128, 128)
    for one, other in zip(before.read(image), after.read(image), strict=True):
        torch.testing.assert_close(one, other)
    with pytest.raises(UsageError, match="holds a toy-reader, which cannot draw"):
        load_model(FILE)
