"""`interpolate`, `mix`, `directions`, `edit`, `mesh`: what they show, and of whom."""

import json

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from nerfgan_cli.camera_paths import official_orbit
from nerfgan_cli.cameras import PRESETS, Camera, angles_from_pose
from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.checkpoints.delta import base_of, write_tuned
from nerfgan_cli.checkpoints.format import load_model
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.commands.camera_path import CameraPath, PathName
from nerfgan_cli.commands.drawing import Truncation
from nerfgan_cli.commands.interpolate import Curve, Space
from nerfgan_cli.commands.sources import parse_sitters
from nerfgan_cli.editing.walks import lerp, slerp
from nerfgan_cli.generators.drawing import Person
from nerfgan_cli.generators.drawing import latent as latent_of
from nerfgan_cli.latent_files import PIVOT, Latent, read_latent, write_latent
from nerfgan_cli.media import to_pixels

SIDE = 128  # of the small models' pictures
GAP = 2
SMALL = ("--precision", "fp32")
ROWS, OWN_LAYERS = 14, 10  # of ws; of the small student


@pytest.fixture
def draw(nerfgan, tmp_path, student):
    """Runs a command that writes a sheet; returns its pictures in rows, and the notes."""

    def run(verb, *arguments, model=student):
        out = tmp_path / f"{verb}.png"
        done = nerfgan(verb, "--model", model, *SMALL, *arguments, "-o", out)
        assert done.code == 0, done.err
        notes = json.loads(out.with_name(f"{out.name}.json").read_text())
        headed = verb == "edit"
        return cells(np.asarray(Image.open(out)), headed), notes

    return run


def cells(sheet, headed=False):
    """[rows, columns, H, W, 3]; captions are above each picture, and are as high in all rows."""
    columns = (sheet.shape[1] + GAP) // (SIDE + GAP)
    assert sheet.shape[1] == columns * (SIDE + GAP) - GAP, "captions are wider than the pictures"
    rows = round(sheet.shape[0] / (SIDE + (50 if headed else 25)))
    strip = (sheet.shape[0] + GAP) // rows - SIDE - GAP
    return np.stack(
        [
            [
                sheet[row * (strip + SIDE + GAP) + strip :, column * (SIDE + GAP) :][:SIDE, :SIDE]
                for column in range(columns)
            ]
            for row in range(rows)
        ]
    ).astype(int)


def same(picture, other):
    """But for how sums are rounded in batches of another size."""
    return np.abs(picture - other).max() <= 1


@pytest.fixture
def alone(nerfgan, tmp_path, student):
    """One subject as `nerfgan image` draws it."""

    def run(*arguments, model=student):
        out = tmp_path / "alone.png"
        done = nerfgan("image", "--model", model, *SMALL, *arguments, "-o", out)
        assert done.code == 0, done.err
        return np.asarray(Image.open(out)).astype(int)

    return run


@pytest.fixture
def latent(student, tmp_path):
    """Seed 5 as a file."""
    generator = load_model(student)
    path = tmp_path / "Ann.safetensors"
    with torch.inference_mode():
        ws = Person(5, 0.7).codes(generator).clone()
    write_latent(path, Latent(ws, "Ann", space_checksum(generator)))
    return path


@pytest.fixture
def invert(tmp_path):
    """Writes the folder of an inversion, whose model draws seed 5 otherwise than its base."""

    def run(model):
        base, tuned = load_model(model), load_model(model)
        folder = tmp_path / f"Bob of the {base.kind}"
        folder.mkdir()
        with torch.inference_mode():
            ws = Person(5, 0.7).codes(base).clone()
            mapping = {id(parameter) for parameter in tuned.latent_space().parameters()}
            for parameter in tuned.parameters():
                parameter *= 1 if id(parameter) in mapping else 1.1
        write_latent(folder / PIVOT, Latent(ws, "pivot", space_checksum(base)))
        origin = base_of(model, model, base)
        write_tuned(folder / "model.safetensors", base, tuned, origin, Provenance("a photograph"))
        return folder

    return run


def film_of(path):
    reader = imageio_ffmpeg.read_frames(str(path))
    facts = next(reader)
    width, height = facts["size"]
    frames = [np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in reader]
    return facts, np.stack(frames).astype(int)


def test_a_strip_runs_from_each_subject_to_the_next(draw, alone, latent):
    found, notes = draw("interpolate", "--seeds", "1,2", "--latents", latent, "--frames", 3)
    assert found.shape[:2] == (2, 3)
    assert same(found[0, 0], alone("--seed", 1))
    assert same(found[0, 2], alone("--seed", 2))
    assert same(found[1, 0], found[0, 2])
    assert same(found[1, 2], alone("--seed", 5)), "the latent is not drawn as it is"
    assert same(found[1, 2], alone("--latent", latent))
    ends = np.abs(found[0, 0] - found[0, 2]).mean()
    assert 0 < np.abs(found[0, 1] - found[0, 0]).mean() < ends
    assert notes["subjects"] == ["seed 1", "seed 2", "Ann"]
    assert (notes["curve"], notes["space"], notes["loop"]) == ("linear", "w", False)


def test_a_loop_comes_back(draw):
    found, notes = draw("interpolate", "--seeds", "1-3", "--frames", 2, "--loop", "--cubic")
    assert found.shape[:2] == (3, 2)
    assert same(found[2, 1], found[0, 0])
    assert notes["curve"] == "cubic"


def test_through_z_the_way_is_another(draw):
    arguments = ("interpolate", "--seeds", "1,2", "--frames", 3, "--truncation", 1)
    through_w, _ = draw(*arguments)
    through_z, notes = draw(*arguments, "--space", "z", "--slerp")
    assert same(through_w[0, ::2], through_z[0, ::2]), "the ends are not the same"
    assert np.abs(through_w[0, 1] - through_z[0, 1]).max() > 1
    assert notes["curve"] == "slerp"


@pytest.mark.parametrize("turn", [True, False])
def test_curves_through_z(student, turn):
    """The way is taken in z, then mapped with the one conditioning camera."""
    generator, seeded = load_model(student), Truncation(1.0, None)
    people = [Person(1), Person(2)]
    curve = Curve(Space.z, loop=False, turn=turn, smooth=False)
    found = curve.way(people, generator, seeded)(torch.tensor([0.2]))
    a, b = (latent_of(person.seed, generator.z_dim) for person in people)
    t = torch.tensor([0.2], dtype=torch.float64)
    z = (slerp if turn else lerp)(a, b, t)
    expected = generator.mapping(z.float(), PRESETS["ffhq"].frontal())
    torch.testing.assert_close(found, expected)


def test_a_film_walks_and_the_camera_moves_alone(nerfgan, tmp_path, teacher):
    """Who is drawn depends on the fixed conditioning camera, however the camera moves."""
    out = tmp_path / "walk.mp4"
    common = ("--model", teacher, *SMALL, "--resolution", 8, "-o", out, "--frames", 2, "--fps", 25)
    walk = ("interpolate", *common, "--seeds", "1,2,3", "--loop")
    assert nerfgan(*walk).code == 0
    facts, frames = film_of(out)
    assert (facts["fps"], facts["size"], len(frames)) == (25, (SIDE, SIDE), 6)
    notes = json.loads((tmp_path / "walk.mp4.json").read_text())
    assert notes["times"] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert notes["curve"] == "cubic"
    labels = torch.tensor(notes["cameras"])
    assert torch.equal(labels, labels[:1].expand(6, -1))
    done = nerfgan(*walk, "--camera-path", "orbit", "--json")
    assert done.code == 0, done.err
    moving = Camera.from_label(torch.tensor(json.loads(done.out)["cameras"]))
    assert torch.equal(moving.label, official_orbit(PRESETS["ffhq"], 6).label)
    _, turned = film_of(out)
    assert np.abs(turned - frames).mean() > 1


def test_paths_of_the_camera():
    preset, still = PRESETS["ffhq"], PRESETS["ffhq"].at(0.1)

    def reach(*path, closed=True):
        walk = CameraPath(*path).choose(PathName.fixed)
        cameras = walk.cameras(preset, 40, still, closed)
        yaw, pitch, _ = angles_from_pose(cameras.cam2world)
        return [round(float(x.rad2deg()), 1) for x in (yaw[0], yaw.max(), pitch.max(), yaw[-1])]

    assert reach() == reach("fixed") == [5.7, 5.7, 0, 5.7]
    assert reach("sweep") == [0, 30, 0, pytest.approx(-4.7, abs=0.1)]
    assert reach("sweep", 20, 10)[1:3] == [20, 10]
    assert reach("sweep", closed=False) == [-22.9, 22.9, 0, 22.9]
    assert reach("sweep", 20, 10, closed=False) == [-20, 20, 10, 20]
    assert reach("orbit")[1:3] == pytest.approx([20, 11], abs=0.1)
    assert reach("orbit", 20, 10)[1:3] == [20, 10]
    assert 15 < reach("spiral")[1] <= 20
    assert 30 < reach("spiral", 40)[1] <= 40


def test_cells_are_shared_out_evenly(nerfgan, tmp_path, student):
    out = tmp_path / "walk.mp4"
    walk = ("interpolate", "--model", student, *SMALL, "--frames", 2, "-o", out)
    assert nerfgan(*walk, "--seeds", "1-4", "--cells", 2).code == 0
    facts, both = film_of(out)
    assert facts["size"] == (2 * SIDE, SIDE)
    assert nerfgan(*walk, "--seeds", "3,4").code == 0
    _, second = film_of(out)
    assert len(both) == len(second) == 3
    assert np.abs(both[:, :, SIDE + 8 :] - second[:, :, 8:]).mean() < 4
    nerfgan(*walk, "--seeds", "1-3", "--cells", 2).refused(2, "evenly")


def test_a_camera_from_a_file(draw, alone, tmp_path):
    file = tmp_path / "cam.json"
    file.write_text(json.dumps(PRESETS["ffhq"].at(0.349066).label[0].tolist()))  # 20 degrees
    found, notes = draw("interpolate", "--seeds", "1,2", "--frames", 2, "--camera", file)
    assert same(found[0, 0], alone("--seed", 1, "--yaw", 20))
    passed, notes = draw("interpolate", "--seeds", "1,2", "--frames", 2, "--camera-path", file)
    assert same(passed, found)
    assert len(notes["cameras"]) == 2


def test_mixing_shows_the_subjects_and_their_mixtures(draw, alone, latent, student):
    arguments = ("mix", "--rows", f"1,{latent}", "--cols", "3,4")
    found, notes = draw(*arguments, "--layers", f"0-{OWN_LAYERS - 1}")
    assert found.shape[:2] == (3, 3)
    assert (found[0, 0] == 255).all()
    for column, seed in enumerate((3, 4), 1):
        assert same(found[0, column], alone("--seed", seed))
        assert same(found[1, column], found[0, column]), "all layers are the donor's"
    assert same(found[1, 0], alone("--seed", 1))
    assert same(found[2, 0], alone("--latent", latent))
    assert notes["layers"] == list(range(OWN_LAYERS))
    assert notes["rows"] == ["seed 1", "Ann"]
    assert notes["carried"] == pytest.approx(1, abs=1e-3)
    none, notes = draw(*arguments, "--layers", "")
    assert notes["carried"] == pytest.approx(0, abs=1e-3)
    assert all(same(none[row, column], none[row, 0]) for row in (1, 2) for column in (1, 2))
    some, notes = draw(*arguments, "--layers", "coarse,8")
    assert notes["layers"] == [0, 1, 2, 8]
    assert 0 < notes["carried"] < 1
    for other in (some[0, 1], some[1, 0]):
        assert np.abs(some[1, 1] - other).max() > 1
    outer, notes = draw(*arguments, "--layers", "fine", "--outer")
    assert notes["layers"] == list(range(8, ROWS))
    assert notes["outer"]
    generator = load_model(student)
    with torch.inference_mode():
        a, b = (Person(seed, 0.7).codes(generator) for seed in (1, 4))
        ws = torch.cat([a[:, :8], b[:, 8:]], dim=1)
        drawn = generator.synthesis(ws, PRESETS["ffhq"].frontal()).image
    assert same(outer[1, 2], to_pixels(drawn)[0].astype(int))


def test_layers_of_an_inversion_are_nobody_elses(draw, alone, latent):
    """Of W+ with a student: its offset goes where its codes go, and is not added to others'."""
    before = alone("--latent", latent)
    give_offset(latent)
    own, other = alone("--latent", latent), alone("--seed", 1)
    assert not same(own, before)
    walk, _ = draw("interpolate", "--seeds", 1, "--latents", latent, "--frames", 3)
    assert same(walk[0, 0], other)
    assert same(walk[0, 2], own)
    grid, _ = draw("mix", "--rows", latent, "--cols", "1", "--layers", f"0-{OWN_LAYERS - 1}")
    assert same(grid[0, 1], other)
    assert same(grid[1, 0], own)
    assert same(grid[1, 1], other), "all of its layers are lent"
    grid, _ = draw("mix", "--rows", "1", "--cols", latent, "--layers", f"0-{OWN_LAYERS - 1}")
    assert same(grid[1, 1], own)
    halves, _ = draw("interpolate", "--latents", f"0.5*1+0.5*{latent},{latent}", "--frames", 2)
    assert same(halves[0, 0], walk[0, 1])


def give_offset(latent):
    ann = read_latent(latent)
    offset = torch.full([1, OWN_LAYERS, 512], 0.3)
    write_latent(latent, Latent(ann.ws, ann.name, ann.model, {"offset": offset}))
    return offset


def test_teachers_mix_rows(draw, teacher, alone):
    arguments = ("--resolution", 8)
    found, notes = draw(
        "mix", "--rows", 1, "--cols", 3, *arguments, "--layers", "0-13", model=teacher
    )
    assert same(found[1, 1], alone("--seed", 3, *arguments, model=teacher))
    assert notes["layers"] == list(range(ROWS))


def test_weighted_sums(draw, alone, latent):
    found, notes = draw("mix", "--rows", f"0.5*1,0.5*1+0.5*{latent}", "--cols", "2", "--layers", "")
    assert same(found[1, 0], alone("--seed", 1, "--truncation", 0.35))
    walk, _ = draw("interpolate", "--latents", f"1,{latent}", "--frames", 3)
    assert same(found[2, 0], walk[0, 1])
    assert notes["rows"] == ["0.5*1", "0.5*1+0.5*Ann"]


def test_sums_take_away(tmp_path):
    """A minus is a sign before a weight, and else a part of a file's name."""
    file = tmp_path / "a-b.npy"
    np.save(file, np.zeros((1, 14, 16), np.float32))
    text = f"1*1-0.5*2,-.5*3, 2*1 - 1*2+-1*4 ,1*5-0.25*{file}"
    found = parse_sitters("--rows", text, Truncation())
    names = [sitter.name for sitter in found]
    assert names == ["1*1-0.5*2", "-0.5*3", "2*1-1*2-1*4", "1*5-0.25*a-b"]
    weights = [[weight for weight, _ in sitter.terms] for sitter in found]
    assert weights == [[1, -0.5], [-0.5], [2, -1, -1], [1, -0.25]]
    assert [sitter.seed for _, sitter in found[2].terms] == [1, 2, 4]


@pytest.fixture
def directions(nerfgan, tmp_path, student):
    """Runs a command that finds directions; returns what it says and the file's contents."""

    def run(verb, *arguments, model=student):
        out = tmp_path / f"{verb}.json"
        done = nerfgan("directions", verb, "--model", model, *arguments, "-o", out, "--json")
        assert done.code == 0, done.err
        (said,) = json.loads(done.out)["directions"]
        return said, json.loads(out.read_text())

    return run


def test_every_way_of_finding_directions(directions, tmp_path, student, teacher):
    said, content = directions("ganspace", "--num", 600, "--component", 2, "--layers", "4-7")
    assert content["layers"] == [4, 8]
    assert content["space"] == "w"
    assert len(content["vector"]) == 512
    assert 0 < said["explained"] < 0.2
    assert content["model"] == space_checksum(load_model(student))
    said, content = directions("sefa", "--layers", "coarse")
    assert content["layers"] == [0, 4]
    assert 0 < said["strength"] < 1
    said, _ = directions("sefa", "--normalise", model=teacher)
    assert said["normalised"]
    table = tmp_path / "t.csv"
    table.write_text("".join(f"{seed},{seed % 7}\n" for seed in range(60)))
    said, content = directions("regress", "--values", table)
    assert content["name"] == "t"
    assert not said["reliable"], "the numbers have nothing to do with w"
    said, content = directions("regress", "--measure", "red", "--num", 30, "--region", "0,0,1,0.5")
    assert said["subjects"] == 30
    kept = tmp_path / "regress.json"
    said, content = directions(
        "interfacegan", "--values", table, "--share", 0.3, "--keep", kept, "--name", "sevenths"
    )
    assert content["name"] == "sevenths"
    assert said["subjects"] == [18, 18]
    assert said["kept"] == ["red"]
    other = json.loads(kept.read_text())["vector"]
    assert abs(np.dot(content["vector"], other)) < 1e-4


def test_a_folder_of_directions_and_their_edits(nerfgan, draw, alone, tmp_path, student):
    folder = tmp_path / "found"
    done = nerfgan(
        "directions", "ganspace", "--model", student, "--num", 600, "--count", 2, "-o", f"{folder}/"
    )
    assert done.code == 0, done.err
    assert "2 directions" in done.out
    assert sorted(path.name for path in folder.iterdir()) == [
        "component-00.json",
        "component-01.json",
    ]
    (folder / "edit.png.json").write_text("{}")  # as beside a picture: no direction
    arguments = ("edit", "--direction", folder, "--seeds", "1,2")
    found, notes = draw(*arguments, "--strength", "-6..6", "--steps", 3)
    assert found.shape[:2] == (4, 3)
    for row, seed in enumerate((1, 1, 2, 2)):
        assert same(found[row, 1], alone("--seed", seed)), "0 changes something"
        assert np.abs(found[row, 0] - found[row, 2]).max() > 1
    assert notes["strengths"] == [-6, 0, 6]
    assert np.shape(notes["places"]) == (2, 2, ROWS)
    there, notes = draw(*arguments, "--strength", "-2,2", "--absolute")
    place = notes["places"][0][0][0]
    moved, _ = draw(*arguments, "--strength", 2 - place)
    assert same(there[0, 1], moved[0, 0])


def test_an_edit_becomes_a_latent(nerfgan, directions, draw, alone, tmp_path, student, latent):
    directions("ganspace", "--num", 600)
    out = tmp_path / "edited.safetensors"
    edit = ("--latents", latent, "--direction", tmp_path / "ganspace.json", "--strength", 4)
    done = nerfgan("edit", "--model", student, *edit, "-o", out)
    assert done.code == 0, done.err
    found, _ = draw("edit", *edit)
    assert same(alone("--latent", out), found[0, 0])
    assert not same(alone("--latent", latent), found[0, 0])
    assert read_latent(out).name == "Ann, edited"
    nerfgan("edit", "--model", student, *edit[2:4], "-o", out).refused(2, "one subject")


def test_an_edited_sum_keeps_the_layers_that_it_is_drawn_with(
    nerfgan, directions, draw, alone, tmp_path, student, latent
):
    directions("ganspace", "--num", 600)
    offset, out = give_offset(latent), tmp_path / "edited.safetensors"
    edit = ("--latents", f"0.5*1+0.5*{latent}", "--direction", tmp_path / "ganspace.json")
    found, _ = draw("edit", *edit, "--strength", 2)
    done = nerfgan("edit", "--model", student, *edit, "--strength", 2, "-o", out)
    assert done.code == 0, done.err
    torch.testing.assert_close(read_latent(out).tensors["offset"], offset / 2)
    assert same(alone("--latent", out), found[0, 0])


def test_the_subject_of_an_inversion_is_edited_with_its_own_model(
    directions, draw, alone, invert, tmp_path, student
):
    directions("ganspace", "--num", 600)
    folder = invert(student)
    arguments = ("--direction", tmp_path / "ganspace.json", "--strength", "-6..6", "--steps", 3)
    found, notes = draw("edit", *arguments, model=folder)
    assert notes["subjects"] == [folder.name]
    assert same(found[0, 1], alone(model=folder))
    assert np.abs(found[0, 0] - found[0, 2]).max() > 1
    assert not same(found[0, 1], alone("--latent", folder)), "that is its base's"


def test_an_edit_as_a_film_goes_there_and_back(nerfgan, directions, tmp_path, student):
    directions("ganspace", "--num", 600)
    out = tmp_path / "edit.mp4"
    done = nerfgan(
        *("edit", "--model", student, *SMALL, "--seeds", "1,2", "--frames", 4, "-o", out),
        *("--direction", tmp_path / "ganspace.json", "--strength", "-9..9"),
    )
    assert done.code == 0, done.err
    facts, frames = film_of(out)
    assert facts["size"] == (2 * SIDE, SIDE)
    assert len(frames) == 4
    notes = json.loads((tmp_path / "edit.mp4.json").read_text())
    assert notes["strengths"] == pytest.approx([-9, 0, 9, 0], abs=1e-6)
    assert np.abs(frames[1] - frames[3]).mean() < np.abs(frames[0] - frames[2]).mean()


def test_a_direction_of_another_model_needs_force(nerfgan, directions, tmp_path, teacher, student):
    directions("ganspace", "--num", 600)
    file, out = tmp_path / "ganspace.json", tmp_path / "edit.png"
    edit = ("edit", "--direction", file, "--model", teacher, "--resolution", 8, "-o", out)
    nerfgan(*edit).refused(4, "another model", "--force")
    assert not out.exists()
    assert nerfgan(*edit, "--force").code == 0


@pytest.mark.parametrize("suffix", ["ply", "obj", "glb"])
def test_a_mesh(nerfgan, teacher, tmp_path, suffix):
    out = tmp_path / f"head.{suffix}"
    arguments = ("mesh", "--model", teacher, "--seed", 3, "--resolution", 24, "-o", out, "--json")
    done = nerfgan(*arguments, "--level", 0.1, "--whole", "--normals", "depth")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["faces"] > 100
    assert told["bytes"] == out.stat().st_size
    assert told["subject"] == "seed 3"
    assert max(told["size"]) < 1
    plain = tmp_path / f"plain.{suffix}"
    assert nerfgan(*arguments, "--level", 0.1, "--plain", "-o", plain).code == 0
    assert plain.stat().st_size < out.stat().st_size


def test_the_mesh_of_an_inversion(nerfgan, invert, tmp_path, teacher, student):
    folder = invert(teacher)

    def write(*arguments):
        out = tmp_path / "head.ply"
        options = ("--resolution", 16, "--level", 0.1, "--whole", "-o", out)
        done = nerfgan("mesh", *arguments, *options, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)["subject"], out.read_bytes()

    found = write("--inversion", folder)
    assert found[0] == folder.name
    assert found == write("--model", folder)
    assert found[1] != write("--model", teacher, "--latent", folder)[1]
    nerfgan("mesh", "--inversion", invert(student)).refused(2, "no surface", "--latent DIR")


def test_the_bundled_teacher_has_a_head(nerfgan, tmp_path):
    """And not the wall behind it."""
    out = tmp_path / "head.ply"
    done = nerfgan(
        "mesh", "--model", "eg3d-toyheads", "--seed", 3, "--resolution", 40, "-o", out, "--json"
    )
    assert done.code == 0, done.err
    width, height, depth = json.loads(done.out)["size"]
    assert 0.5 < width < 0.7
    assert 0.55 < height < 0.75
    assert 0.3 < depth < 0.5
    nerfgan("mesh", "-o", out).refused(2, "no surface", "--model mimic3d-toyheads")
