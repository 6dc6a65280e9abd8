"""Mimic3D against the official outputs: planes, field, both branches, patches, discriminators."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden import Golden, assert_close, fill, filled
from mimic3d_case import SMALL, TOLERANCE, build, draw, fx, half, one
from torch import Tensor

from nerfgan_cli.camera_paths import official_orbit
from nerfgan_cli.cameras import PRESETS, Camera, from_official
from nerfgan_cli.figures.planes import brightness
from nerfgan_cli.generators.contract import DrawOptions, Subject
from nerfgan_cli.generators.mimic3d_config import PATCH_DISCRIMINATOR
from nerfgan_cli.meshes.surface import extract
from nerfgan_cli.nn.aware import Stage, cross_plane_concat
from nerfgan_cli.nn.discriminator_config import DiscriminatorConfig
from nerfgan_cli.nn.discriminators import build_discriminator
from nerfgan_cli.nn.patches import cut, patch_cameras
from nerfgan_cli.nn.rays import camera_rays, shape_lattice
from nerfgan_cli.ops.plane_axes import PLANE_AXES
from nerfgan_cli.ops.resize import resize
from nerfgan_cli.ops.triplane import sample_each_plane

CHANNELS, W_DIM, PATCH = 32, 512, 64
BOTH = DrawOptions(branch="3d")  # sets of planes


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def close(actual: Tensor, golden: Tensor, tolerance: float = TOLERANCE) -> None:
    assert_close(actual, golden, tolerance, floor=0)


def stage_of(level: int, output: int, residual: bool = False) -> Stage:
    stage = Stage(CHANNELS, W_DIM, output, output // level, residual)
    filled(stage, lambda name: f"backbone.synthesis.b3d{level}.{name}")
    return stage


# The 3D-aware stream and S³ᴰ


@pytest.mark.parametrize("path", one("aware"))
def test_aware_block(path: Path) -> None:
    g = Golden(path)
    assert_close(cross_plane_concat(fx(g, "aware/concat_x", (6, 4, 6, 6))), g["concat_out"], 1e-6)
    block = stage_of(8, 16).block
    prev, image = (
        fx(g, "aware/prev", (6, 32, 8, 8)),
        fx(g, "aware/img", (2, 96, 8, 8)).view(6, 32, 8, 8),
    )
    w = fx(g, "aware/ws", (2, 3, W_DIM))[:, -1]
    close(block.conv0.affine(w).view(2, 3, 96), g["conv0_styles"])
    close(block.conv0(cross_plane_concat(fx(g, "aware/layer_x", (6, 32, 8, 8))), w), g["conv0_out"])
    close(
        block.torgb(cross_plane_concat(fx(g, "aware/torgb_x", (6, 32, 16, 16))), w), g["torgb_out"]
    )
    close(block(image, w), g["out_noprev"])
    inputs = [x.requires_grad_() for x in (prev, image, w)]
    with torch.enable_grad():
        out = block(prev + image, w)
        grads = torch.autograd.grad((out * fx(g, "aware/cotangent", out.shape)).sum(), inputs)
    close(out, g["out"])
    close(grads[0], g["grad_prev"], 1e-4)
    close(grads[1].view(2, 96, 8, 8), g["grad_img"], 1e-4)
    close(grads[2], g["grad_ws"][:, -1], 1e-4)


@pytest.mark.parametrize("path", one("s3d"))
def test_s3d(path: Path) -> None:
    g, stage = Golden(path), stage_of(16, 16, residual=True)
    shape, w = (6, 32, 16, 16), fx(Golden(path), "s3d/ws", (2, 3, W_DIM))[:, -1]
    image = fx(g, "s3d/img", (2, 96, 16, 16)).view(shape)
    coarse = stage.block(fx(g, "s3d/prev", shape) + image, w)
    close(coarse, g["coarse"])
    ws = w[:, None].expand(-1, 3, -1)
    close(stage.block2(coarse, None, ws)[1], g["mid"])
    close(stage.enlarge(coarse, w), g["residual"])
    alone = stage.block2(fx(g, "s3d/block2_x", shape), None, ws)[1]
    close(alone[..., ::2, ::2], g["block2_only"])


@pytest.mark.parametrize("path", one("tiny"))
def test_planes_of_a_tiny_generator(path: Path) -> None:
    g = Golden(path)
    generator, camera = build(g), Camera.from_label(g["c"])
    z = fx(g, "tiny/z", (2, W_DIM))
    close(generator.mapping(z, camera)[:, 0], g["w"])
    close(generator.mapping(z, camera, 0.7)[:, 0], g["w_trunc"])
    ws = fx(g, "tiny/ws_plus", (2, 8, W_DIM))
    for image, planes in generator.planes_network().streams(ws):
        level = image.shape[-1]
        assert_strided(image[:1], g[f"main{level}"])
        assert_strided(planes[:3], g[f"aware{level}"])
    subject = generator.prepare(ws, BOTH)
    assert subject.planes is not None
    assert subject.residual is not None
    for name, found in (("coarse", subject.planes), ("residual", subject.residual)):
        assert_strided(found[0], g[name])
        assert_strided(found[1], g[f"{name}_b1"])
        flat = found.flatten(0, 1).flatten(2)
        close(flat.mean(dim=2), g[f"{name}_mean"])
        close(flat.std(dim=2), g[f"{name}_std"], 1e-4)
    silent = generator.prepare(ws, DrawOptions(noise_mode="none", branch="2d"))
    assert silent.residual is None
    assert silent.planes is not None
    assert_strided(silent.planes[0], g["coarse_nonoise"])


def assert_strided(x: Tensor, golden: Tensor) -> None:
    """Some of its pixels, as many as the golden has."""
    step = x.shape[-1] // golden.shape[-1]
    close(x[..., ::step, ::step], golden)


@pytest.mark.parametrize("path", one("generator"))
def test_planes_of_full_size(path: Path) -> None:
    g = Golden(path)
    generator = build(g)
    codes = generator.mapping(fx(g, "full/z", (1, W_DIM)), Camera.from_label(g["c"]))
    close(codes[:, 0], g["w"])
    ws = codes + 0.3 * fx(g, "full/ws_offset", (1, 14, W_DIM))
    for image, planes in generator.planes_network().streams(ws):
        level = image.shape[-1]
        assert_strided(image, g[f"main{level}"])
        assert_strided(planes, g[f"aware{level}"])
        for name, found in (("main", image), ("aware", planes)):
            deviation = found.flatten(2).std(dim=2)
            close(deviation, g[f"{name}{level}_std"], 1e-4)
    subject = generator.prepare(ws, BOTH)
    assert subject.planes is not None
    assert subject.residual is not None
    assert_strided(subject.planes[0], g["coarse"])
    close(subject.residual[0][..., 5::16, 3::16], g["residual"])
    for name, planes in (("coarse", subject.planes), ("residual", subject.residual)):
        flat = planes.flatten(0, 1).flatten(2)
        close(flat.mean(dim=2), g[f"{name}_mean"])
        close(flat.std(dim=2), g[f"{name}_std"], 1e-4)


# The field, both branches, patches


def given(g: Golden, tag: str = "render") -> Subject:
    """The goldens' planes."""
    coarse = fx(g, f"{tag}/plane_coarse", (6, 32, 32, 32))
    residual = fx(g, f"{tag}/plane_residual", (6, 32, 64, 64), 0.7)
    rows = 8 if g.meta.get("tiny") else 14
    ws = fx(g, f"{tag}/ws", (2, rows, W_DIM))
    return Subject(ws, coarse.unflatten(0, (2, 3)), residual=residual.unflatten(0, (2, 3)))


@pytest.mark.parametrize("path", one("field"))
def test_field(path: Path) -> None:
    g = Golden(path)
    generator, subject = build(g, **SMALL), given(g)
    sets = {
        "both": subject,
        "coarse": subject._replace(residual=None),
        "residual": subject._replace(planes=subject.residual, residual=None),
    }
    for name, looked_up in sets.items():
        decoded = generator.sample(looked_up, g["points"])
        close(decoded.sigma, g[f"sigma_{name}"])
        close(decoded.colors[:, ::3], g[f"rgb_{name}"])
    axes = PLANE_AXES["fixed"]
    each = [
        sample_each_plane(planes, g["points"][:, ::10], 1.0, axes)
        for planes in (subject.planes, subject.residual)
        if planes is not None
    ]
    close(each[0] + each[1], g["planefeat_both"])


def pick(subject: Subject, index: int) -> Subject:
    return Subject(*(None if x is None else x[[index]] for x in subject))


def crops_of(g: Golden) -> tuple[Tensor, Camera]:
    return g["top_left"].long(), Camera.from_label(g["c"])


@pytest.fixture(scope="module", params=one("render"))
def rendering(request: pytest.FixtureRequest) -> Any:
    g = Golden(request.param)
    with torch.no_grad():
        return g, build(g, **SMALL), given(g)


def test_2d_branch(rendering: Any) -> None:
    g, generator, subject = rendering
    corners, camera = crops_of(g)
    out = draw(generator, subject, camera, "2d", 64)
    close(out.image[..., ::8, ::8], g["image"])
    close(out.image_raw, g["image_raw"])
    close(out.depth, g["image_depth"])
    close(out.features[..., ::4, ::4], g["feature"])
    close(cut(out.image, corners, PATCH)[..., ::2, ::2], g["patch_image"])
    enlarged = cut(resize(out.image_raw, 512), corners, PATCH)
    close(enlarged[..., ::2, ::2], g["patch_image_gr"])


def test_patches_of_the_3d_branch(rendering: Any) -> None:
    g, generator, subject = rendering
    corners, camera = crops_of(g)
    patches = draw(generator, subject, patch_cameras(camera, corners, 512, PATCH), "3d", PATCH)
    close(patches.image, g["patch_image_raw"])
    assert patches.features.shape[1] == 3


def test_sets_of_planes(rendering: Any) -> None:
    g, generator, subject = rendering
    camera = Camera.from_label(g["c"])
    both = draw(generator, subject, camera, "3d", 32)
    residual = subject._replace(planes=subject.residual, residual=None)
    fine = draw(generator, residual, camera, "2d", 32, raw_only=True)
    for name, out in (("coarse0", both), ("coarse2", fine)):
        close(out.image_raw, g[f"raw_{name}"])
        close(out.depth, g[f"depth_{name}"])


def test_even_quantiles_are_what_is_drawn(rendering: Any) -> None:
    """Those of the library, without randomness."""
    g, generator, subject = rendering
    options = DrawOptions(resolution=32, branch="3d", skipping=False)
    out = generator.draw(subject, Camera.from_label(g["c"]), options)
    close(out.image, g["raw_mid"])
    close(out.depth, g["depth_mid"])


def test_direct_rendering(rendering: Any) -> None:
    """More rays than the super-resolution could take, and in chunks."""
    g, generator, subject = rendering
    out = draw(
        generator, pick(subject, 0), Camera.from_label(g["c"][:1]), "3d", 136, ray_chunk=3000
    )
    close(out.image[..., ::4, ::4], g["direct136"])
    close(out.depth[..., ::4, ::4], g["direct136_depth"])


@pytest.mark.parametrize("path", one("shapenet"))
def test_cars(path: Path) -> None:
    g = Golden(path)
    generator, subject = build(g, **SMALL), given(g, "shapenet")
    corners, camera = crops_of(g)
    rendered = generator.render(subject, camera, DrawOptions(branch="2d"), half(generator))
    out = generator.finish(subject, rendered)
    assert out.depth is not None
    close(out.image[..., ::2, ::2], g["image"])
    close(out.image_raw[..., ::2, ::2], g["image_raw_rendered"])
    close(out.depth[..., ::2, ::2], g["image_depth"])
    official = generator.finish(subject, rendered, DrawOptions(official_raw=True))
    close(official.image_raw[..., ::2, ::2], g["image_raw_returned"])
    patches = draw(generator, subject, patch_cameras(camera, corners, 128, PATCH), "3d", PATCH)
    close(patches.image[..., ::2, ::2], g["patch_image_raw"])


@pytest.mark.parametrize("path", one("rays"))
def test_rays_of_patches(path: Path) -> None:
    g = Golden(path)
    corners, camera = crops_of(g)
    rays = camera_rays(patch_cameras(camera, corners, 32, 8), 8)
    for found, name in ((rays.origins[:, :1], "origins"), (rays.directions, "dirs")):
        assert_close(found, g[name], 1e-6)
    assert_close(camera_rays(camera, 8).directions, g["full_dirs"], 1e-6)


# From where, and as what, the release's programs show it

PRESET_OF = {"ffhq": "ffhq", "afhq": "afhq", "shapenet": "cars-video"}


@pytest.mark.parametrize("path", one("rays"))
@pytest.mark.parametrize("data", PRESET_OF)
def test_cameras_of_inference(path: Path, data: str) -> None:
    g, preset = Golden(path), PRESETS[PRESET_OF[data]]
    picture = preset.at(*from_official(3.14 / 2 + 0.35, 3.14 / 2 - 0.05 + 0.25))
    assert_close(picture.label, g[f"image_cam_{data}"], 1e-6)
    orbit = official_orbit(preset, 120)[g["video_frames"]]
    assert_close(orbit.label, g[f"video_cam_{data}"], 1e-6)


@pytest.mark.parametrize("path", one("vis"))
def test_pictures_of_planes(path: Path) -> None:
    g = Golden(path)
    for planes, expected in zip(fx(g, "vis/plane", (2, 3, 32, 8, 8)), g["gray"], strict=True):
        gray = torch.cat(list(brightness(planes, PLANE_AXES["fixed"])), dim=1)
        assert gray.shape == expected.shape
        assert (gray.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("path", one("vis"))
@pytest.mark.parametrize(("count", "side"), [(5, 1.0), (8, 1.6)])
def test_lattice_of_a_surface(path: Path, count: int, side: float) -> None:
    """Ours is the release's without the fractions that its real division adds to y and x."""
    g, seen = Golden(path), []

    def density(points: Any) -> Any:
        seen.append(points)
        return points[:, 0]

    extract(density, side, count, 0.0)
    step = side / (count - 1)
    assert step == pytest.approx(g[f"voxel_size_{count}"].item())
    released = g[f"voxels_{count}"].double()
    whole = ((released + side / 2) / step + 1e-4).floor()  # [N³, 3]: x is slowest
    ours = (torch.from_numpy(np.concatenate(seen)) + side / 2) / step
    ours = ours.view(count, count, count, 3).permute(2, 1, 0, 3).reshape(-1, 3)
    assert_close(ours, whole, 1e-6)
    assert_close(shape_lattice(torch.arange(count**3), count, side, sheared=True), released, 1e-6)


# Everything, from z


@pytest.mark.parametrize("path", one("twod"))
def test_model_of_the_2d_phase(path: Path) -> None:
    g = Golden(path)
    generator, camera = build(g), Camera.from_label(g["c"])
    subject = generator.prepare(generator.mapping(fx(g, "twod/z", (1, W_DIM)), camera))
    assert subject.residual is None
    assert subject.planes is not None
    assert_strided(subject.planes[0], g["plane"])
    out = draw(generator, subject, camera, "2d", 32)
    assert_strided(out.image, g["image"])
    close(out.image_raw, g["image_raw"])
    close(out.depth, g["image_depth"])
    # The golden's own float32 is 6e-5 off what float64 renders from these planes.
    close(out.features[..., ::2, ::2], g["feature"], 1e-4)


@pytest.mark.parametrize("path", one("e2e"))
def test_both_branches_from_a_latent(path: Path) -> None:
    g = Golden(path)
    generator, (corners, camera) = build(g), crops_of(g)
    ws = generator.mapping(fx(g, "e2e/z", (1, W_DIM)), camera, 0.7, 14)
    subject = generator.prepare(ws, BOTH)
    out = draw(generator, subject, camera, "2d", 64)
    assert_strided(out.image, g["image"])
    close(out.image_raw, g["image_raw"])
    close(out.depth, g["image_depth"])
    close(cut(out.image, corners, PATCH), g["patch_image"])
    close(cut(resize(out.image_raw, 512), corners, PATCH), g["patch_image_gr"])
    patches = draw(generator, subject, patch_cameras(camera, corners, 512, PATCH), "3d", PATCH)
    close(patches.image, g["patch_image_raw"])


# Discriminators


@pytest.mark.parametrize("path", one("disc"))
def test_patch_discriminator(path: Path) -> None:
    g = Golden(path)
    network = build_discriminator("SingleDiscriminator", PATCH_DISCRIMINATOR)
    fill.fill_module(network)
    patches = fx(g, "disc/patch", (4, 3, PATCH, PATCH), 0.6).requires_grad_()
    with torch.enable_grad():
        logits = network.eval()(patches, patches, torch.zeros(4, 0))
        (gradient,) = torch.autograd.grad(logits.sum(), patches)
    assert_close(logits, g["patch_logits"], 1e-4)
    close(gradient[..., ::4, ::4], g["patch_grad"], 2e-2)
    close(gradient.square().sum(dim=[1, 2, 3]), g["patch_r1"], 1e-3)


@pytest.mark.parametrize("path", one("disc"))
def test_dual_discriminator(path: Path) -> None:
    g = Golden(path)
    network = build_discriminator("DualDiscriminator", DiscriminatorConfig(img_resolution=512))
    filled(network)
    image = fx(g, "disc/image", (4, 3, 512, 512), 0.6)
    raw = fx(g, "disc/raw", (4, 3, 64, 64), 0.6)
    assert_close(network(image, raw, fx(g, "disc/c", (4, 25))), g["dual_logits"], 1e-4)
