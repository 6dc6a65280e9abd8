"""The Mimic3D generator as a generator of the contract: branches, patches, what is left out."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path

import ball
import pytest
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS as CAMERAS
from nerfgan_cli.cameras import Camera
from nerfgan_cli.checkpoints.base import Base
from nerfgan_cli.checkpoints.delta import apply, write_tuned
from nerfgan_cli.checkpoints.header import read_header
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.config_reader import read_config
from nerfgan_cli.generators.contract import DrawOptions, Rendering, Subject
from nerfgan_cli.generators.mimic3d import PRESETS, Mimic3D, Mimic3DConfig
from nerfgan_cli.generators.student import Student
from nerfgan_cli.generators.student_config import PredictorConfig, student_config
from nerfgan_cli.nn import skipping, volume
from nerfgan_cli.nn.patches import cut, draw_corners, patch_cameras
from nerfgan_cli.nn.volume_config import VolumeConfig

SIZE = 48
STRICT, ENLARGED = DrawOptions(branch="3d"), DrawOptions(branch="2d")


@pytest.fixture(scope="module")
def generator() -> Mimic3D:
    return ball.build()


@pytest.fixture(scope="module")
def subject(generator: Mimic3D) -> Subject:
    return ball.subject(generator)


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def cameras(*yaws: float) -> Camera:
    return CAMERAS["ffhq"].at(list(yaws), 0.1)


# Configurations


def test_presets_are_the_ten_released_ones() -> None:
    names = {f"{domain}-{phase}" for domain in DOMAINS for phase in ("2d", "3d")}
    assert set(PRESETS) == names
    for name, config in PRESETS.items():
        assert read_config(Mimic3DConfig, json.loads(json.dumps(asdict(config)))) == config
        assert config.residual == name.endswith("3d")
        assert config.training.density_reg_p_dist == (0.002 if config.residual else 0.004)
        assert (config.raw_resolution, config.conditioning_scale) == (64, 1.0)
        assert str(config.img_resolution) in name


DOMAINS = ("ffhq512", "ffhq256", "afhq512", "afhq256", "shapenet128")


def test_axes_of_eg3d_are_refused() -> None:
    with pytest.raises(InputError, match="xy, yz and zx"):
        Mimic3DConfig(volume=VolumeConfig())


# Branches


def test_2d_branch_is_eg3d_on_the_coarse_planes(generator: Mimic3D) -> None:
    ws = torch.randn(2, generator.num_ws, generator.w_dim)
    both, coarse = generator.prepare(ws, STRICT), generator.prepare(ws)
    assert both.planes is not None
    assert both.residual is not None
    assert coarse.residual is None
    assert torch.equal(both.planes, coarse.planes)
    assert both.residual.shape[-1] == 2 * both.planes.shape[-1]
    for out in (
        generator.draw(both, cameras(0.2), replace(ENLARGED, resolution=16)),
        generator.draw(coarse, cameras(0.2), DrawOptions(resolution=16)),
    ):
        assert_enlarged(out)


def assert_enlarged(out: Rendering) -> None:
    assert out.image.shape == (2, 3, 128, 128)
    assert out.features.shape == (2, 32, 16, 16)


@pytest.mark.parametrize("resolution", [None, 16, 50])
def test_3d_branch_draws_any_resolution(
    generator: Mimic3D, subject: Subject, resolution: int | None
) -> None:
    options = replace(STRICT, resolution=resolution, depth_multiplier=0.25)
    out = generator.draw(subject, cameras(0.2), options)
    size = generator.rays_per_side(options)
    assert size == resolution or (resolution is None and size == 128)
    assert out.image.shape == out.features.shape == (1, 3, size, size)
    assert torch.equal(out.image, out.image_raw)
    assert out.depth is not None
    assert out.depth.shape == (1, 1, size, size)


def test_a_point_has_one_colour_from_everywhere(generator: Mimic3D, subject: Subject) -> None:
    """A patch that is rendered alone is the same part of the whole picture, to the last digits."""
    camera, corners = cameras(0.3, -0.2), torch.tensor([[3, 20], [16, 0]])
    whole = generator.draw(subject, camera, replace(STRICT, resolution=SIZE))
    parts = patch_cameras(camera, corners, SIZE, 16)
    patches = generator.draw(subject, parts, replace(STRICT, resolution=16))
    torch.testing.assert_close(patches.image, cut(whole.image, corners, 16), rtol=0, atol=2e-3)
    assert whole.image.std() > 0.2


def test_chunks_and_batch_mates_change_nothing(generator: Mimic3D, subject: Subject) -> None:
    options = replace(STRICT, resolution=20)
    other = ball.subject(generator, turn=0.3)
    pair = Subject(
        *(None if a is None else torch.cat([a, b]) for a, b in zip(subject, other, strict=True))
    )
    both = generator.draw(pair, cameras(0.3, -0.2), options)
    for index, one in enumerate((subject, other)):
        alone = generator.draw(one, cameras(0.3, -0.2)[index], replace(options, ray_chunk=33))
        torch.testing.assert_close(alone.image[0], both.image[index], rtol=0, atol=1e-5)
    assert not torch.allclose(both.image[0], both.image[1], atol=0.1)


def test_branches_that_are_not_there(subject: Subject) -> None:
    flat = Mimic3D(replace(ball.CONFIG, residual=False))
    assert (flat.branches, flat.branch) == (("2d",), "2d")
    with pytest.raises(UsageError, match="no branch '3d', only 2d"):
        flat.draw(subject, cameras(0), STRICT)


def test_another_branch_may_be_the_usual_one(subject: Subject, tmp_path: Path) -> None:
    """Of a model that was tuned with it, for whoever opens that."""
    options, base = DrawOptions(resolution=12), ball.build()
    strict = base.draw(subject, cameras(0.3), replace(STRICT, resolution=12)).image
    tuned = deepcopy(base)
    tuned.prefer_branch("3d")
    tuned.decoder.net[2].bias[1] += 0.5
    file = tmp_path / "tuned.safetensors"
    origin = Base("ball", None, 0)
    write_tuned(file, base, tuned, origin, Provenance("photo"))
    apply(file, read_header(file), base)
    assert (base.branch, base.branches) == ("3d", ("3d", "2d"))
    drawn = base.draw(subject, cameras(0.3), options).image
    assert drawn.shape == strict.shape
    assert (drawn - strict).abs().max() > 0.1
    torch.testing.assert_close(drawn, tuned.draw(subject, cameras(0.3), options).image)
    with pytest.raises(UsageError, match="no branch '3d', only 2d"):
        Mimic3D(replace(ball.CONFIG, residual=False)).prefer_branch("3d")
    with pytest.raises(InputError, match="how it was drawn"):
        apply(file, read_header(file), Mimic3D(replace(ball.CONFIG, residual=False)))


def test_resolutions_that_are_impossible(generator: Mimic3D, subject: Subject) -> None:
    with pytest.raises(UsageError, match="cannot enlarge a rendering of 65²"):
        generator.draw(subject, cameras(0), replace(ENLARGED, resolution=65))
    options = replace(ENLARGED, resolution=65, raw_only=True, depth_multiplier=0.2)
    assert generator.draw(subject, cameras(0), options).image.shape[-1] == 65


def test_everything_learns_from_the_3d_branch(generator: Mimic3D) -> None:
    """But the super-resolution, which it does not use, and features that are no colours."""
    learning = Mimic3D(ball.CONFIG)
    with torch.enable_grad():
        ws = learning.mapping(torch.randn(1, 16), cameras(0), update_average=False)
        subject = learning.prepare(ws, STRICT)
        assert subject.solid is None
        learning.draw(subject, cameras(0), replace(STRICT, resolution=8)).image.sum().backward()
    without = {n for n, p in learning.named_parameters() if p.grad is None or not p.grad.any()}
    assert {name.partition(".")[0] for name in without} == {"superresolution"}
    assert learning.decoder.net[2].weight.grad[4:].abs().max() == 0


def test_a_student_begins_as_its_planes(generator: Mimic3D) -> None:
    config = student_config("light", generator)
    small = PredictorConfig("stylegan2", channel_base=256, channel_max=8)
    student = Student(replace(config, raw_resolution=32, predictor=small))
    student.start_from_teacher(generator)
    student.start_predictor_from(generator)
    z = torch.randn(1, 16)
    assert torch.equal(student.mapping(z, cameras(0)), generator.mapping(z, cameras(0)))
    own, its = student.predictor.state_dict(), generator.planes_network().state_dict()
    assert torch.equal(own["b4.const"], its["b4.const"][0])
    assert torch.equal(own["b32.conv1.weight"], its["b32.conv1.weight"])


# Patches


def test_corners_reach_from_edge_to_edge() -> None:
    corners = draw_corners(500, 9, 4, torch.Generator().manual_seed(0))
    assert corners.shape == (500, 2)
    for axis in range(2):
        assert set(corners[:, axis].tolist()) == set(range(6))


# What is left out


def test_nothing_is_missed(
    generator: Mimic3D, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colours as without skipping, from a part of the samples."""
    looked_up: list[int] = []
    at = volume.Field.at

    def counted(field: volume.Field, points: Tensor) -> object:
        looked_up.append(len(points))
        return at(field, points)

    monkeypatch.setattr(volume.Field, "at", counted)
    options, camera = replace(STRICT, resolution=SIZE), cameras(0.3, -0.4)
    seen = generator.render(subject, camera, options)
    few = sum(looked_up)
    looked_up.clear()
    every = generator.render(subject, camera, replace(options, skipping=False))
    assert sum(looked_up) == 2 * SIZE**2 * 48
    assert few < 0.4 * sum(looked_up)
    assert (seen.features - every.features).abs().max() < skipping.TOLERANCE
    assert (seen.weight - every.weight).abs().max() < skipping.TOLERANCE / 2
    opaque = every.weight > 0.99
    assert 0.1 < opaque.float().mean() < 0.9
    assert (seen.depth - every.depth)[opaque].abs().max() < 0.01


@pytest.mark.parametrize("skipped", [True, False])
def test_rays_beyond_a_chunk_take_no_room(
    generator: Mimic3D, subject: Subject, monkeypatch: pytest.MonkeyPatch, skipped: bool
) -> None:
    """However large the picture, as many points at once."""
    most = dict.fromkeys((50, 576), 0)
    at = volume.Field.at

    def counted(field: volume.Field, points: Tensor) -> object:
        most[chunk] = max(most[chunk], len(points))
        return at(field, points)

    monkeypatch.setattr(volume.Field, "at", counted)
    for chunk in most:
        options = replace(STRICT, resolution=24, ray_chunk=chunk, skipping=skipped)
        generator.render(subject, cameras(0.3), options)
    bound = 50 * (skipping.LAYERS if skipped else 24)
    assert 0 < most[50] <= bound < most[576]


def test_a_lattice_is_the_field_itself(generator: Mimic3D, subject: Subject) -> None:
    """At its corners, along x, y and z; the outermost ones lie on the box."""
    assert subject.planes is not None
    assert subject.residual is not None
    config = ball.CONFIG.volume
    sets = [subject.planes[0], subject.residual[0]]
    lattice = skipping._lattice(sets, generator.decoder, config, 10)
    x, y, z = index = (7, 2, 5)
    point = torch.tensor(index).float() / 10 - 0.5
    expected = generator.sample(subject, point[None, None]).sigma
    torch.testing.assert_close(lattice[x, y, z], expected[0, 0, 0], rtol=1e-4, atol=1e-4)
    assert lattice.shape == (11, 11, 11)
    assert lattice[5, 5, 5] > 0 > lattice[0, 5, 5]


def test_a_dense_outside_is_not_left_out(generator: Mimic3D, subject: Subject) -> None:
    """Beyond the box the density is that of the decoder's biases, whatever it may be."""
    dense = ball.build()
    dense.decoder.net[2].bias[0] += 13
    solid = skipping.find_solid(
        subject.planes, subject.residual, dense.decoder, ball.CONFIG.volume, 128
    )
    assert solid[0, 0].all()
    assert not subject.solid[0, 0].any()
    options = replace(STRICT, resolution=12)
    filled = subject._replace(solid=solid)
    seen = dense.draw(filled, cameras(0.3), options).image
    every = dense.draw(filled, cameras(0.3), replace(options, skipping=False)).image
    assert (seen - every).abs().max() < skipping.TOLERANCE
