"""`nerfgan align`: photos to crops and cameras, with a made detector and with real ones."""

import json
from dataclasses import replace
from hashlib import sha256
from zipfile import ZipFile

import numpy as np
import pytest
from cli import Done, start  # of this folder
from datasets import shared
from faces_case import PACK, TDDFA, MadeDetector, claiming, draw_five, weights, write_network
from PIL import Image

from nerfgan_cli.camera_files import load_cameras, write_cameras
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.checkpoints import published
from nerfgan_cli.data.archive import ImageArchive
from nerfgan_cli.data.camera_plot import project
from nerfgan_cli.faces import records, tools
from nerfgan_cli.faces.packs import PACKS
from nerfgan_cli.faces.shapes import insightface_shape, to_world
from nerfgan_cli.inversion import report

FFHQ = PRESETS["ffhq"]


@pytest.fixture
def made(monkeypatch):
    """Faces are found by their red dots."""
    monkeypatch.setattr(tools, "Detector", MadeDetector)


def photo(path, *faces, size=(360, 480)):
    """Grey, with faces at these scales and middles."""
    pixels = np.full((*size, 3), 128, np.uint8)
    for scale, middle in faces or [(90.0, (240.0, 180.0))]:
        draw_five(pixels, scale, middle)
    Image.fromarray(pixels).save(path)
    return path


def test_three_files_for_each_photo(nerfgan, made, tmp_path):
    (tmp_path / "in" / "b").mkdir(parents=True)
    photo(tmp_path / "in" / "a.png")
    photo(tmp_path / "in" / "b" / "c.png", (60.0, (200.0, 150.0)))
    out = tmp_path / "in" / "out"  # within: what is written is not taken for a photo
    done = nerfgan("align", tmp_path / "in", "-o", out)
    assert done.code == 0, done.err
    assert "a: seen from yaw" in done.out
    told = "five points: 4.5 degrees off on a scanned head, 7.3 at worst"
    assert done.out.count(told) == 1
    assert "warning: only five points are known: pitch is rough" in done.out
    assert "non-commercial research only" in done.out
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert names == [f"{n}{e}" for n in ("a", "b/c") for e in ("-overlay.png", ".json", ".png")]
    for name in ("a", "b/c"):
        crop = np.asarray(Image.open(out / f"{name}.png")).astype(int)
        assert crop.shape == (512, 512, 3)
        red = (crop[..., 0] > 200) & (crop[..., 1] < 90)
        eyes = np.nonzero(red[:256].any(axis=0))[0]
        assert np.ptp(eyes) == pytest.approx(0.2663 * 512 + 15, abs=10)  # of any face, with dots
    ((_, camera),) = load_cameras(out / "a.json", FFHQ)
    record = json.loads((out / "a.json").read_text())
    assert str(tmp_path) not in json.dumps(record)  # it is passed on
    assert abs(record["angles"]["viewing_yaw"]) < 3  # of flat dots seen from the front
    assert float(camera.position.norm()) == pytest.approx(2.7, abs=1e-5)
    back = np.array(record["points"]) * record["crop"]["to_photo"]["scale"]
    back += record["crop"]["to_photo"]["offset"]
    assert back[:2, 0].mean() == pytest.approx(240, abs=2)
    again = nerfgan("align", tmp_path / "in", "-o", out)
    assert again.code == 0, again.out
    assert "wrote 2 crops" in again.out
    assert "2 of them before" in again.out


def test_what_is_done_is_skipped_unless_it_changed(nerfgan, made, monkeypatch, tmp_path):
    source, out = photo(tmp_path / "a.png"), tmp_path / "out"

    def times(*options):
        done = nerfgan("align", source, "-o", out, "--json", *options)
        assert done.code == 0, done.err
        return json.loads(done.out)["already_done"]

    assert times() == 0
    assert times() == 1
    with monkeypatch.context() as context:  # not even the detector is loaded
        context.delattr(tools, "Detector")
        assert times() == 1
    assert times("--border", "black") == 0
    assert times("--border", "black") == 1
    photo(source, (70.0, (200.0, 150.0)))
    assert times("--border", "black") == 0
    (out / "a-overlay.png").unlink()
    assert times("--border", "black") == 0
    (out / "a.json").write_text("{")
    assert times("--border", "black") == 0


def test_several_faces(nerfgan, made, tmp_path):
    source = photo(tmp_path / "a.png", (40.0, (100.0, 100.0)), (70.0, (320.0, 200.0)))
    listed = nerfgan("align", source, "--list")
    assert listed.code == 0, listed.err
    assert "2 faces" in listed.out
    assert listed.out.index("  1: ") < listed.out.index("  2: ")
    first = nerfgan("align", source, "-o", tmp_path / "out")
    assert "; the largest of 2 faces" in first.out
    scale = json.loads((tmp_path / "out" / "a.json").read_text())["crop"]["pixels_per_face_unit"]
    assert scale == pytest.approx(70, rel=0.05)
    second = nerfgan("align", source, "-o", tmp_path / "out", "--face", 2)
    assert "; number 2 by size of 2 faces" in second.out
    scale = json.loads((tmp_path / "out" / "a.json").read_text())["crop"]["pixels_per_face_unit"]
    assert scale == pytest.approx(40, rel=0.05)
    third = nerfgan("align", source, "-o", tmp_path / "out", "--face", 3)
    third.refused(3, "shows 2 faces, not 3")


def test_an_interrupted_command_goes_on(nerfgan, made, monkeypatch, tmp_path):
    """Each photo's files are there entirely or not at all."""
    (tmp_path / "in").mkdir()
    for name in "abc":
        photo(tmp_path / "in" / f"{name}.png", (60.0, (200.0, 150.0)))
    out, written = tmp_path / "out", []

    def draw(aligned):
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(aligned)
        return records_overlay(aligned)

    records_overlay = records.draw_overlay
    with monkeypatch.context() as context:
        context.setattr(records, "draw_overlay", draw)
        stopped = nerfgan("align", tmp_path / "in", "-o", out, "--workers", 1)
    assert stopped.code == 130
    assert sorted(p.name for p in out.glob("*.json")) == ["a.json"]
    assert not [p for p in out.rglob("*") if ".tmp" in p.name]
    done = nerfgan("align", tmp_path / "in", "-o", out, "--workers", 1)
    assert done.code == 0, done.err
    assert "wrote 3 crops" in done.out
    assert "1 of them before" in done.out


def test_listing_goes_on_where_nobody_is(nerfgan, made, tmp_path):
    photo(tmp_path / "a.png")
    Image.new("RGB", (200, 200)).save(tmp_path / "b.png")
    listed = nerfgan("align", tmp_path / "b.png", tmp_path / "a.png", "--list", "--json")
    assert listed.code == 0, listed.err
    nobody, somebody = json.loads(listed.out)["photos"]
    assert (nobody["faces"], len(somebody["faces"])) == ([], 1)
    assert "no face was found" in nobody["problem"]
    nerfgan("align", tmp_path / "b.png", "--list").refused(3, "no face was found in")


def test_nothing_that_was_given_is_overwritten(nerfgan, made, tmp_path):
    """Photos, cameras, points and crops of other photos keep their files."""
    source = photo(tmp_path / "a.jpg")
    for option, content in (("--camera", {"yaw": 3}), ("--points", [[1, 2]] * 5)):
        (tmp_path / "a.json").write_text(json.dumps(content))
        done = nerfgan("align", source, "-o", tmp_path, option, tmp_path / "a.json")
        done.refused(2, "a.json would be overwritten")
        assert json.loads((tmp_path / "a.json").read_text()) == content
    (tmp_path / "a.json").unlink()
    nerfgan("align", tmp_path, "-o", tmp_path).refused(2, "holds the photos")
    photo(tmp_path / "a-overlay.jpg")
    both = nerfgan("align", source, tmp_path / "a-overlay.jpg", "-o", tmp_path / "out")
    both.refused(2, "would both become a-overlay.png")
    (tmp_path / "b").mkdir()
    photo(tmp_path / "b" / "c.jpg")
    above = nerfgan("align", tmp_path / "b", "-o", tmp_path)
    assert above.code == 0, above.err
    assert (tmp_path / "c.json").exists()


def test_photos_without_a_face_do_not_stop_the_others(nerfgan, made, tmp_path):
    (tmp_path / "in").mkdir()
    photo(tmp_path / "in" / "a.png")
    Image.new("RGB", (200, 200), (9, 9, 9)).save(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "c.jpg").write_bytes(b"nothing")
    done = nerfgan("align", tmp_path / "in", "-o", tmp_path / "out")
    assert done.code == 3
    assert "no face was found in" in done.out
    assert "c.jpg cannot be used as a photo, it is no picture" in done.out
    assert "2 of 3 photos cannot be used, as listed" in done.err
    assert (tmp_path / "out" / "a.json").exists()
    skipped = nerfgan("align", tmp_path / "in", "-o", tmp_path / "out", "--skip-bad")
    assert skipped.code == 0, skipped.err
    (tmp_path / "in" / "a.png").unlink()
    none = nerfgan("align", tmp_path / "in", "-o", tmp_path / "other", "--skip-bad")
    assert "2 of 2 photos cannot be used, as listed: replace or remove them.\n" in none.err
    alone = nerfgan("align", tmp_path / "in" / "b.png", "-o", tmp_path / "other")
    alone.refused(3, "no face was found in", "b.png", "a camera")
    assert not (tmp_path / "other").exists()


def test_a_set_to_train_with(nerfgan, made, tmp_path):
    (tmp_path / "in").mkdir()
    for name, scale in (("x.png", 90.0), ("y.png", 50.0)):
        photo(tmp_path / "in" / name, (scale, (220.0, 170.0)))
    archive = tmp_path / "set.zip"
    done = nerfgan("align", tmp_path / "in", "-o", tmp_path / "out", "--dataset", archive)
    assert done.code == 0, done.err
    images = ImageArchive(archive)
    assert (len(images), images.resolution) == (2, 512)
    for index, name in enumerate(("x", "y")):
        ((_, camera),) = load_cameras(tmp_path / "out" / f"{name}.json", FFHQ)
        np.testing.assert_allclose(images[index].label, camera.label[0], atol=1e-6)
        crop = np.asarray(Image.open(tmp_path / "out" / f"{name}.png"))
        np.testing.assert_array_equal(images[index].image.permute(1, 2, 0).numpy(), crop)
    assert nerfgan("data", "check", archive, "-o", tmp_path / "sheet.png").code == 0
    options = ("--set", f"data.path={archive}", "--out", tmp_path / "run", "--dry-run")
    planned = nerfgan("train", "eg3d-ffhq512-64", *options)
    assert planned.code == 0, planned.err
    assert "set, 4 pictures of 512²" in planned.out  # with their mirror images


def test_cats_cars_and_anything(nerfgan, tmp_path):
    """A given camera needs no face; marked points make the crop."""
    source = photo(tmp_path / "cat.png", size=(200, 300))
    out = tmp_path / "out"
    done = nerfgan("align", source, "-o", out, "--camera", "frontal", "--like", "afhq")
    assert done.code == 0, done.err
    assert "non-commercial" not in done.out
    camera = load_cameras(out / "cat.json", PRESETS["afhq"])[0][1]
    np.testing.assert_allclose(camera.label, PRESETS["afhq"].frontal().label, atol=1e-6)
    middle = np.asarray(Image.open(source).crop((50, 0, 250, 200)).resize((512, 512)))
    crop = np.asarray(Image.open(out / "cat.png"))
    assert np.abs(crop.astype(int) - middle).mean() < 3
    write_cameras([("cat.png", FFHQ.at(0.4)), ("dog.png", FFHQ.at(0.1))], tmp_path / "cam.json")
    assert nerfgan("align", source, "-o", out, "--camera", tmp_path / "cam.json").code == 0
    np.testing.assert_allclose(
        load_cameras(out / "cat.json", FFHQ)[0][1].label, FFHQ.at(0.4).label, atol=1e-6
    )
    points = draw_five(np.zeros((200, 300, 3), np.uint8), 60.0, (140.0, 90.0)).tolist()
    (tmp_path / "points.json").write_text(json.dumps({"cat.png": points}))
    options = ("--points", tmp_path / "points.json", "--like", "afhq", "--camera", "frontal")
    assert nerfgan("align", source, "-o", out, *options).code == 0
    record = json.loads((out / "cat.json").read_text())
    assert record["crop"]["pixels_per_face_unit"] == pytest.approx(60, rel=1e-6)
    assert len(record["points"]) == 5


def test_cars_are_those_of_models_or_of_training(nerfgan, tmp_path):
    """Converted models are drawn closer than they were trained; `cars` alone says so."""
    source = photo(tmp_path / "car.png", size=(60, 60))
    for like, told in (("cars-video", False), ("cars", True)):
        options = ("-o", tmp_path / like, "--camera", "frontal", "--like", like)
        done = nerfgan("align", source, *options)
        assert done.code == 0, done.err
        assert ("give --like cars-video" in done.err) is told
        record = json.loads((tmp_path / like / "car.json").read_text())
        assert record["angles"]["radius"] == PRESETS[like].radius
        assert record["angles"]["focal"] == pytest.approx(PRESETS[like].focal, abs=1e-4)


def test_marked_points_find_the_camera(nerfgan, tmp_path):
    """Of a car, by points whose places in the world are known."""
    source = photo(tmp_path / "car.png", size=(400, 600))
    corners = np.array(np.meshgrid(*[[-0.3, 0.3]] * 3)).reshape(3, -1).T
    camera = PRESETS["cars"].at(0.5, 0.2)
    seen = project(camera, corners)[0, :, :2] * 300 + (150, 50)
    content = {"points": seen.tolist(), "world": corners.tolist()}
    (tmp_path / "points.json").write_text(json.dumps(content))
    options = ("--points", tmp_path / "points.json", "--like", "cars")
    done = nerfgan("align", source, "-o", tmp_path / "out", *options)
    assert done.code == 0, done.err
    found = load_cameras(tmp_path / "out" / "car.json", PRESETS["cars"])[0][1]
    np.testing.assert_allclose(found.cam2world[0, :3, 2], camera.cam2world[0, :3, 2], atol=0.03)
    five = draw_five(np.zeros((400, 600, 3), np.uint8), 60.0, (240.0, 190.0)).tolist()
    (tmp_path / "points.json").write_text(json.dumps(five))
    face = nerfgan("align", source, "-o", tmp_path / "out", "--points", tmp_path / "points.json")
    assert face.code == 0, face.err
    assert "by five points" in face.out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ([[1, 2]] * 7, "there are 7"),
        ([[1, 2]] * 5, "one point"),
        ([[1, 2, 3]] * 5, "pairs"),
        ("text", "none"),
        ({"other.png": []}, "no points of a.png"),
        ({"points": [[1, 2]] * 5, "world": [[1, 2]]}, "places of shape"),
        ({"points": [[9, 9]] * 6, "world": np.random.rand(6, 3).tolist()}, "all one point"),
        ((np.random.RandomState(0).rand(5, 2) * 40 - 5000).tolist(), "outside the picture"),
    ],
)
def test_points_that_are_none(nerfgan, tmp_path, content, message):
    text = content if content == "{" else json.dumps(content)
    (tmp_path / "points.json").write_text(text)
    source = photo(tmp_path / "a.png")
    done = nerfgan("align", source, "-o", tmp_path / "o", "--points", tmp_path / "points.json")
    done.refused(3, message)
    assert not (tmp_path / "o").exists()


def test_a_network_of_ones_own(nerfgan, made, tmp_path):
    described = {"crop": {"side": 1}, "pose": {"output": "turn", "signs": [-1, -1, 1]}}
    values = {"turn": [-20.0, 8.0, 0.0]}
    network = write_network(tmp_path / "mine.onnx", 16, values, described)
    source = photo(tmp_path / "a.png")
    arguments = ("align", source, "-o", tmp_path / "out", "--network", network)
    done = nerfgan(*arguments)
    assert done.code == 0, done.err
    angles = json.loads((tmp_path / "out" / "a.json").read_text())["angles"]
    # The mirrored look says the same, which cannot be of yaw: only what agrees is left.
    assert angles["viewing_yaw"] == pytest.approx(0, abs=0.01)
    assert angles["viewing_pitch"] == pytest.approx(-8, abs=0.01)
    assert "\npose of mine: never measured\n" in done.out
    assert "warning: the error of this was never measured: calibrate it" in done.out
    network.with_suffix(".json").write_text(json.dumps({**described, "mean": 3}))
    assert json.loads(nerfgan(*arguments, "--json").out)["already_done"] == 0
    network.with_suffix(".json").unlink()
    nerfgan(*arguments).refused(4, "mine.onnx is not known", "mine.json")


def test_landmarks_in_place_of_a_networks_own_pose(nerfgan, made, tmp_path):
    """PnP on 68 landmarks, which lie where a camera sees the mean face."""
    shape = to_world(insightface_shape().points)
    seen = project(FFHQ.at(0.0, 0.1), shape)[0, :, :2]
    described = {
        "crop": {"side": 512 / 137},  # about the whole picture, from the box of the made detector
        "landmarks": {"output": "found"},
        "pose": {"output": "turn"},
    }
    values = {"found": seen.flatten().tolist(), "turn": [0.0, 30.0, 0.0]}
    network = write_network(tmp_path / "mine.onnx", 16, values, described)
    arguments = ("align", photo(tmp_path / "a.png"), "-o", tmp_path / "out", "--network", network)
    done = nerfgan(*arguments)
    assert "pitch +30.0" in done.out
    assert "degrees low" not in done.out
    done = nerfgan(*arguments, "--by-landmarks")
    assert "by 68 landmarks of mine on InsightFace's shape" in done.out
    assert "warning: with InsightFace's shape pitch comes out about 3 degrees low" in done.out
    angles = json.loads((tmp_path / "out" / "a.json").read_text())["angles"]
    assert angles["viewing_pitch"] == pytest.approx(np.degrees(0.108), abs=3)


def test_doubtful_photos_are_told(nerfgan, made, tmp_path):
    """Small faces, faces at the edge, faces seen from aside."""
    small = photo(tmp_path / "small.png", (35.0, (240.0, 180.0)))
    edge = photo(tmp_path / "edge.png", (90.0, (60.0, 180.0)))
    fine = photo(tmp_path / "fine.png", (90.0, (240.0, 180.0)))
    write_cameras([(None, FFHQ.at(1.0))], tmp_path / "aside.json")
    out = ("-o", tmp_path / "out")
    assert "warning: the subject is small: 8" in nerfgan("align", small, *out).out
    assert "of the crop lie beyond the photo" in nerfgan("align", edge, *out).out
    done = nerfgan("align", fine, *out, "--camera", "frontal")
    assert "warning" not in done.out
    done = nerfgan("align", fine, *out, "--camera", tmp_path / "aside.json")
    assert "warning: seen from yaw 61, pitch 0, where training pictures are few" in done.out


def test_a_calibration_is_fitted_and_used(nerfgan, made, tmp_path):
    """Five-point estimates of labelled pictures; labels are 10 degrees aside of what is seen."""
    folder = tmp_path / "faces"
    folder.mkdir()
    named = []
    for index in range(9):
        photo(folder / f"{index}.png", (60.0 + index, (200.0, 150.0)))
        named.append((f"{index}.png", FFHQ.at(np.radians(9.3), 0.0)))
    write_cameras(named, folder / "cameras.json")
    out = tmp_path / "c.json"
    done = nerfgan("align", folder, "--fit-calibration", out)
    assert done.code == 0, done.err
    fitted = json.loads(out.read_text())
    assert (fitted["estimator"], fitted["gain"], fitted["pictures"]) == ("five points", [1] * 3, 9)
    options = ("-o", tmp_path / "out", "--calibration", out)
    done = nerfgan("align", folder / "0.png", *options)
    assert "in roll (root mean square) on the 9 pictures of its calibration\n" in done.out
    assert "warning" not in done.out
    angles = json.loads((tmp_path / "out" / "0.json").read_text())["angles"]
    assert angles["viewing_yaw"] == pytest.approx(10.04, abs=0.5)
    nerfgan("align", folder, folder, "--fit-calibration", out).refused(2, "give one PHOTO")
    other = json.dumps({**fitted, "estimator": "another"})
    out.write_text(other)
    nerfgan("align", folder / "1.png", *options).refused(3, "calibration is for another")


def test_wrong_usage(nerfgan, made, tmp_path):
    source = photo(tmp_path / "a.png")
    nerfgan("align", source).refused(2, "give -o DIR")
    nerfgan("align", source, "-o", tmp_path).refused(2, "a.png would be overwritten")
    nerfgan("align", tmp_path / "no.png", "-o", tmp_path / "o").refused(3, "cannot read", "no.png")
    (tmp_path / "b").mkdir()
    nerfgan("align", tmp_path / "b", "-o", tmp_path / "o").refused(3, "holds no pictures")
    photo(tmp_path / "b" / "a.jpg")
    same = nerfgan("align", source, tmp_path / "b", "-o", tmp_path / "o")
    same.refused(2, "would both become a.png")
    nerfgan("align", source, "-o", tmp_path / "o", "--like", "cars").refused(2, "--camera frontal")
    nerfgan("align", source, "-o", tmp_path / "o", "--dataset", "x.json").refused(2, ".zip")
    new, fit = ("-o", tmp_path / "o"), ("--fit-calibration", "c.json")
    for arguments, idle, by in (
        ((*new, "--camera", "frontal", "--face", 1), "--face", "--points or --camera"),
        ((*new, "--points", source, "--face", 2), "--face", "--points or --camera"),
        (("--list", "--face", 2), "--face", "--list"),
        (("--list", *new), "--out", "--list"),
        (("--list", "--camera", "frontal"), "--camera", "--list"),
        ((*fit, "--dataset", "x.zip"), "--dataset", "--fit-calibration"),
        ((*fit, *new), "--out", "--fit-calibration"),
        ((*fit, "--list"), "--list", "--fit-calibration"),
    ):
        told = f"{idle} would do nothing with {by}"
        nerfgan("align", source, *arguments).refused(2, told)
    shape = ("--mean-shape", tmp_path / "no.json")
    nerfgan("align", source, "-o", tmp_path / "o", *shape).refused(3, "cannot read")
    assert not (tmp_path / "o").exists()


def test_packs_that_are_not_here(nerfgan, monkeypatch, tmp_path):
    """Without a network: which file is lacking, where it goes, what else can be done."""
    from insightface.utils import storage

    def offline(*arguments, **options):
        raise ConnectionError("no route")

    monkeypatch.setattr(storage, "download_file", offline)
    monkeypatch.setattr(published, "urlopen", offline)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    source = photo(tmp_path / "a.png")
    done = nerfgan("align", source, "-o", tmp_path / "out")
    place = str(tmp_path / ".insightface" / "models" / "buffalo_l")
    done.refused(4, "buffalo_l.zip", place, "non-commercial", "another pack", "five points")
    done = nerfgan("align", source, "-o", tmp_path / "out", "--pack", "antelopev2")
    done.refused(4, "antelopev2.zip", "non-commercial", "another pack", "five points")
    empty = tmp_path / "empty"
    empty.mkdir()
    nerfgan("align", source, "-o", tmp_path / "out", "--pack", empty).refused(4, "no face detector")
    (empty / "det.onnx").write_bytes(b"damaged")
    nerfgan("align", source, "-o", tmp_path / "out", "--pack", empty).refused(4, "cannot be loaded")
    absent = nerfgan("align", source, "-o", tmp_path / "out", "--pack", tmp_path / "absent")
    absent.refused(4, "there is no folder")


def test_pillow_does_not_warn_on_its_own(tmp_path):
    """In a process of its own: pytest has other filters."""
    (tmp_path / "a.png").write_bytes(claiming(12000, 9000))
    process = start("align", tmp_path / "a.png", "-o", tmp_path / "out", "--camera", "frontal")
    out, err = process.communicate()
    Done(process.returncode, out, err).refused(3, "has 12000×9000 pixels: shrink it")


# With the small real networks


def real(*more):
    return ("--pack", weights(PACK), "--network", weights(TDDFA), "--workers", 1, *more)


def test_real_portraits(nerfgan, tmp_path):
    """Detections and crops as measured; no cat has a face; of 29 the largest."""
    folder = shared("portraits")
    expected = json.loads((folder / "expected.json").read_text())["portraits"]
    names = ("astronaut.png", "chelsea.png", "solvay_conference_1927.png")
    options = real("-o", tmp_path / "out", "--json")
    done = nerfgan("align", *(folder / name for name in names), *options)
    assert done.code == 3
    result = json.loads(done.out)
    assert [one["photo"] for one in result["bad"]] == [str(folder / "chelsea.png")]
    for name in (names[0], names[2]):
        record = json.loads((tmp_path / "out" / name).with_suffix(".json").read_text())
        facts = expected[name]
        assert record["faces"] == facts["faces"]
        assert record["score"] == pytest.approx(facts["score"], abs=0.01)
        np.testing.assert_allclose(record["box"], facts["bbox"], atol=1)
        yaw, pitch, roll = np.array(facts["tddfa_yaw_pitch_roll"]) * (-1, 1, 1)
        angles = record["angles"]
        assert angles["viewing_yaw"] == pytest.approx(yaw, abs=3)
        assert angles["viewing_pitch"] == pytest.approx(pitch, abs=3)
        assert angles["roll"] == pytest.approx(roll, abs=3)
        assert record["accuracy"] == "1.6 degrees off on a scanned head, 3.4 at worst"
        assert not [told for told in record["warnings"] if "measured" in told]
    lone = nerfgan("align", folder / "chelsea.png", *real("-o", tmp_path / "cat"))
    lone.refused(3, "no face was found in", "chelsea.png")


def test_a_photo_is_aligned_inverted_and_turned(nerfgan, models, monkeypatch, tmp_path):
    """The crop is the target, its camera that of the inversion, and the folder can be drawn."""
    monkeypatch.setattr(report, "SWEEP_FRAMES", 2)
    aligned, found = tmp_path / "aligned", tmp_path / "found"
    done = nerfgan("align", shared("portraits") / "astronaut.png", *real("-o", aligned))
    assert done.code == 0, done.err
    short = ("--steps", 8, "--tuning-steps", 3, "--discriminator", models.critic)
    model = ("--model", models.student, "-o", found)
    done = nerfgan("invert", aligned / "astronaut.png", *model, *short)
    assert done.code == 0, done.err
    crop = Image.open(aligned / "astronaut.png").resize((64, 64), Image.Resampling.BOX)
    target = np.asarray(Image.open(found / "target.png")).astype(int)
    assert np.abs(target - np.asarray(crop)).mean() < 3
    cameras = [
        load_cameras(file, FFHQ)[0][1].label
        for file in (found / "camera.json", aligned / "astronaut.json")
    ]
    np.testing.assert_allclose(*cameras, atol=1e-6)
    result = json.loads((found / "result.json").read_text())
    assert result["tuned"]["perceptual"][0] < result["projected"]["perceptual"][0]
    out = ("-o", tmp_path / "turned", "--precision", "fp32")
    views = ("--camera", found / "camera.json"), ("--yaw", 30)
    drawn = []
    for view in views:
        done = nerfgan("image", "--model", found, *view, *out)
        assert done.code == 0, done.err
        drawn.append(np.asarray(Image.open(tmp_path / "turned" / "found.png")).astype(int))
    tuned = np.asarray(Image.open(found / "tuned.png")).astype(int)
    assert np.abs(drawn[0] - tuned).max() <= 1
    assert np.abs(drawn[1] - tuned).max() > 10


def test_photos_of_all_sorts(nerfgan, tmp_path):
    """Turned by EXIF, grey, transparent, of 16 bits: the same face in the same crop."""
    source = Image.open(shared("portraits") / "astronaut.png").convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    folder = tmp_path / "in"
    folder.mkdir()
    source.save(folder / "plain.png")
    source.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", exif=exif, quality=97)
    source.convert("L").save(folder / "grey.png")
    source.convert("RGBA").save(folder / "alpha.png")
    deep = np.asarray(source.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "deep.png")
    tight = source.crop((165, 50, 290, 190))  # the face fills the frame
    tight.save(folder / "tight.png")
    done = nerfgan("align", folder, *real("-o", tmp_path / "out"))
    assert done.code == 0, done.out + done.err
    plain = json.loads((tmp_path / "out" / "plain.json").read_text())
    for name in ("turned", "grey", "alpha", "deep", "tight"):
        record = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        for angle in ("viewing_yaw", "viewing_pitch", "roll"):
            assert record["angles"][angle] == pytest.approx(plain["angles"][angle], abs=4), name
        scale = record["crop"]["pixels_per_face_unit"]
        assert scale == pytest.approx(plain["crop"]["pixels_per_face_unit"], rel=0.06), name


def test_a_pack_by_name_is_fetched_once(nerfgan, monkeypatch, tmp_path):
    """Checked, and put where InsightFace keeps it; five points without other networks."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NERFGAN_HOME", str(tmp_path / "home"))
    archive = tmp_path / "small.zip"
    with ZipFile(archive, "w") as zipped:
        for file in weights(PACK).glob("*.onnx"):
            zipped.write(file, f"buffalo_sc/{file.name}")
    pack = replace(PACKS["buffalo_sc"], name=archive.name, folder=tmp_path.as_uri())
    monkeypatch.setitem(PACKS, "buffalo_sc", pack)
    place = tmp_path / ".insightface" / "models" / "buffalo_sc"
    source = shared("portraits") / "astronaut.png"
    forged = nerfgan("align", source, "--pack", "buffalo_sc", "-o", tmp_path / "out")
    assert (forged.code, place.exists(), (tmp_path / "out").exists()) == (4, False, False)
    assert "its checksum is wrong" in forged.err
    pack = replace(pack, sha256=sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setitem(PACKS, "buffalo_sc", pack)
    done = nerfgan("align", source, "--pack", "buffalo_sc", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert "by five points" in done.out
    assert "faces found by buffalo_sc: InsightFace's packs are for non-commercial" in done.out

    def done_before():
        told = nerfgan("align", source, "--pack", "buffalo_sc", "-o", tmp_path / "out", "--json")
        return json.loads(told.out)["already_done"]

    assert done_before() == 1
    next(place.glob("*arcface.onnx")).unlink()
    assert done_before() == 0  # it is another pack now
