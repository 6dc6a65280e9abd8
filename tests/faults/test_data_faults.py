"""Data sets that are wrong in every way we know: all of it is told, nothing is written outside."""

import contextlib
import errno
import io
import json
import os
import signal
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch
from datasets import archive, labels_at, noise, png, write_zip
from PIL import Image

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.data.archive import ImageArchive
from nerfgan_cli.data.camera_formats.finding import find_cameras
from nerfgan_cli.data.camera_formats.matrices import Reading
from nerfgan_cli.data.check import check
from nerfgan_cli.data.contact_sheet import draw_sheet
from nerfgan_cli.data.parallel import ordered_map_in_processes
from nerfgan_cli.data.pictures import LARGEST
from nerfgan_cli.data.storage import open_storage
from nerfgan_cli.errors import InputError
from nerfgan_cli.training.feed import find_foreign_cameras

READING = Reading(PRESETS["ffhq"])


def saved(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def forged_png(width, height, depth=8, colours=2, rows=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, data)
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(noise(16, 1), "JPEG", exif=exif)


def damaged():
    data = bytearray(png(noise(16, 1)))
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


GOOD = png(noise(16, 0))
PICTURES = {  # name → content, and a word of what is said about it
    "grey.png": (saved(noise(16, 1).convert("L")), "grey"),
    "alpha.png": (saved(noise(16, 1).convert("RGBA")), "transparency"),
    "deep.png": (forged_png(16, 16, depth=16, rows=bytes(16 * 97)), "16 or more bits"),
    "deepgrey.png": (saved(Image.fromarray(np.zeros((16, 16), np.uint16))), "16 or more bits"),
    "cmyk.jpg": (saved(Image.new("CMYK", (16, 16)), "JPEG"), "CMYK"),
    "palette.png": (saved(noise(16, 1).convert("P")), "palette"),
    "rotated.jpg": (rotated(), "orientation 6"),
    "wide.png": (saved(Image.new("RGB", (16, 12))), "16×12"),
    "large.png": (png(noise(32, 1)), "32²"),
    "cut.png": (GOOD[: len(GOOD) // 2], "damaged or cut off"),
    "cut.jpg": (saved(noise(16, 1), "JPEG")[:-30], "damaged or cut off"),
    "damaged.png": (damaged(), "damaged or cut off"),
    "text.png": (b"<html>not found</html>", "no picture"),
    "empty.png": (b"", "no picture"),
    "bomb.png": (forged_png(1 << 14, 1 << 14), "pixels"),
    "../above.png": (GOOD, "leads out"),
    "/absolute.png": (GOOD, "leads out"),
    "C:\\windows.png": (GOOD, "leads out"),
    "twice.png": (GOOD, "2 times"),
    "unlabelled.png": (GOOD, "no label"),
}
FINE = labels_at([0.0])[0]


def changed(**entries):
    label = list(FINE)
    for index, value in entries.items():
        label[int(index[1:])] = value
    return label


LABELS = {
    "short.png": (FINE[:24], "24 numbers"),
    "long.png": ([*FINE, 0], "26 numbers"),
    "words.png": (["zero"] * 25, "other than numbers"),
    "class.png": (3, "class"),
    "none.png": (None, "no list"),
    "infinite.png": (changed(_3=1e999), "not finite"),
    "huge.png": (changed(_3=10**400), "not finite"),
    "scaled.png": (changed(_0=2.0), "orthonormal"),
    "lefthanded.png": (changed(_0=-1.0), "left-handed"),
    "columns.png": (changed(_12=1.0), "last row"),
    "pixels.png": (changed(_16=2985.0, _20=2985.0), "focal length"),
    "shifted.png": (changed(_18=0.9), "principal point"),
    "labelled_twice.png": (FINE, "several labels"),
}


@pytest.fixture(scope="module")
def forged(tmp_path_factory):
    """One zip with every fault, and eight sound pictures."""
    path = tmp_path_factory.mktemp("forged") / "forged.zip"
    files = [(name, data) for name, (data, _) in PICTURES.items()]
    files += [("twice.png", GOOD)] + [(name, GOOD) for name in LABELS]
    files += [(f"sound{index}.png", GOOD) for index in range(8)] + [("notes.txt", b"hello")]
    labels = [[name, FINE] for name in PICTURES if name != "unlabelled.png"]
    labels += [[name, label] for name, (label, _) in LABELS.items()]
    labels += [[f"sound{index}.png", FINE] for index in range(8)]
    labels += [
        ["labelled_twice.png", FINE],
        ["missing.png", FINE],
        ["../../etc/passwd", FINE],
        "no",
    ]
    with pytest.warns(UserWarning, match="Duplicate name"):
        return write_zip(path, files, labels)


@pytest.fixture(scope="module")
def report(forged):
    return check(forged, 2)


EXPECTED = (
    *((name, word) for name, (_, word) in PICTURES.items()),
    *((name, word) for name, (_, word) in LABELS.items()),
    ("missing.png", "no such picture"),
    ("../../etc/passwd", "leads out"),
    ("label 43", "no pair"),
)


@pytest.mark.parametrize(("name", "word"), EXPECTED)
def test_every_fault_is_reported(report, name, word):
    texts = [text for other, text in report.problems if other == name]
    assert any(word in text for text in texts), (texts, [p.name for p in report.problems])


def test_nothing_sound_is_reported(report):
    named = {name for name, _ in report.problems}
    assert named == {name for name, _ in EXPECTED}
    assert report.healthy() == [f"sound{index}.png" for index in range(8)]
    assert report.resolution == 16
    assert draw_sheet(report).width > 1000


def test_a_side_that_is_no_power_of_two(tmp_path):
    path = archive(tmp_path / "set.zip", side=24)
    report = check(path, 1)
    (problem,) = report.problems
    assert problem.name == str(path)
    assert problem.text == "its side of 24 is no power of two: resize it"
    assert len(report.healthy()) == 6
    assert check(archive(tmp_path / "other.zip", side=32), 1).problems == []


@pytest.mark.parametrize("cut", [1, 100, 1000])
def test_a_truncated_zip(tmp_path, cut):
    path = archive(tmp_path / "set.zip")
    path.write_bytes(path.read_bytes()[:-cut])
    for use in (ImageArchive, lambda path: check(path, 1)):
        with pytest.raises(InputError, match="copy or download it again"):
            use(path)


def test_a_damaged_entry_is_told_by_name(tmp_path):
    path = archive(tmp_path / "set.zip")
    data = bytearray(path.read_bytes())
    data[200] ^= 0xFF  # in the first picture
    path.write_bytes(data)
    report = check(path, 2)
    assert [name for name, _ in report.problems] == ["00000/img00000000.png"]
    assert "CRC" in report.problems[0].text
    with pytest.raises(InputError, match=r"img00000000.*CRC"):
        ImageArchive(path)


def test_a_zip_that_holds_a_name_twice(tmp_path):
    """Neither copy is taken for the picture, nor both."""
    for name in ("a.png", "dataset.json"):
        files = [("a.png", GOOD), ("b.png", GOOD), (name, GOOD)]
        with pytest.warns(UserWarning, match="Duplicate name"):
            path = write_zip(tmp_path / f"{name}.zip", files, [["a.png", FINE], ["b.png", FINE]])
        with pytest.raises(InputError, match=f"^{name} of .*several times.*nerfgan data check"):
            ImageArchive(path)
        assert name in {problem.name for problem in check(path, 1).problems}


def told(path):
    """Everything in a damaged data set is read, or is refused in a sentence."""
    with contextlib.suppress(InputError):
        check(path, 1)
    with contextlib.suppress(InputError):
        images = ImageArchive(path)
        images.fingerprint()
        for index in range(len(images)):
            with contextlib.suppress(InputError):
                images[index]


def changed_bytes(data, start, new):
    return data[:start] + new + data[start + len(new) :]


def test_names_and_places_that_cannot_be(tmp_path, monkeypatch):
    """zipfile fails at them in ways of its own: with errors of codecs and of structures."""
    path = write_zip(tmp_path / "set.zip", {"ä.png": GOOD}, [["ä.png", FINE]])
    data = path.read_bytes()
    directory = data.index(b"PK\x01\x02")  # name at 46, place of the entry at 42
    path.write_bytes(changed_bytes(data, data.index("ä".encode()), b"\xff"))
    assert "codec" in dict(check(path, 1).problems)["ä.png"]
    with pytest.raises(InputError, match=r"cannot read ä\.png.*codec.*replace it"):
        ImageArchive(path)
    path.write_bytes(changed_bytes(data, directory + 46, b"\xff"))
    for use in (ImageArchive, lambda path: check(path, 1)):
        with pytest.raises(InputError, match=r"not a complete zip .*codec"):
            use(path)
    path.write_bytes(changed_bytes(data, directory + 42, struct.pack("<I", len(data) - 9)))
    assert "header" in dict(check(path, 1).problems)["ä.png"]
    path.write_bytes(data[: directory + 28] + b"\0\0" + data[directory + 30 :])  # no name at all
    with pytest.raises(InputError):
        ImageArchive(path)

    def fail(self, name):
        struct.unpack("<4s2B4HL2L2H", b"")

    path.write_bytes(data)
    monkeypatch.setattr(zipfile.ZipFile, "open", fail)
    with pytest.raises(InputError, match=r"cannot read .*requires a buffer.*replace it"):
        ImageArchive(path)


def test_no_changed_byte_of_a_zip_surprises(tmp_path):
    path = tmp_path / "set.zip"
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", method) as out:
            out.writestr("a.png", png(Image.new("RGB", (1, 1))))
            out.writestr("dataset.json", json.dumps({"labels": [["a.png", FINE]]}))
        data = path.read_bytes()
        for index in range(len(data)):
            path.write_bytes(changed_bytes(data, index, bytes([data[index] ^ 0x80])))
            told(path)


def test_an_encrypted_or_oversized_entry(tmp_path):
    path = archive(tmp_path / "set.zip")
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")  # of the directory, whose flags are at 8, sizes at 20
    locked = data[: start + 8] + b"\x01\x00" + data[start + 10 :]
    path.write_bytes(locked)
    assert "encrypted" in check(path, 1).problems[0].text
    path.write_bytes(data[: start + 20] + b"\xff\xff\xff\x7f" * 2 + data[start + 28 :])
    assert "bytes" in check(path, 1).problems[0].text


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "no dataset.json"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "no labels"),
        (b'{"labels": null}', "no labels"),
        (b"[1, 2]", "no labels"),
        (b'{"labels": 7}', "no list"),
        (b'{"labels": []}', "have no label"),
        (b'{"labels": [["a.png", 3]]}', "class"),
        (b'{"labels": [["a.png", [1, 2]]]}', "2 numbers"),
    ],
)
def test_opening_without_usable_labels(tmp_path, content, word):
    files = {"a.png": GOOD} | ({} if content is None else {"dataset.json": content})
    path = write_zip(tmp_path / "set.zip", files)
    with pytest.raises(InputError, match=word):
        ImageArchive(path)
    assert check(path, 1).problems


@pytest.mark.parametrize("name", ["grey.png", "wide.png", "alpha.png", "deep.png", "cut.png"])
def test_opening_or_reading_an_unsuitable_picture(tmp_path, name):
    data, word = PICTURES[name]
    first = write_zip(tmp_path / "first.zip", {"a.png": data}, [["a.png", FINE]])
    with pytest.raises(InputError, match=f"a.png.*{word}.*nerfgan data check"):
        ImageArchive(first)
    labels = [["a.png", FINE], ["b.png", FINE], ["c.png", FINE]]
    files = {"a.png": GOOD, "b.png": data, "c.png": png(noise(8, 0))}
    images = ImageArchive(write_zip(tmp_path / "second.zip", files, labels))
    with pytest.raises(InputError, match=f"b.png.*{word}"):
        images[1]
    with pytest.raises(InputError, match=r"c.png.*8².*16²"):
        images[2]


def test_opening_what_holds_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.png").write_bytes(GOOD)
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    for name, word in (
        ("empty", "no pictures"),
        ("empty.zip", "no pictures"),
        ("file.png", "neither"),
        ("nowhere", "there is no"),
    ):
        with pytest.raises(InputError, match=word):
            ImageArchive(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_picture_without_permission(tmp_path):
    (tmp_path / "a.png").write_bytes(GOOD)
    (tmp_path / "a.png").chmod(0)
    assert "Permission" in check(tmp_path, 1).problems[0].text


def test_a_flood_of_pixels_is_refused_by_its_header(tmp_path):
    """Neither checking nor preparing decodes what would fill the memory."""
    side = int(LARGEST**0.5) + 1
    path = write_zip(tmp_path / "set.zip", {"a.png": forged_png(side, side)}, [["a.png", FINE]])
    assert "shrink" in check(path, 1).problems[0].text


def work_or_die(item):
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 7:
        raise FileNotFoundError(errno.ENOENT, "gone", "picture.png")
    return item, os.getpid()


def test_processes_that_work_fail_or_die():
    done = list(ordered_map_in_processes(work_or_die, range(5), 2))
    assert [item for item, _ in done] == list(range(5))
    assert len({process for _, process in done} - {os.getpid()}) == 2
    with pytest.raises(FileNotFoundError) as error:
        list(ordered_map_in_processes(work_or_die, [1, 7, 2], 2))
    assert (error.value.errno, error.value.filename) == (errno.ENOENT, "picture.png")
    with pytest.raises(InputError, match=r"has ended.*with fewer workers"):
        list(ordered_map_in_processes(work_or_die, [1, 5, 2], 2))


def cameras_of(folder, name=None):
    storage = open_storage(folder)
    pictures = [name for name in storage.names if name.endswith(".png")]
    return find_cameras(storage, pictures, name and folder / name, READING)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("transforms.json", '{"frames": 3}', "no list"),
        ("transforms.json", '{"frames": [{"file_path": "a"}]}', "transform_matrix"),
        (
            "transforms.json",
            json.dumps({"frames": [{"file_path": "a", "transform_matrix": [1]}]}),
            "1 numbers",
        ),
        (
            "transforms.json",
            json.dumps(
                {
                    "camera_angle_x": 1,
                    "k1": 0.2,
                    "frames": [{"file_path": "a", "transform_matrix": np.eye(4).tolist()}],
                }
            ),
            "bends lines",
        ),
        (
            "transforms.json",
            json.dumps({"frames": [{"file_path": "a", "transform_matrix": np.eye(4).tolist()}]}),
            "camera_angle_x",
        ),
        ("a_par.txt", "1\na.png 1 2 3", "3 numbers"),
        ("a_par.txt", "1\na.png " + "x " * 21, "other than numbers"),
        ("a_par.txt", "1\na.png " + "0 " * 21, "no inverse"),
        ("turn.csv", "name,angle\na.png,3", "columns"),
        ("turn.csv", "a.png", "columns"),
        ("turn.csv", "a.png,north", "other than numbers"),
        ("cameras.json", "[1, 2]", "no names"),
        ("cameras.json", '{"a.png": {"x": 1}}', "neither a matrix nor angles"),
        ("cameras.json", '{"a.png": "x"}', "neither numbers"),
        ("cameras.json", '{"cameras": [{"yaw": 3}]}', '"name"'),
        ("cameras.json", '{"a.png": {"yaw": NaN}}', "not finite"),
        ("cameras.json", "{", "JSON"),
        ("cameras.npz", "PK", "npz"),
        ("a.txt", "1 2 3", "3 numbers"),
    ],
)
def test_camera_files_that_cannot_be_used(tmp_path, name, content, word):
    (tmp_path / "a.png").write_bytes(GOOD)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=word) as error:
        cameras_of(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_an_npz_that_would_run_code(tmp_path):
    (tmp_path / "a.png").write_bytes(GOOD)
    np.savez(tmp_path / "cameras.npz", extrinsics=np.array([print], dtype=object), K=np.eye(3))
    with pytest.raises(InputError, match="plain arrays"):
        cameras_of(tmp_path)


@pytest.mark.parametrize(
    ("camera", "word"),
    [
        ("1 OPENCV_FISHEYE 8 8 9 9 4 4 0 0 0 0", "OPENCV_FISHEYE"),
        ("1 SIMPLE_RADIAL 8 8 9 4 4 0.1", "bends lines"),
        ("1 PINHOLE 8 8 9 9 4", "3 parameters"),
        ("2 PINHOLE 8 8 9 9 4 4", "has camera 1"),
    ],
)
def test_colmap_that_cannot_be_used(tmp_path, camera, word):
    (tmp_path / "a.png").write_bytes(GOOD)
    (tmp_path / "cameras.txt").write_text(camera)
    (tmp_path / "images.txt").write_text("1 1 0 0 0 0 0 3 1 a.png\n\n")
    with pytest.raises(InputError, match=word):
        cameras_of(tmp_path)


def test_no_cameras_or_too_many(tmp_path):
    (tmp_path / "a.png").write_bytes(GOOD)
    with pytest.raises(InputError, match="no cameras that are known"):
        cameras_of(tmp_path)
    (tmp_path / "images.bin").write_bytes(b"")
    with pytest.raises(InputError, match="model_converter"):
        cameras_of(tmp_path)
    (tmp_path / "a.csv").write_text("a.png,3")
    assert cameras_of(tmp_path).form == "yaw and pitch"  # the binary form is not needed
    (tmp_path / "images.bin").unlink()
    (tmp_path / "cameras.json").write_text('{"a.png": {"yaw": 4}}')
    with pytest.raises(InputError, match=r"several files with cameras \(cameras.json, a.csv\)"):
        cameras_of(tmp_path)
    assert cameras_of(tmp_path, "a.csv").form == "yaw and pitch"


def test_cameras_without_a_position_are_foreign_to_a_recipe(tmp_path):
    camera = PRESETS["ffhq"].frontal()
    camera.cam2world[:, :3, 3] = 0
    labels = [["a.png", camera.label[0].tolist()]]
    images = ImageArchive(write_zip(tmp_path / "set.zip", {"a.png": GOOD}, labels))
    (warning,) = find_foreign_cameras(images, PRESETS["ffhq"])
    assert (
        "distance from the origin of the cameras of set is 0, that of the recipe's 2.7" in warning
    )


def test_labels_of_another_convention_are_warned_of(tmp_path):
    """With figures: focal length, distance, direction, up."""

    def warnings(change):
        camera = PRESETS["ffhq"].at(yaw=[-0.3, 0.0, 0.3]).label.reshape(3, 25)
        change(camera)
        names = [f"{index}.png" for index in range(3)]
        labels = [list(pair) for pair in zip(names, camera.tolist(), strict=True)]
        path = write_zip(tmp_path / "set.zip", dict.fromkeys(names, GOOD), labels)
        report = check(path, 1)
        assert report.problems == []
        return " ".join(report.warnings)

    def focal(camera):
        camera[:, [16, 20]] = 3.014

    def distance(camera):
        camera[:, [3, 7, 11]] *= 1.5

    def no_position(camera):
        camera[:, [3, 7, 11]] = 0

    def inverse(camera):
        poses = torch.linalg.inv(camera[:, :16].reshape(3, 4, 4))
        camera[:, :16] = poses.reshape(3, 16)

    def opengl(camera):
        flip = torch.diag(torch.tensor([1.0, -1, -1, 1]))
        camera[:, :16] = (camera[:, :16].reshape(3, 4, 4) @ flip).reshape(3, 16)

    def z_up(camera):
        turn = torch.tensor([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
        camera[:, :16] = (turn @ camera[:, :16].reshape(3, 4, 4)).reshape(3, 16)

    assert warnings(lambda camera: None) == ""
    assert "focal length is 3.014" in warnings(focal)
    assert "4.265" in warnings(focal)
    assert "distance from the origin is 4.05" in warnings(distance)
    assert "distance from the origin is 0, that of ffhq 2.7" in warnings(no_position)
    assert "invert them" in warnings(inverse)
    assert "3 of 3 look away" in warnings(opengl)
    assert "+y" in warnings(z_up)
