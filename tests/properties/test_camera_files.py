"""Camera files: every form gives back the same 25 numbers; what cannot be right is told."""

import json
import math
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import png, shared
from PIL import Image
from scipy.spatial.transform import Rotation

from nerfgan_cli.camera_files import load_cameras, read_cameras, write_cameras
from nerfgan_cli.camera_forms import FORMS, with_mirrored
from nerfgan_cli.cameras import PRESETS, Camera, to_official
from nerfgan_cli.data.camera_formats.matrices import Reading
from nerfgan_cli.errors import InputError, UnsafeFileError

FFHQ = PRESETS["ffhq"]
OPENGL = np.diag([1.0, -1, -1, 1])
ANGLES = [(0.3, -0.2, 0.1), (-0.6, 0.25, 0.0), (0.0, 0.0, -0.2)]
CAMERA = FFHQ.at(0.3, -0.2, 0.1)
POSE, INTRINSICS = CAMERA.cam2world[0].double().numpy(), CAMERA.intrinsics[0].tolist()
INVERSE = np.linalg.inv(POSE)
DEGREES = [math.degrees(angle) for angle in ANGLES[0]]
SAMPLED = [float(value) - math.pi / 2 for value in to_official(0.3, -0.2)]
PIXELS = (512 * np.array(INTRINSICS) / [[1], [1], [512]]).tolist()


def written(folder: Path, content: object, name: str = "cam.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def close(camera: Camera, expected: Camera) -> None:
    torch.testing.assert_close(camera.label, expected.label, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "content",
    [
        CAMERA.label[0].tolist(),
        CAMERA.label.tolist(),
        POSE.flatten().tolist(),
        POSE.tolist(),
        {"extrinsics": POSE.tolist(), "intrinsics": INTRINSICS},
        {"extrinsics": POSE[:3].tolist(), "intrinsics": np.array(INTRINSICS).flatten().tolist()},
        {"extrinsics": POSE.flatten().tolist(), "type": "camera_to_world", "axes": "opencv"},
        {"pose": POSE[:3].flatten().tolist(), "intrinsics": {"focal": 4.2647}},
        {
            "cam2world": POSE.tolist(),
            "intrinsics": {"fov": 2 * math.degrees(math.atan(0.5 / 4.2647))},
        },
        {"c2w": (POSE @ OPENGL).tolist(), "axes": "opengl"},
        {"camera_to_world": POSE.tolist(), "focal": 4.2647},
        {"w2c": INVERSE.tolist()},
        {"world2cam": INVERSE.flatten().tolist()},
        {"world_to_camera": INVERSE[:3].tolist(), "intrinsics": INTRINSICS},
        {"extrinsics": INVERSE.tolist(), "type": "world_to_camera"},
        {"extrinsics": POSE.tolist(), "intrinsics": PIXELS, "image_size": [512, 512]},
        dict(zip(("yaw", "pitch", "roll"), DEGREES, strict=True)),
        dict(zip(("yaw", "pitch", "roll"), ANGLES[0], strict=True), unit="rad", radius=2.7),
        {"yaw": SAMPLED[0], "pitch": SAMPLED[1], "roll": 0.1, "unit": "rad", "sampler": "eg3d"},
        {
            **dict(zip(("yaw", "pitch", "roll"), DEGREES, strict=True)),
            **{
                "pivot": [0, 0, 0.2],
                "fov": 2 * math.degrees(math.atan(0.5 / 4.2647)),
                "unit": "deg",
            },
        },
        {"cameras": [{"extrinsics": POSE.tolist()}]},
        {"labels": [["a.png", CAMERA.label[0].tolist()]]},
        {"a.png": {"extrinsics": POSE.tolist()}},
    ],
)
def test_every_form_of_one_camera(tmp_path: Path, content: object) -> None:
    ((_, camera),) = load_cameras(written(tmp_path, content), FFHQ)
    close(camera, CAMERA)


def test_lists_of_lists_are_several_cameras(tmp_path: Path) -> None:
    """Of 25 numbers, or of 16 with the model's lens."""
    cameras = Camera.cat([camera for _, camera in several()])
    for rows in (cameras.label, cameras.cam2world.flatten(1)):
        loaded = load_cameras(written(tmp_path, rows.tolist()), FFHQ)
        close(Camera.cat([camera for _, camera in loaded]), cameras)


def test_data_sets_are_folders_too(tmp_path: Path) -> None:
    """Names go from the root of the archive, with forward slashes."""
    (tmp_path / "00000").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "00000" / "img00000000.png")
    labels = {"labels": [["00000/img00000000.png", CAMERA.label[0].tolist()]]}
    written(tmp_path, labels, "dataset.json")
    for path in (tmp_path, tmp_path / "dataset.json"):
        ((name, camera),) = load_cameras(path, FFHQ)
        assert name == "00000/img00000000.png"
        close(camera, CAMERA)


def test_scenes_of_nerf_say_one_angle_for_all(tmp_path: Path) -> None:
    """Right, up, backward; half of 1/tan of half the angle."""
    frames = [
        {"file_path": f"./train/r_{index}", "transform_matrix": (pose @ OPENGL).tolist()}
        for index, pose in enumerate((POSE, FFHQ.at(-0.2).cam2world[0].double().numpy()))
    ]
    angle = 2 * math.atan(0.5 / 4.2647)
    path = written(tmp_path, {"camera_angle_x": angle, "frames": frames}, "transforms.json")
    loaded = load_cameras(path, FFHQ)
    close(loaded[0][1], CAMERA)
    close(loaded[1][1], FFHQ.at(-0.2))


def test_a_camera_of_angles_takes_the_rest_from_the_model(tmp_path: Path) -> None:
    path = written(tmp_path, {"yaw": 90})
    for preset in (FFHQ, PRESETS["cars"]):
        close(load_cameras(path, preset)[0][1], preset.at(math.pi / 2))
    close(load_cameras(written(tmp_path, {"radius": 3}), FFHQ)[0][1], Camera(
        torch.tensor([[[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 3], [0, 0, 0, 1]]]),
        CAMERA.intrinsics,
    ))  # fmt: skip


def several() -> list[tuple[str | None, Camera]]:
    cameras = FFHQ.at(*zip(*ANGLES, strict=True))
    return [("a.png", cameras[0]), ("b/c.png", cameras[1]), ("d.png", cameras[2])]


def random_cameras(count: int) -> list[tuple[str | None, Camera]]:
    """Off the pivot, rolled, at several distances."""
    generator = torch.Generator().manual_seed(1)
    draws = torch.rand(count, 3, generator=generator) - 0.5
    cameras = FFHQ.at(*draws.unbind(dim=1))
    cameras.cam2world[:, :3, 3] *= 1 + draws[:, :1]
    cameras.intrinsics[:, (0, 1), (0, 1)] += draws[:, 1:2]
    return [(f"{index}.png", cameras[index]) for index in range(count)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cameras", [several()[:1], several(), random_cameras(20)])
def test_what_is_written_is_read_back(
    tmp_path: Path, form: str, cameras: list[tuple[str | None, Camera]]
) -> None:
    path = tmp_path / f"cameras{FORMS[form].suffix}"
    path.write_bytes(FORMS[form].write(cameras, FFHQ))
    again = load_cameras(path, FFHQ)
    assert len(again) == len(cameras)
    for (name, camera), (expected_name, expected) in zip(again, cameras, strict=True):
        close(camera, expected)
        if form in ("dataset", "transforms", "npz") or (form == "matrices" and len(cameras) > 1):
            assert name == expected_name


def test_own_files_are_read_to_the_last_bit(tmp_path: Path) -> None:
    write_cameras(several(), tmp_path / "cam.json")
    for (name, camera), (called, expected) in zip(
        load_cameras(tmp_path / "cam.json", FFHQ), several(), strict=True
    ):
        assert name == called
        assert torch.equal(camera.label, expected.label)


def test_angles_that_cannot_say_a_camera_are_refused() -> None:
    intrinsics = CAMERA.intrinsics.clone()
    intrinsics[0, 0, 2] = 0.6
    with pytest.raises(InputError, match="choose another form"):
        FORMS["angles"].write([(None, Camera(CAMERA.cam2world, intrinsics))], FFHQ)


@pytest.mark.parametrize("shape", [(25,), (1, 25), (3, 25), (16,), (3, 4, 4), (3, 3, 4)])
def test_arrays(tmp_path: Path, shape: tuple[int, ...]) -> None:
    cameras = Camera.cat([camera for _, camera in several()])
    count = shape[0] if len(shape) > 1 else 1
    poses = cameras.cam2world[:count, : shape[-2] if len(shape) == 3 else 4]
    rows = cameras.label[:count] if shape[-1] == 25 else poses
    np.save(tmp_path / "a.npy", rows.double().numpy().reshape(shape))
    loaded = load_cameras(tmp_path / "a.npy", FFHQ)
    close(Camera.cat([camera for _, camera in loaded]), cameras[:count])


def test_numpy_archives_in_several_dialects(tmp_path: Path) -> None:
    for content in (
        {"cam2world": POSE, "intrinsics": np.array(INTRINSICS)},
        {"extrinsics": INVERSE[None, :3], "K": np.array(INTRINSICS)[None]},
    ):
        np.savez(tmp_path / "camera.npz", **content)
        close(load_cameras(tmp_path / "camera.npz", FFHQ)[0][1], CAMERA)


def test_numbers_in_numpy_archives(tmp_path: Path) -> None:
    """25 of them each, under any name; with names of pictures or without."""
    cameras = Camera.cat([camera for _, camera in several()])
    for rows, content in (
        (1, {"c": CAMERA.label[0]}),
        (3, {"labels": cameras.label, "names": "abc"}),
    ):
        arrays = {
            key: list(value) if key == "names" else value.numpy() for key, value in content.items()
        }
        np.savez(tmp_path / "camera.npz", **arrays)
        loaded = load_cameras(tmp_path / "camera.npz", FFHQ)
        close(Camera.cat([camera for _, camera in loaded]), cameras[:rows])
        assert [name for name, _ in loaded] == ([None] if rows == 1 else ["a", "b", "c"])
    np.savez(tmp_path / "camera.npz", labels=cameras.label.numpy(), names=["a"])
    with pytest.raises(InputError, match="3 cameras for 1 names"):
        load_cameras(tmp_path / "camera.npz", FFHQ)


def test_colmaps_text(tmp_path: Path) -> None:
    """By either of its files or their folder; cameras that fit our world stay where they are."""
    focal = 512 * 4.2647
    (tmp_path / "cameras.txt").write_text(f"1 PINHOLE 512 512 {focal} {focal} 256 256\n")
    lines = []
    for index, (name, camera) in enumerate(several()):
        inverse = np.linalg.inv(camera.cam2world[0].double().numpy())
        x, y, z, w = Rotation.from_matrix(inverse[:3, :3]).as_quat()
        numbers = " ".join(map(str, (w, x, y, z, *inverse[:3, 3])))
        lines += [f"{index + 1} {numbers} 1 {name}", ""]
    (tmp_path / "images.txt").write_text("\n".join(lines) + "\n")
    for path in (tmp_path, tmp_path / "images.txt", tmp_path / "cameras.txt"):
        loaded = load_cameras(path, FFHQ)
        assert [name for name, _ in loaded] == [name for name, _ in several()]
        close(Camera.cat([camera for _, camera in loaded]), Camera.cat([c for _, c in several()]))


def test_tables_of_angles(tmp_path: Path) -> None:
    (tmp_path / "angles.csv").write_text("name,yaw,pitch\na.png,20,-5\nb.png,-30,10\n")
    ((_, camera),) = load_cameras(tmp_path / "angles.csv", FFHQ, "b.png")
    close(camera, FFHQ.at(math.radians(-30), math.radians(10)))


@pytest.mark.parametrize(
    "content",
    [
        CAMERA.label[0].double().numpy(),
        {"extrinsics": INVERSE, "intrinsics": np.array(INTRINSICS)},
        {"cam2world": POSE[None], "intrinsics": INTRINSICS},
        {"a.png": {"pose": POSE, "intrinsics": np.array(INTRINSICS)}},
        [{"yaw": np.float64(DEGREES[0]), "pitch": DEGREES[1], "roll": DEGREES[2]}],
        {"labels": [("a.png", CAMERA.label[0].tolist())]},
    ],
)
def test_pickles_of_other_projects(tmp_path: Path, content: object) -> None:
    """Arrays, dictionaries and lists, as other projects keep them; none is run."""
    (tmp_path / "camera.pkl").write_bytes(pickle.dumps(content, protocol=4))
    close(load_cameras(tmp_path / "camera.pkl", FFHQ)[0][1], CAMERA)


def test_pickles_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "camera.pkl"
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(UnsafeFileError, match=r"camera\.pkl"):
        load_cameras(path, FFHQ)
    path.write_bytes(pickle.dumps({"pose": b"1234"}))
    with pytest.raises(InputError, match="more than numbers and texts"):
        load_cameras(path, FFHQ)


def test_a_field_of_view_across_the_diagonal_is_told(tmp_path: Path) -> None:
    """EG3D's 18.837; ours is across a side (reference 1.1)."""
    path = written(tmp_path, {"yaw": 3, "fov": 18.837})
    assert "across the diagonal" in read_cameras(path, Reading(FFHQ)).notes[0]
    assert not read_cameras(written(tmp_path, {"yaw": 3, "fov": 13.374}), Reading(FFHQ)).notes


def test_scenes_of_srn(tmp_path: Path) -> None:
    cars = PRESETS["cars"].at([0.4, 1.9], [0.3, 0.1])
    (tmp_path / "pose").mkdir()
    for index in range(2):
        numbers = " ".join(map(str, cars.cam2world[index].flatten().tolist()))
        (tmp_path / "pose" / f"{index:06d}.txt").write_text(numbers)
    (tmp_path / "intrinsics.txt").write_text("525. 256. 256. 0.\n0. 0. 0.\n1.\n512 512\n")
    loaded = load_cameras(tmp_path, PRESETS["cars"])
    assert [name for name, _ in loaded] == ["000000", "000001"]
    close(Camera.cat([camera for _, camera in loaded]), cars)
    for path, name in ((tmp_path / "intrinsics.txt", "000001.png"), (tmp_path, "rgb/000001.png")):
        close(load_cameras(path, PRESETS["cars"], name)[0][1], cars[1])
    alone = load_cameras(tmp_path / "pose" / "000001.txt", PRESETS["cars"], "000001")
    close(alone[0][1], cars[1])


def test_names_choose(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_bytes(FORMS["dataset"].write(several(), FFHQ))
    for name in ("d.png", "d", "photos/d.jpg"):
        ((found, camera),) = load_cameras(path, FFHQ, name)
        assert found == "d.png"
        close(camera, several()[2][1])
    assert load_cameras(path, FFHQ, "c.png")[0][0] == "b/c.png"
    with pytest.raises(InputError, match=r"none of its 3 cameras is that of x.png .*a\.png"):
        load_cameras(path, FFHQ, "x.png")
    only = written(tmp_path, {"yaw": 3}, "one.json")
    assert len(load_cameras(only, FFHQ, "whatever.png")) == 1


def test_a_bad_label_of_another_picture_does_not_matter(tmp_path: Path) -> None:
    labels = [["a.png", [0] * 25], ["b.png", CAMERA.label[0].tolist()], ["c.png", [1, 2]]]
    path = written(tmp_path, {"labels": labels})
    close(load_cameras(path, FFHQ, "b.png")[0][1], CAMERA)
    with pytest.raises(InputError, match=r"camera of c\.png has 2 numbers"):
        load_cameras(path, FFHQ)


def test_folders_and_zips(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("a.png", png(Image.new("RGB", (8, 8))))
        archive.writestr("dataset.json", FORMS["dataset"].write(several(), FFHQ))
    assert len(load_cameras(tmp_path / "set.zip", FFHQ)) == 3
    made = tmp_path / "made"
    made.mkdir()
    for name, camera in several()[::2]:
        write_cameras([(None, camera)], made / f"{Path(name or '').stem}.json")
    assert [name for name, _ in load_cameras(made, FFHQ)] == ["a", "d"]
    close(load_cameras(made, FFHQ, "d.png")[0][1], several()[2][1])


def test_the_intermediate_file_of_eg3d_is_finished(tmp_path: Path) -> None:
    """2.7 position/|position|, the constant intrinsics; rotations as they are."""
    pose = POSE.copy()
    pose[:3, 3] *= 1.07
    k = [[2985.29, 0, 512], [0, 2985.29, 512], [0, 0, 1]]
    entries = {name: {"intrinsics": k, "pose": pose.tolist()} for name in ("a.png", "b.png")}
    loaded = read_cameras(written(tmp_path, entries, "cameras.json"), Reading(FFHQ), "b.png")
    assert any("intermediate" in note for note in loaded.notes)
    ((name, camera),) = loaded.cameras
    assert name == "b.png"
    expected = np.array([*POSE.flatten(), 2985.29 / 700, 0, 0.5, 0, 2985.29 / 700, 0.5, 0, 0, 1])
    np.testing.assert_allclose(camera.label[0].numpy(), expected, atol=1e-6)
    ((_, mirrored),) = load_cameras(tmp_path / "cameras.json", FFHQ, "b_mirror.png")
    close(mirrored, camera.mirrored())


def test_mirrored_entries() -> None:
    named = with_mirrored(several())
    assert [name for name, _ in named][:4] == ["a.png", "a_mirror.png", "b/c.png", "b/c_mirror.png"]
    close(named[1][1], several()[0][1].mirrored())


def test_pixels_are_those_of_the_picture_beside(tmp_path: Path) -> None:
    entry = {"a.png": {"extrinsics": POSE.tolist(), "intrinsics": PIXELS}}
    path = written(tmp_path, entry)
    with pytest.raises(InputError, match=r"intrinsics of a.png look like pixels .*image_size"):
        load_cameras(path, FFHQ)
    Image.new("RGB", (512, 512)).save(tmp_path / "a.png")
    close(load_cameras(path, FFHQ)[0][1], CAMERA)


def test_slightly_skewed_rotations_are_mended(tmp_path: Path) -> None:
    """By the nearest rotation; larger faults are refused."""
    generator = np.random.RandomState(0)
    skewed = POSE.copy()
    skewed[:3, :3] += generator.uniform(-2e-4, 2e-4, (3, 3))
    ((_, camera),) = load_cameras(written(tmp_path, skewed.tolist()), FFHQ)
    rotation = camera.cam2world[0, :3, :3].double()
    torch.testing.assert_close(rotation.mT @ rotation, torch.eye(3).double(), atol=1e-6, rtol=0)
    assert (rotation - torch.from_numpy(skewed[:3, :3])).abs().max() < 4e-4
    skewed[:3, :3] *= 1.01
    with pytest.raises(InputError, match="off an orthonormal one"):
        load_cameras(written(tmp_path, skewed.tolist()), FFHQ)


def moved(**change: object) -> dict[str, object]:
    return {"extrinsics": POSE.tolist(), "intrinsics": INTRINSICS, **change}


ASIDE = FFHQ.at(1.3, 0.2).cam2world[0].double().numpy()  # world-to-camera is hidden at the front
INVERSE_ASIDE = np.linalg.inv(ASIDE)
MIRRORED, TRANSPOSED, BESIDE, FAR, NEAR = POSE.copy(), POSE.T, *(POSE.copy() for _ in range(3))
BESIDE[:3, 3] += 0.14 * POSE[:3, 0]  # to the right, so that a narrow lens sees the subject no more
MIRRORED[0, :3] *= -1
FAR[:3, 3] *= 3
NEAR[:3, 3] *= 0.4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds no cameras"),
        ([1, 2, 3], "3 numbers"),
        ([[1, 2], 3], "other than numbers"),
        ("text", "neither numbers"),
        (3, "neither numbers"),
        ({}, "neither a matrix nor angles"),
        ({"intrinsics": INTRINSICS}, "neither a matrix nor angles"),
        ([float("nan"), *CAMERA.label[0].tolist()[1:]], "not finite"),
        ({"cameras": []}, "holds no cameras"),
        ({"cameras": 3}, "no list"),
        ({"labels": None}, "no labels: write them"),
        ({"labels": [3]}, "pairs"),
        ({"yaw": "north"}, "other than numbers"),
        ({"yaw": [1, 2]}, "2 numbers where one belongs"),
        ({"yaw": 3, "pivot": [1, 2]}, "give x, y, z"),
        ({"yaw": 3, "fov": 0}, "field of view"),
        ({"yaw": 3, "pich": 3}, 'did you mean "pitch"'),
        ({"extrinsics": POSE.tolist(), "intrinsic": INTRINSICS}, 'did you mean "intrinsics"'),
        (moved(axis="opengl"), 'did you mean "axes"'),
        ({"cam2wolrd": POSE.tolist(), "focal": 4}, 'did you mean "cam2world"'),
        (moved(intrinsics={"focal_length": 4}), 'neither "focal" nor "fov"'),
        ({"yaw": 3, "unit": "grad"}, "write deg or rad"),
        ({"yaw": 3, "sampler": "EG3D"}, "write sphere or eg3d"),
        ({"yaw": 0, "pitch": 90, "pivot": [0, 0, 0]}, "straight up or down"),
        (moved(type="camera2world"), "write camera_to_world or world_to_camera"),
        (moved(axes="blender"), "write opencv or opengl"),
        (moved(intrinsics=[1, 2]), "2 numbers: give 3×3"),
        (moved(intrinsics=PIXELS), "look like pixels .focal length 2183"),
        (moved(intrinsics=PIXELS, image_size=[3]), "width and a height"),
        ([*POSE.flatten().tolist(), *np.array(PIXELS).flatten().tolist()], "divide intrinsics in"),
        (moved(extrinsics=TRANSPOSED.tolist()), "last row"),
        (moved(extrinsics=MIRRORED.tolist()), "left-handed .*mirrored"),
        (moved(intrinsics=[[4, 0, 0.9], [0, 4, 0.5], [0, 0, 1]]), "principal point cx"),
        (moved(extrinsics=INVERSE_ASIDE.tolist()), 'looks away .*once inverted, so state its'),
        (moved(extrinsics=INVERSE.tolist()), 'past the object, by 20 degrees.*once inverted'),
        (moved(w2c=POSE.tolist(), extrinsics=0), 'past the object, by 20 degrees.*once inverted'),
        (moved(extrinsics=(POSE @ OPENGL).tolist()), 'looks away .*state "axes": "opengl" beside'),
        (
            moved(extrinsics=np.linalg.inv(ASIDE @ OPENGL).tolist()),
            'looks away .*inverted, with OpenGL.*"type".* and "axes": "opengl"',
        ),
        (moved(intrinsics=[[20, 0, 0.5], [0, 20, 0.5], [0, 0, 1]], extrinsics=BESIDE.tolist()),
         "looks past the object, by 3 degrees, out of its picture: is its matrix"),
        (moved(intrinsics={"focal": 2985.29}), "divide intrinsics in pixels"),
        (moved(intrinsics={"focal": 0.2}), "focal length fx = 0.2 is not between 0.3 and 20"),
        (moved(intrinsics=[[4, 0, 0.5], [0, 4, 0.2], [0, 0, 1]]), "principal point cy = 0.2"),
        (moved(extrinsics=NEAR.tolist()), r"stands 1\.08 from the origin, 2\.7 is usual"),
        (moved(extrinsics=FAR.tolist()), r"stands 8\.1 from the origin, 2\.7 is usual"),
        ([-1, 0, 0, 2.7, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], "looks away .*Say so beside it"),
        ({"frames": []}, "holds no cameras"),
        ({"frames": [{"file_path": "a"}]}, "transform_matrix"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_told(tmp_path: Path, content: object, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=message) as error:
        load_cameras(path, FFHQ)
    assert str(path) in str(error.value)
    assert str(error.value).endswith((".", "?"))


def test_files_that_hold_no_cameras(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "a.npy").write_bytes(pickle.dumps(np.zeros(25)))
    (tmp_path / "b.npz").write_bytes(b"PK")
    (tmp_path / "c.txt").write_text("1 2 3")
    (tmp_path / "d.pkl").write_bytes(pickle.dumps(1))
    (tmp_path / "h.csvx").write_text("a,1")
    np.save(tmp_path / "e.npy", np.zeros((2, 2, 25)))
    np.save(tmp_path / "f.npy", np.zeros(7))
    for name, message in {
        "a.json": "not JSON",
        "a.npy": "plain arrays",
        "b.npz": "plain arrays",
        "c.txt": "3 numbers",
        "d.pkl": "neither numbers nor an object",
        "h.csvx": "no file with cameras",
        "e.npy": "shape",
        "f.npy": "7 numbers",
        "g.json": "there is no",
    }.items():
        with pytest.raises(InputError, match=message):
            load_cameras(tmp_path / name, FFHQ)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no cameras that are known"):
        load_cameras(tmp_path / "empty", FFHQ)


def test_a_foreign_world_is_brought_about_the_origin() -> None:
    """The temple's 16 cameras, K·[R t] in pixels of 640×480: one similarity moves them all."""
    folder = shared("temple_ring")
    loaded = read_cameras(folder / "templeSR_par.txt", Reading(FFHQ))
    assert any(note.startswith("scale") for note in loaded.notes)
    cameras = Camera.cat([camera for _, camera in loaded.cameras])
    assert np.median(cameras.position.norm(dim=1)) == pytest.approx(2.7, rel=1e-4)
    lines = (folder / "templeSR_par.txt").read_text().split("\n")[1:17]
    rows = np.array([line.split()[1:] for line in lines], dtype=float)
    k, rotation, shift = (
        rows[:, :9].reshape(-1, 3, 3),
        rows[:, 9:18].reshape(-1, 3, 3),
        rows[:, 18:],
    )
    centers = -(rotation.transpose(0, 2, 1) @ shift[:, :, None])[:, :, 0]
    ours = cameras.position.double().numpy()
    gaps = [np.linalg.norm(x[:, None] - x[None], axis=2) for x in (centers, ours)]
    np.testing.assert_allclose(gaps[1], gaps[0] * (gaps[1].max() / gaps[0].max()), atol=1e-4)
    np.testing.assert_allclose(cameras.intrinsics[:, 0, 0].numpy(), k[:, 0, 0] / 480, rtol=1e-5)
    assert len(load_cameras(folder, FFHQ, "templeSR0007.png")) == 1
