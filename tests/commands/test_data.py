"""`nerfgan data`: check, prepare and toyheads as a user runs them, on real files."""

import errno
import json
import os
import shutil
import signal
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from cli import start  # of this folder
from datasets import Scene, archive, labels_at, noise, png, shared, write_zip
from PIL import Image

from nerfgan_cli.cameras import PRESETS, Camera, angles_from_pose
from nerfgan_cli.commands.app import main
from nerfgan_cli.commands.data import toyheads
from nerfgan_cli.data.archive import ImageArchive
from nerfgan_cli.data.camera_plot import project

FINE = labels_at([0.0])[0]


def write_faces(folder, count, side=16):
    """Pictures with labels of 25 numbers."""
    folder.mkdir()
    names = [f"face{index:03d}.png" for index in range(count)]
    for index, name in enumerate(names):
        noise(side, index).save(folder / name)
    labels = [
        list(pair) for pair in zip(names, labels_at(np.linspace(-0.4, 0.4, count)), strict=True)
    ]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return folder


@pytest.mark.parametrize("verbs", [[], ["prepare"]])
def test_groups_show_their_verbs(nerfgan, verbs):
    alone, asked = nerfgan("data", *verbs), nerfgan("data", *verbs, "--help")
    assert alone.code == asked.code == 0
    assert alone.out == asked.out
    assert ("shapenet-cars" if verbs else "toyheads") in alone.out
    nerfgan("data", *verbs, "chekc").refused(2, "no command 'chekc'")


@pytest.mark.parametrize(
    "verbs",
    [["check"], ["toyheads"], *(["prepare", kind] for kind in ("ffhq", "afhq-cats", "folder"))],
)
def test_every_verb_below_has_help(nerfgan, verbs):
    done = nerfgan("data", *verbs, "--help")
    assert done.code == 0
    assert "nerfgan data " + " ".join(verbs) in done.out


def test_check_of_a_sound_set(nerfgan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "set.zip")
    done = nerfgan("data", "check", "set.zip")
    assert (done.code, done.err) == (0, "")
    assert "6 pictures of 16², 6 fine" in done.out
    sheet = Image.open("set-check.png")
    assert sheet.width > 1000
    result = json.loads(nerfgan("--json", "data", "check", "set.zip", "-o", "a.png").out)
    assert result["problems"] == []
    assert result["cameras"]["preset"] == "ffhq"
    assert result["cameras"]["yaw"]["most"] == pytest.approx(np.rad2deg(0.5), abs=1e-3)
    assert result["sheet"] == "a.png"


def test_check_lists_what_is_wrong(nerfgan, tmp_path):
    files = {"a.png": png(noise(16, 0)), "b.png": b"no", "c.png": png(noise(16, 0).convert("L"))}
    path = write_zip(tmp_path / "set.zip", files, [["a.png", FINE], ["d.png", FINE]])
    sheet = tmp_path / "sheet.png"
    done = nerfgan("data", "check", path, "-o", sheet)
    assert done.code == 3
    assert done.err == f"nerfgan: {path} has 5 problems in 3 files: mend what is listed above.\n"
    for line in (
        "b.png: it is no picture",
        "b.png: it has no label",
        "c.png: it is grey",
        "c.png: it has no label",
        "d.png: dataset.json has a label for it",
    ):
        assert line in done.out
    assert sheet.exists()
    result = json.loads(nerfgan("data", "check", path, "-o", sheet, "--json").out)
    named = [problem["name"] for problem in result["problems"]]
    assert named == ["b.png", "b.png", "c.png", "c.png", "d.png"]
    nerfgan("data", "check", tmp_path / "none").refused(3, "there is no")
    nerfgan("data", "check", path, "-o", "sheet.jpg").refused(2, ".png")


def test_the_sheet_shows_the_pictures(nerfgan, tmp_path):
    names = [f"{index}.png" for index in range(3)]
    colours = [(250, 40, 40), (40, 250, 40), (40, 40, 250)]
    files = {
        name: png(Image.new("RGB", (16, 16), c)) for name, c in zip(names, colours, strict=True)
    }
    labels = [list(pair) for pair in zip(names, labels_at([-0.3, 0.0, 0.3]), strict=True)]
    path = write_zip(tmp_path / "set.zip", files, labels)
    nerfgan("data", "check", path, "-o", tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png")).astype(int)
    columns = [np.nonzero((np.abs(pixels - c).sum(axis=2) < 10).any(axis=0))[0] for c in colours]
    assert [len(column) > 100 for column in columns] == [True] * 3
    assert columns[0].max() < columns[1].min() < columns[1].max() < columns[2].min()


def test_prepare_makes_a_whole_set(nerfgan, tmp_path):
    folder = write_faces(tmp_path / "in", 5)
    out = tmp_path / "out.zip"
    done = nerfgan("data", "prepare", "folder", folder, "-o", out, "--mirror", "--resolution", 8)
    assert done.code == 0, done.err
    assert "wrote 10 pictures of 8²" in done.out
    with zipfile.ZipFile(out) as written:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in written.infolist())
        assert written.namelist()[:2] == ["00000/img00000000.png", "00000/img00000001.png"]
    notes = json.loads((tmp_path / "out.zip.json").read_text())
    assert notes["sources"][:3] == ["face000.png", "face000.png", "face001.png"]
    images = ImageArchive(out)
    expected = noise(16, 0).resize((8, 8), Image.Resampling.LANCZOS)
    assert (images[0].image.permute(1, 2, 0).numpy() == np.asarray(expected)).all()
    assert torch.equal(images[1].image, images[0].image.flip(2))
    yaw, _, _ = angles_from_pose(Camera.from_label(images.labels(np.arange(10))).cam2world)
    assert torch.allclose(yaw[::2], -yaw[1::2], atol=1e-5)
    assert nerfgan("data", "check", out, "-o", tmp_path / "sheet.png").code == 0
    first = out.read_bytes()
    nerfgan("data", "prepare", "folder", folder, "-o", out, "--mirror", "--resolution", 8)
    assert out.read_bytes() == first, "the same command gives another file"
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"in", "out.zip", "out.zip.json", "sheet.png"}


def test_prepare_reads_a_zip_and_chooses_a_resolution(nerfgan, tmp_path):
    path = archive(tmp_path / "set.zip", side=24)
    done = nerfgan("data", "prepare", "folder", path, "-o", tmp_path / "out.zip", "--json")
    assert json.loads(done.out)["resolution"] == 16
    nerfgan("data", "prepare", "folder", path, "-o", path).refused(2, "is the input")
    nerfgan("data", "prepare", "folder", path, "-o", "out.tar").refused(2, ".zip")


def test_bad_pictures_are_named_and_left_out_only_on_request(nerfgan, tmp_path):
    folder = write_faces(tmp_path / "in", 6)
    (folder / "face001.png").write_bytes(b"no picture")
    data = (folder / "face004.png").read_bytes()
    (folder / "face004.png").write_bytes(data[: len(data) // 2])
    (folder / "face005.png").unlink()
    out = tmp_path / "out.zip"
    command = ["data", "prepare", "folder", folder, "-o", out]
    done = nerfgan(*command)
    assert done.code == 3
    assert "--skip-bad" in done.err
    assert "face001.png: it is no picture" in done.out
    assert "face005.png: it has a camera" in done.out
    assert not out.exists()
    (folder / "face001.png").write_bytes(png(noise(16, 1)))
    noise(16, 5).save(folder / "face005.png")
    done = nerfgan(*command)  # its header is fine: only decoding tells
    assert done.code == 3
    assert done.out.startswith("face004.png: it is damaged or cut off")
    assert not out.exists()
    done = nerfgan(*command, "--skip-bad")
    assert done.code == 0
    assert "face004.png: it is damaged" in done.out
    assert "wrote 5 pictures" in done.out
    notes = json.loads((tmp_path / "out.zip.json").read_text())
    assert [problem["name"] for problem in notes["left_out"]] == ["face004.png"]
    images = ImageArchive(out)
    assert len(images) == 5
    assert (images[4].image.permute(1, 2, 0).numpy() == np.asarray(noise(16, 5))).all()


@pytest.fixture(scope="module")
def large_faces(tmp_path_factory):
    """Pictures that take a while, and the data set they make."""
    folder = tmp_path_factory.mktemp("faces")
    write_faces(folder / "in", 30, side=500)
    assert main(["data", "prepare", "folder", f"{folder}/in", "-o", f"{folder}/whole.zip"]) == 0
    return folder / "in", folder / "whole.zip"


def finished_in(folder: Path) -> list[str]:
    """Pictures; `os.walk` bears that others, still in folders of their own, get there meanwhile."""
    places = [names for place, _, names in os.walk(folder) if not place.endswith(".tmp")]
    return [name for names in places for name in names if name.endswith(".png")]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_command_goes_on(nerfgan, tmp_path, large_faces, sent, code):
    folder, whole_zip = large_faces
    out = tmp_path / "out.zip"
    command = ["data", "prepare", "folder", folder, "--workers", 1]
    process = start(*command, "-o", out)
    waiting = tmp_path / ".out.zip.unfinished"
    while len(finished_in(waiting)) < 5:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(sent)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert not out.exists()
    assert 5 <= len(finished_in(waiting)) < 30
    shutil.copytree(waiting, tmp_path / "kept")
    for path in (tmp_path / "kept").rglob("*.png"):
        recoloured = Image.new("RGB", (256, 256), (1, 2, 3))
        recoloured.save(waiting / path.relative_to(tmp_path / "kept"))
    assert nerfgan(*command, "-o", out).code == 0
    assert not waiting.exists()
    images, whole = ImageArchive(out), ImageArchive(whole_zip)
    marked = [index for index in range(30) if (images[index].image[0] == 1).all()]
    assert len(marked) >= 5, "finished pictures were drawn again"
    assert all(torch.equal(images[i].image, whole[i].image) for i in range(30) if i not in marked)
    assert torch.equal(images.labels(np.arange(30)), whole.labels(np.arange(30)))


def test_other_settings_do_not_take_over_old_pictures(nerfgan, tmp_path):
    """After an interruption, what has changed is drawn anew; so is what power loss has emptied."""
    folder = write_faces(tmp_path / "in", 4)
    (folder / "face003.png").write_bytes((folder / "face003.png").read_bytes()[:300])
    command = ["data", "prepare", "folder", folder, "-o", tmp_path / "out.zip"]
    assert nerfgan(*command, "--resolution", 8).code == 3
    waiting = sorted((tmp_path / ".out.zip.unfinished").rglob("*.png"))
    assert len(waiting) == 3
    waiting[0].write_bytes(b"")
    noise(16, 77).save(folder / "face001.png")
    noise(16, 3).save(folder / "face003.png")
    assert nerfgan(*command, "--resolution", 8).code == 0
    images = ImageArchive(tmp_path / "out.zip")
    for index, seed in enumerate((0, 77, 2, 3)):
        expected = noise(16, seed).resize((8, 8), Image.Resampling.LANCZOS)
        assert (images[index].image.permute(1, 2, 0).numpy() == np.asarray(expected)).all()


def test_names_that_lead_out_are_read_and_never_written(nerfgan, tmp_path):
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    names = ["../up.png", "/root.png", "C:\\drive.png"]
    good = png(noise(16, 0))
    path = write_zip(place / "up.zip", dict.fromkeys(names, good), [[name, FINE] for name in names])
    assert nerfgan("data", "prepare", "folder", path, "-o", place / "out.zip").code == 0
    assert nerfgan("data", "check", path, "-o", place / "sheet.png").code == 3
    written = zipfile.ZipFile(place / "out.zip").namelist()
    assert written == [f"00000/img{index:08d}.png" for index in range(3)] + ["dataset.json"]
    found = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert found == {f"a/b/{name}" for name in ("up.zip", "out.zip", "out.zip.json", "sheet.png")}


def test_a_disk_that_is_full_loses_nothing(nerfgan, tmp_path, monkeypatch):
    import errno

    from nerfgan_cli.data import writing

    folder = write_faces(tmp_path / "in", 4)
    (tmp_path / "out.zip").write_text("old")
    encode, calls = writing.encode, []

    def fail(image):
        calls.append(1)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return encode(image)

    monkeypatch.setattr(writing, "encode", fail)
    command = ["data", "prepare", "folder", folder, "-o", tmp_path / "out.zip", "--workers", 1]
    nerfgan(*command).refused(3, "disk is full")
    assert (tmp_path / "out.zip").read_text() == "old"
    assert nerfgan(*command).code == 0
    assert len(ImageArchive(tmp_path / "out.zip")) == 4
    assert len(calls) <= 6, "what was finished before was drawn again"


def test_a_foreign_world_is_explained(nerfgan, tmp_path):
    scene = Scene()
    frames = [
        {"file_path": name, "transform_matrix": (pose @ np.diag([1.0, -1, -1, 1])).tolist()}
        for name, pose in zip(scene.names, scene.poses, strict=True)
    ]
    (fx, _, cx), (_, fy, cy), _ = scene.intrinsics.tolist()
    lens = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": scene.width, "h": scene.height}
    scene.write(tmp_path / "in")
    (tmp_path / "in" / "transforms.json").write_text(json.dumps({**lens, "frames": frames}))
    Image.new("RGB", (120, 90)).save(tmp_path / "in" / "other.png")
    out = tmp_path / "out.zip"
    options = ["--box=9,-5,1,11,-3,3", "--up", "z", "--like", "ffhq", "--background", "black"]
    done = nerfgan("data", "prepare", "folder", tmp_path / "in", "-o", out, *options)
    assert done.code == 0, done.err
    for words in (
        "8 cameras: transforms.json",
        "left out, without a camera: 1 (other.png",
        "centre (10, -4, 2): as given",
        "up z: as given",
        "the volume's 0.5",
    ):
        assert words in done.out
    world = json.loads((tmp_path / "out.zip.json").read_text())["world"]
    ours = world["scale"] * (scene.points - world["center"]) @ np.array(world["rotation"]).T
    images = ImageArchive(out)
    seen = project(Camera.from_label(images.labels(np.arange(8))), ours)[..., :2]
    for index in range(8):  # at each ball's place there is a ball
        columns, rows = (seen[index] * images.resolution).astype(int).T
        assert (images[index].image[:, rows, columns].max(dim=0).values > 120).all()
    nerfgan(
        "data",
        "prepare",
        "folder",
        tmp_path / "in",
        "-o",
        out,
        "--extrinsics",
        "world-to-camera",
        "--center=1,2,3",
        "--box=1,2,3,4,5,6",
    ).refused(2, "--center")
    nerfgan("data", "prepare", "folder", tmp_path / "in", "-o", out, "--box=1,2,3").refused(
        2, "--box"
    )
    nerfgan(
        "data", "prepare", "folder", tmp_path / "in", "-o", out, "--background", "mauve"
    ).refused(2, "mauve")
    nerfgan(
        "data", "prepare", "folder", tmp_path / "in", "-o", out, "--front", "nobody.png"
    ).refused(3, "nobody.png")


def test_exif_with_a_camera_that_does_not_say_which_way(nerfgan, tmp_path):
    scene = Scene(count=3)
    scene.write(tmp_path / "in")
    lines = ["3"]
    for index, name in enumerate(scene.names):
        to_camera = scene.to_camera(index)
        values = [*scene.intrinsics.flat, *to_camera[:3, :3].flat, *to_camera[:3, 3]]
        lines.append(f"{name} {' '.join(map(str, values))}")
    (tmp_path / "in" / "x_par.txt").write_text("\n".join(lines))
    exif = Image.Exif()
    exif[0x0112] = 8
    scene.picture(1).save(tmp_path / "in" / scene.names[1], exif=exif)
    done = nerfgan("data", "prepare", "folder", tmp_path / "in", "-o", tmp_path / "out.zip")
    assert done.code == 3
    assert "images/shot01.png: EXIF says" in done.out
    assert not (tmp_path / "out.zip").exists()


def test_published_sets(nerfgan, tmp_path):
    """Each verb reaches its source; the formulas are tested with the library."""
    cats = write_faces(tmp_path / "cats", 2)
    cars = tmp_path / "cars" / "one"
    for part in ("rgb", "pose"):
        (cars / part).mkdir(parents=True)
    Image.new("RGB", (32, 32)).save(cars / "rgb" / "0.png")
    pose = PRESETS["cars"].frontal().cam2world[0].flatten().tolist()
    (cars / "pose" / "0.txt").write_text(" ".join(map(str, pose)))
    (cars / "intrinsics.txt").write_text("525 256 256 0\n0 0 0\n1\n512 512\n")
    for kind, source in (("ffhq", cats), ("afhq-cats", cats), ("shapenet-cars", cars.parent)):
        out = tmp_path / f"{kind}.zip"
        done = nerfgan("data", "prepare", kind, source, "-o", out, "--resolution", 16)
        assert done.code == 0, done.err
        assert ImageArchive(out).resolution == 16
    nerfgan("data", "prepare", "shapenet-cars", cats, "-o", out).refused(3, "rgb/*.png")
    nerfgan("data", "prepare", "ffhq", cars, "-o", out).refused(3, "no cameras")


def test_a_yaw_table_of_real_pictures(nerfgan, tmp_path):
    """COIL-20's turntable: grey pictures, one every five degrees."""
    folder = shared("coil20")
    lines = [f"obj8__{k}.png,{5 * k},15" for k in range(0, 72, 9)]
    (tmp_path / "turn.csv").write_text("name,yaw,pitch\n" + "\n".join(lines))
    out = tmp_path / "coil.zip"
    done = nerfgan(
        "data",
        "prepare",
        "folder",
        folder,
        "--cameras",
        tmp_path / "turn.csv",
        "-o",
        out,
        "--resolution",
        64,
    )
    assert done.code == 0, done.err
    assert "wrote 8 pictures of 64²" in done.out
    assert nerfgan("data", "check", out, "-o", tmp_path / "sheet.png").code == 0
    images = ImageArchive(out)
    yaw, pitch, _ = angles_from_pose(Camera.from_label(images.labels(np.arange(8))).cam2world)
    names = sorted(line.partition(".")[0] for line in lines)  # the order of the set
    expected = torch.tensor([5.0 * int(name.rpartition("_")[2]) for name in names])
    assert torch.allclose(yaw.rad2deg() % 360, expected, atol=1e-3)
    assert torch.allclose(pitch.rad2deg(), torch.tensor(15.0), atol=1e-3)


def test_names_that_are_no_text(nerfgan, tmp_path):
    """Linux allows them, and JSON can state them."""
    folder, label = tmp_path / "set", labels_at([0.0])[0]
    folder.mkdir()
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(png(noise(16, 0)))
    except OSError:
        pytest.skip("this file system wants names that are text")
    labels = [["\udcff.png", label], ["\ud800.png", label]]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    done = nerfgan("data", "check", folder, "-o", tmp_path / "sheet.png")
    assert done.code == 3
    assert r"\ud800.png: dataset.json has a label for it" in done.out
    images = ImageArchive(folder)
    assert len(images) == 1
    assert images.fingerprint()


def test_toyheads(nerfgan, tmp_path):
    from nerfgan_cli.data.toyheads.dataset import ToyHeads

    out = tmp_path / "toy.zip"
    done = nerfgan("data", "toyheads", "--num", 3, "--resolution", 16, "--seed", 5, "-o", out)
    assert done.code == 0, done.err
    assert "wrote 3 heads of 16²" in done.out
    nerfgan("data", "toyheads", "--seed", 1 << 70, "-o", out).refused(2, "--seed")
    images, heads = ImageArchive(out), ToyHeads(16, 3, seed=5)
    for index in range(3):
        assert torch.equal(images[index].image, heads[index].image)
        assert torch.equal(images[index].label, heads[index].label)
    assert json.loads((tmp_path / "toy.zip.json").read_text())["seed"] == 5
    assert nerfgan("data", "check", out, "-o", tmp_path / "sheet.png").code == 0


def test_heads_do_not_depend_on_the_workers(nerfgan, tmp_path, monkeypatch):
    """The same bytes from one process, from several, and from those that go on for others."""
    monkeypatch.setattr(toyheads, "PIXELS", 5 * 16**2)
    command = ("data", "toyheads", "--num", 23, "--resolution", 16)
    draw, artists = toyheads.draw, tmp_path / "artists"
    artists.mkdir()

    def watched(heads, numbers):
        (artists / str(os.getpid())).touch()
        return draw(heads, numbers)

    monkeypatch.setattr(toyheads, "draw", watched)
    outs = {}
    for workers in (1, 2):
        out = tmp_path / f"{workers}.zip"
        assert nerfgan(*command, "--workers", workers, "-o", out).code == 0
        outs[workers] = out.read_bytes()
        pids = {int(path.name) for path in artists.iterdir()}
        assert (os.getpid() in pids, len(pids)) == ((True, 1) if workers == 1 else (False, 2))
        for path in artists.iterdir():
            path.unlink()

    def tired(heads, numbers):
        if 11 in numbers:
            raise OSError(errno.ENOSPC, "No space left on device")
        return draw(heads, numbers)

    monkeypatch.setattr(toyheads, "draw", tired)
    out = tmp_path / "again.zip"
    nerfgan(*command, "--workers", 2, "-o", out).refused(3, "the disk is full")
    assert not out.exists()
    assert len(list((tmp_path / ".again.zip.unfinished").rglob("*.png"))) >= 10
    monkeypatch.setattr(toyheads, "draw", draw)
    assert nerfgan(*command, "--workers", 3, "-o", out).code == 0
    assert outs[1] == outs[2] == out.read_bytes()


def test_interrupted_heads(tmp_path):
    """Ctrl-C, which reaches all processes of a terminal: one sentence, and all of them end."""
    out = tmp_path / "toy.zip"
    command = ("data", "toyheads", "--num", 4000, "--resolution", 64, "--workers", 2)
    process = start(*command, "-o", out, own_group=True)  # as a terminal's
    waiting = tmp_path / ".toy.zip.unfinished"
    while not list(waiting.rglob("*.png")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)  # until the last of them closes its end
    assert process.returncode == 130
    assert said == "nerfgan: interrupted.\n"
    assert not out.exists()
