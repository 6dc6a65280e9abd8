"""Meshes: where the truth is known, as of a ball, and as other programs read the files."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.contract import (
    DEFAULT_OPTIONS,
    DrawOptions,
    Generator,
    Rendering,
    Subject,
)
from nerfgan_cli.generators.student import Student
from nerfgan_cli.meshes import surface
from nerfgan_cli.meshes.files import write_mesh
from nerfgan_cli.meshes.mesh import Mesh, cut, face_normals, main_part, volume
from nerfgan_cli.meshes.paint import Field, fuse_normals, normal_map, paint
from nerfgan_cli.meshes.surface import extract, join
from nerfgan_cli.nn.decoder import Decoded
from nerfgan_cli.nn.mapping import MappingNetwork
from nerfgan_cli.nn.rays import camera_rays

RADIUS, CENTER = 0.3, np.array([0.05, -0.02, 0.03])
STEEP = 400.0  # density per world unit


def ball(points, radius=RADIUS, center=CENTER):
    return STEEP * (radius - np.linalg.norm(points - center, axis=-1))


class Ball(Generator):
    """A ball whose colour tells where it is: red to the right, green above, blue in front."""

    kind, camera_preset, has_depth, has_density = "ball", "ffhq", True, True
    z_dim = w_dim = num_ws = 1
    img_resolution = raw_resolution = 64

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.from_numpy(CENTER).float())

    def config(self):
        return {}

    def mapping(self, z, *_, **__):
        return z[:, None]

    def latent_space(self) -> MappingNetwork:
        raise AssertionError("it has none")

    def prepare(self, ws: Tensor, options: DrawOptions = DEFAULT_OPTIONS) -> Subject:
        return Subject(ws)

    def sample(self, subject: Subject, points: Tensor) -> Decoded:
        offset = points - self.place
        sigma = STEEP * (RADIUS - offset.norm(dim=-1, keepdim=True))
        return Decoded(sigma, (offset / offset.norm(dim=-1, keepdim=True) + 1) / 2)

    def draw(
        self, subject: Subject, camera: Camera, options: DrawOptions = DEFAULT_OPTIONS
    ) -> Rendering:
        rays = camera_rays(camera, self.raw_resolution)
        offset = rays.origins - self.place
        along = (offset * rays.directions).sum(dim=-1)
        inside = along.square() - offset.square().sum(dim=-1) + RADIUS**2
        depth = torch.where(inside > 0, -along - inside.clamp(min=0).sqrt(), 3.3)
        depth = depth.view(1, 1, self.raw_resolution, -1)
        return Rendering(depth, depth, depth, depth)


@pytest.fixture
def field():
    return Field(Ball().requires_grad_(False), Subject(torch.zeros(1, 1, 1)))


@pytest.fixture(scope="module")
def mesh():
    return extract(ball, 1.0, 64, 0.0)


def edges(mesh):
    """How often each edge occurs, in either direction."""
    pairs = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return np.unique(pairs, axis=0, return_counts=True)[1]


def test_a_ball_has_its_radius_volume_and_topology(mesh):
    distance = np.linalg.norm(mesh.vertices - CENTER, axis=1)
    np.testing.assert_allclose(distance, RADIUS, atol=1e-3)
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.01)
    assert (edges(mesh) == 2).all(), "it is not closed"
    euler = len(mesh.vertices) - len(edges(mesh)) + len(mesh.faces)
    assert euler == 2
    outward = (mesh.vertices - CENTER) / RADIUS
    assert (face_normals(mesh) * outward).sum(axis=1).min() > 0.99


def test_a_field_ends_at_its_top(field):
    """In a wall; below it nothing is another."""
    found = extract(field._replace(top=0.1).density, 1.0, 64, 0.0)
    y = found.vertices[:, 1]
    assert 0.08 < y.max() < 0.1
    assert (edges(found) == 2).all()
    distance = np.linalg.norm(found.vertices - CENTER, axis=1)
    np.testing.assert_allclose(distance[y < 0.08], RADIUS, atol=1e-3)


def test_axes_are_the_worlds():
    small = extract(lambda points: ball(points, 0.1, np.array([0.1, 0.2, 0.3])), 1.0, 48, 0.0)
    np.testing.assert_allclose(small.vertices.mean(axis=0), [0.1, 0.2, 0.3], atol=2e-3)


@pytest.mark.parametrize("slab", [1, 5, 1000])
def test_slabs_change_nothing(mesh, monkeypatch, slab):
    monkeypatch.setattr(surface, "SLAB", slab)
    other = extract(ball, 1.0, 64, 0.0)
    assert len(other.faces) == len(mesh.faces)
    assert len(other.vertices) == len(mesh.vertices)
    np.testing.assert_allclose(np.sort(other.vertices, 0), np.sort(mesh.vertices, 0), atol=1e-5)
    assert (edges(other) == 2).all()


def test_each_point_is_asked_for_once_and_few_at_a_time(mesh):
    asked = []
    extract(lambda points: asked.append(len(points)) or ball(points), 1.0, 40, 0.0)
    assert sum(asked) == 40**3
    assert max(asked) <= 40**2


def test_what_reaches_the_sides_is_closed_there():
    column = extract(lambda points: STEEP * (0.2 - np.abs(points[:, :2]).max(axis=1)), 1.0, 32, 0.0)
    assert (edges(column) == 2).all()
    assert volume(column) == pytest.approx(0.4 * 0.4 * 1, rel=0.1)
    assert np.abs(column.vertices[:, 2]).max() > 0.46


def test_all_of_the_volume_or_nothing_of_it():
    everything = extract(lambda points: np.full(len(points), 1e9), 1.0, 16, 0.0)
    assert volume(everything) == pytest.approx(1, rel=0.03)
    with pytest.raises(InputError, match="nothing is denser than 0 there"):
        extract(lambda points: np.full(len(points), -1.0), 1.0, 16, 0.0)


def test_the_main_part_is_the_one_looked_at():
    def several(points):
        shell = STEEP * (0.03 - np.abs(np.linalg.norm(points, axis=1) - 0.45))
        speck = ball(points, 0.02, np.array([0, 0, 0.3]))
        return np.maximum(np.maximum(shell, speck), ball(points, 0.2, np.zeros(3)))

    whole = extract(several, 1.0, 64, 0.0)
    part = main_part(whole, (0.0, 0.0, 0.3))
    assert volume(part) == pytest.approx(4 / 3 * np.pi * 0.2**3, rel=0.02)
    assert (edges(part) == 2).all()
    assert len(part.vertices) == len(np.unique(part.faces))
    few = cut(replace(whole, normals=whole.vertices), np.arange(len(whole.faces)) < 5)
    assert np.array_equal(few.normals, few.vertices)


def test_vertices_in_one_place_are_joined():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1e-9], [0, 0, 1e-9]])
    points, faces = join(vertices, np.array([[0, 1, 2], [4, 1, 3], [0, 4, 1]]))
    assert len(points) == 3
    assert len(faces) == 2, "a face without area stays"
    assert np.array_equal(faces[0], faces[1])


def test_colours_are_those_of_the_surface(field, mesh):
    outward = (mesh.vertices - CENTER) / RADIUS
    found = paint(field, mesh, outward)
    np.testing.assert_allclose(found / 255, (outward + 1) / 2, atol=0.01)


def test_normals_of_the_depths(field, mesh):
    outward = (mesh.vertices - CENTER) / RADIUS
    wrong = np.tile([0.0, 0.0, 1e-9], (len(outward), 1))
    cameras = PRESETS["ffhq"].at([-0.6, 0.0, 0.6])
    found = fuse_normals(field, mesh, wrong, cameras, DrawOptions(raw_only=True))
    front = outward[:, 2] > 0.5
    assert (found * outward).sum(axis=1)[front].min() > 0.97
    behind = outward[:, 2] < -0.9
    np.testing.assert_allclose(found[behind], [[0, 0, 1]] * behind.sum(), atol=1e-6)
    kept = fuse_normals(field, mesh, outward, cameras, DrawOptions(raw_only=True))
    np.testing.assert_allclose(kept[behind], outward[behind], atol=1e-3)


def test_a_normal_map_looks_back_at_the_camera():
    camera = PRESETS["ffhq"].at(0.4)
    rays = camera_rays(camera, 16)
    depth = -(rays.origins * camera.forward[:, None]).sum(-1) / (
        rays.directions * camera.forward[:, None]
    ).sum(-1)  # a wall across the view
    normals = normal_map(camera, depth.view(1, 1, 16, 16))
    unit = normals / normals.norm(dim=1, keepdim=True)
    towards = -camera.forward[0][:, None, None].expand(3, 16, 16)
    torch.testing.assert_close(unit[0], towards, atol=1e-3, rtol=0)


def test_a_model_without_volume_says_so():
    with pytest.raises(UsageError, match="no volume"):
        Student.sample(object.__new__(Student), Subject(torch.zeros(1, 1, 1)), torch.zeros(1, 1, 3))


@pytest.fixture(params=[True, False])
def painted(request, mesh):
    """With and without normals and colours."""
    if not request.param:
        return mesh
    normals = face_normals(mesh).astype(np.float32)
    return replace(mesh, normals=normals, colours=(normals * 127 + 128).astype(np.uint8))


def test_ply(painted, tmp_path):
    path = tmp_path / "a.ply"
    write_mesh(painted, path)
    head, _, data = path.read_bytes().partition(b"end_header\n")
    lines = head.decode().splitlines()
    kinds = {"float": "<f4", "uchar": "u1"}
    fields = [
        (line.split()[2], kinds[line.split()[1]])
        for line in lines
        if line.startswith("property") and "list" not in line
    ]
    count, faces = (int(line.split()[2]) for line in lines if line.startswith("element"))
    rows = np.frombuffer(data, fields, count)
    corners = np.frombuffer(data, [("n", "u1"), ("i", "<u4", 3)], faces, rows.nbytes)
    assert len(data) == rows.nbytes + corners.nbytes
    assert (corners["n"] == 3).all()
    same(painted, columns(rows, "xyz"), corners["i"])
    if painted.normals is not None:
        assert np.array_equal(columns(rows, ["nx", "ny", "nz"]), painted.normals)
        assert np.array_equal(columns(rows, ["red", "green", "blue"]), painted.colours)


def test_obj(painted, tmp_path):
    path = tmp_path / "a.obj"
    write_mesh(painted, path)
    rows = {"v": [], "vn": [], "f": []}
    for line in path.read_text().splitlines()[1:]:
        word, *rest = line.split()
        rows[word].append([float(part.split("//")[0]) for part in rest])
        if word == "f" and painted.normals is not None:
            assert all(len(set(part.split("//"))) == 1 for part in rest)
    vertices = np.array(rows["v"])
    same(painted, vertices[:, :3], np.array(rows["f"]) - 1, atol=1e-5)
    if painted.normals is not None:
        np.testing.assert_allclose(vertices[:, 3:], painted.colours / 255, atol=1e-5)
        np.testing.assert_allclose(rows["vn"], painted.normals, atol=1e-4)


def test_glb(painted, tmp_path):
    path = tmp_path / "a.glb"
    write_mesh(painted, path)
    data = path.read_bytes()
    magic, version, length, size, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    scene = json.loads(data[20 : 20 + size])
    rest, kind = struct.unpack_from("<I4s", data, 20 + size)
    assert (kind, rest) == (b"BIN\0", len(data) - 28 - size)
    assert size % 4 == rest % 4 == 0

    def array(number):
        accessor = scene["accessors"][number]
        view = scene["bufferViews"][accessor["bufferView"]]
        dtype = {5126: "<f4", 5123: "<u2", 5125: "<u4"}[accessor["componentType"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        first = 28 + size + view["byteOffset"]
        found = np.frombuffer(data, dtype, accessor["count"] * width, first)
        return found.reshape(-1, width)

    (primitive,) = scene["meshes"][0]["primitives"]
    numbers = primitive["attributes"]
    same(painted, array(numbers["POSITION"]), array(primitive["indices"]).reshape(-1, 3))
    accessor = scene["accessors"][numbers["POSITION"]]
    np.testing.assert_allclose(accessor["max"], painted.vertices.max(axis=0))
    if painted.normals is not None:
        assert np.array_equal(array(numbers["NORMAL"]), painted.normals)
        colours = array(numbers["COLOR_0"]) / 65535
        assert (colours[:, 3] == 1).all()
        bright = painted.colours / 255
        np.testing.assert_allclose(colours[:, :3], bright**2.2, atol=0.01)


def columns(rows, names):
    return np.stack([rows[name] for name in names], axis=1)


def same(mesh: Mesh, vertices, faces, atol=0.0):
    np.testing.assert_allclose(vertices, mesh.vertices, rtol=0, atol=atol)
    assert np.array_equal(faces, mesh.faces)
