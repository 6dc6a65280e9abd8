"""The reader of data sets: order, workers, mirror images, repetition, identity."""

import contextlib
import io
import json
import os
import pickle
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from datasets import archive, labels_at, noise, png, shared, write_zip
from PIL import Image
from torch.utils.data import DataLoader

from nerfgan_cli.cameras import Camera, angles_from_pose
from nerfgan_cli.data import storage
from nerfgan_cli.data.archive import ImageArchive
from nerfgan_cli.data.balance import read_replicas, repeat, replicas_by_yaw
from nerfgan_cli.data.camera_plot import project
from nerfgan_cli.data.opening import open_images
from nerfgan_cli.data.selections import Chosen, Mirrored, random_subset
from nerfgan_cli.errors import InputError


def unpack(path, folder):
    with zipfile.ZipFile(path) as source:
        source.extractall(folder)
    return folder


def same(a, b):
    return len(a) == len(b) and all(
        torch.equal(x, y) for i in range(len(a)) for x, y in zip(a[i], b[i], strict=True)
    )


def test_items_are_the_pictures_and_labels_in_order_of_names(tmp_path):
    names = ["b/1.png", "a.png", "b/0.png"]
    labels = dict(zip(names, labels_at([0.1, 0.2, 0.3]), strict=True))
    files = {name: png(noise(8, index)) for index, name in enumerate(names)}
    files["__MACOSX/._a.png"] = b"no picture, though macOS calls it so"
    path = write_zip(tmp_path / "set.zip", files, [[n, labels[n]] for n in reversed(names)])
    images = ImageArchive(path)
    assert (len(images), images.resolution, images.name) == (3, 8, "set")
    for index, name in enumerate(sorted(names)):
        image, label = images[index]
        assert image.dtype == torch.uint8
        expected = np.asarray(Image.open(io.BytesIO(files[name])))
        assert (image.permute(1, 2, 0).numpy() == expected).all()
        assert torch.equal(label, torch.tensor(labels[name]))
    assert torch.equal(images.labels(np.array([2, 0])), torch.stack([images[2][1], images[0][1]]))


def test_a_folder_is_as_good_as_a_zip(tmp_path):
    path = archive(tmp_path / "set.zip")
    folder = unpack(path, tmp_path / "folder")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "other.png").write_bytes(b"no picture of the set")
    assert same(ImageArchive(path), ImageArchive(folder))


def test_forked_workers_read_what_one_process_reads(tmp_path):
    images = ImageArchive(archive(tmp_path / "set.zip", count=20))
    alone = [images[index] for index in range(20)]  # the parent has the zip open when it forks
    loader = DataLoader(images, batch_size=2, num_workers=2, multiprocessing_context="fork")
    batches = list(loader)
    assert torch.equal(torch.cat([b.image for b in batches]), torch.stack([i.image for i in alone]))
    assert torch.equal(torch.cat([b.label for b in batches]), torch.stack([i.label for i in alone]))


def test_each_process_opens_the_zip_for_itself(tmp_path, monkeypatch):
    """A file position that two processes share would mix up what they read."""
    openers = []

    class Spy(zipfile.ZipFile):
        def __init__(self, path):
            openers.append(os.getpid())
            super().__init__(path)

    monkeypatch.setattr(storage, "ZipFile", Spy)
    images = ImageArchive(archive(tmp_path / "set.zip"))
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            items = [images[0], images[1]]
            status = 0 if len(items) == 2 and openers.count(os.getpid()) == 1 else 2
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert openers == [os.getpid()]


def test_threads_and_copies_share_a_file(tmp_path):
    images = Mirrored(ImageArchive(archive(tmp_path / "set.zip", count=20)))
    alone = [images[index].image for index in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            together = pool.map(lambda index: images[index].image, range(40))
            assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    assert same(pickle.loads(pickle.dumps(images)), images)


def test_mirror_images_have_mirrored_cameras(tmp_path):
    images = ImageArchive(archive(tmp_path / "set.zip"))
    both = Mirrored(images)
    assert len(both) == 12
    for index in range(6):
        assert torch.equal(both[index].image, images[index].image)
        assert torch.equal(both[6 + index].image, images[index].image.flip(2))
        assert torch.equal(both[index - 6].label, both[6 + index].label)
    everyone = np.arange(12)
    labels = both.labels(everyone)
    assert torch.equal(
        labels, torch.stack([item.label for item in map(both.__getitem__, everyone)])
    )
    yaw, _, _ = angles_from_pose(Camera.from_label(labels).cam2world)
    assert torch.allclose(yaw[:6], -yaw[6:], atol=1e-6)
    point = np.array([[0.1, 0.2, 0.05]])
    seen, flipped = (
        project(Camera.from_label(part), p)[:, 0]
        for part, p in ((labels[:6], point), (labels[6:], point * [-1, 1, 1]))
    )
    np.testing.assert_allclose(seen[:, 0], 1 - flipped[:, 0], atol=1e-5)
    np.testing.assert_allclose(seen[:, 1], flipped[:, 1], atol=1e-5)


def test_a_random_subset_is_that_of_the_release(tmp_path):
    expected = np.arange(50)
    np.random.RandomState(3).shuffle(expected)
    assert random_subset(50, 7, seed=3).tolist() == sorted(expected[:7])
    path = archive(tmp_path / "set.zip", count=10)
    images = open_images(path, max_size=4, seed=3, mirror=True)
    assert len(images) == 8
    whole = ImageArchive(path)
    chosen = random_subset(10, 4, seed=3)
    assert all(torch.equal(images[i].image, whole[int(j)].image) for i, j in enumerate(chosen))
    assert len(open_images(path, max_size=99)) == 10


def test_replicas(tmp_path):
    path = archive(tmp_path / "set.zip", count=4)
    content = json.loads(zipfile.ZipFile(path).read("dataset.json"))
    with zipfile.ZipFile(tmp_path / "turned.zip", "w") as out:  # labels in another order
        source = zipfile.ZipFile(path)
        for name in source.namelist():
            data = source.read(name)
            if name == "dataset.json":
                data = json.dumps({"labels": content["labels"][::-1]})
            out.writestr(name, data)
    (tmp_path / "counts.json").write_text("[1, 16, 2, 0]")
    turned = ImageArchive(tmp_path / "turned.zip")
    counts = read_replicas(tmp_path / "counts.json", turned)
    assert counts.tolist() == [0, 2, 16, 1]
    images = Chosen(turned, repeat(counts))
    assert images.indices.tolist() == [1, 1, *[2] * 16, 3]
    assert torch.equal(images[18].image, turned[3].image)
    assert torch.equal(images.labels(np.array([0, 2])), turned.labels(np.array([1, 2])))
    opened = open_images(tmp_path / "turned.zip", rebalance=str(tmp_path / "counts.json"))
    assert same(opened, images)
    for wrong in ("[1, 2, 3]", "{}", "[1, 2, 3, -1]", "[1, 2, 3, true]", "[0, 0, 0, 0]", "no"):
        (tmp_path / "counts.json").write_text(wrong)
        with pytest.raises(InputError, match="counts"):
            read_replicas(tmp_path / "counts.json", turned)


def test_rebalancing_flattens_yaw():
    yaws = torch.randn(4000, generator=torch.Generator().manual_seed(0)) * 0.25
    counts = replicas_by_yaw(torch.tensor(labels_at(yaws.tolist())))
    assert set(counts.tolist()) == {1, 2, 4, 8, 16}
    shown = yaws.numpy()[repeat(counts)]

    def unevenness(angles):
        sizes, _ = np.histogram(angles, bins=np.deg2rad(np.arange(-32.5, 33, 5)))
        return sizes.max() / sizes.min()

    assert unevenness(yaws.numpy()) > 10
    assert unevenness(shown) < 2.2
    assert counts[yaws.abs() < 0.04].max() == 1


def test_a_fingerprint_tells_changes_and_nothing_else(tmp_path):
    path = archive(tmp_path / "set.zip")
    folder = unpack(path, tmp_path / "folder")
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    shutil.copyfile(path, tmp_path / "moved.zip")
    zipped, plain = ImageArchive(path), ImageArchive(folder)
    assert zipped.fingerprint() == ImageArchive(tmp_path / "moved.zip").fingerprint()
    assert plain.fingerprint() == ImageArchive(tmp_path / "copy").fingerprint()
    other = noise(16, 0)
    other.putpixel((3, 3), (1, 2, 3))
    plainly = {"format": "PNG", "compress_level": 0}  # as EG3D writes: always the same size
    picture = folder / "00000" / "img00000000.png"
    noise(16, 0).save(picture, **plainly)
    before = ImageArchive(folder).fingerprint()
    other.save(picture, **plainly)
    prints = {before, ImageArchive(folder).fingerprint(), plain.fingerprint(), zipped.fingerprint()}
    labels = json.loads((folder / "dataset.json").read_text())
    labels["labels"][0][1][3] += 1e-3
    (folder / "dataset.json").write_text(json.dumps(labels))
    prints |= {ImageArchive(folder).fingerprint(), Mirrored(zipped).fingerprint()}
    prints |= {Chosen(zipped, [0]).fingerprint(), Chosen(zipped, [1]).fingerprint()}
    assert len(prints) == 8


def test_the_head_scan_projects_onto_its_pictures():
    """Real labels: the silhouette of the mesh is that of the pictures."""
    folder = shared("head_scan")
    mesh = np.load(folder / "mesh.npz")
    labels = dict(json.loads((folder / "dataset.json").read_text())["labels"])
    overlaps = []
    for name in ("head_y+00_p+00.png", "head_y+30_p+00.png", "head_y-20_p-10.png"):
        camera = Camera.from_label(torch.tensor(labels[name]))
        pixels = np.asarray(Image.open(folder / name).convert("RGB"))
        head = np.abs(pixels.astype(int) - (200, 205, 210)).max(axis=2) > 6
        side = len(pixels)
        corners = project(camera, mesh["vertices"].astype(np.float64))[0, :, :2] * side
        drawn = silhouette(corners, mesh["faces"], side)
        overlaps.append((drawn & head).sum() / (drawn | head).sum())
    assert min(overlaps) > 0.99, overlaps


def silhouette(corners, faces, side):
    from PIL import ImageDraw

    image = Image.new("1", (side, side))
    draw = ImageDraw.Draw(image)
    for triangle in corners[faces] - 0.5:  # Pillow counts from the middle of the first pixel
        draw.polygon([tuple(corner) for corner in triangle], fill=1)
    return np.asarray(image)
