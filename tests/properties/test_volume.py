"""The volume renderer against its plain twin: values, derivatives, chunks, batches, memory."""

from itertools import repeat

import pytest
import torch
import torch.nn.functional as F
from oracles import volume as plain
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.errors import InputError
from nerfgan_cli.metrics.cost import cost
from nerfgan_cli.nn import depths
from nerfgan_cli.nn.decoder import Decoder, Softplus
from nerfgan_cli.nn.depths import Draws, random_draws
from nerfgan_cli.nn.rays import Rays, auto_limits, box_limits, camera_rays, shape_lattice
from nerfgan_cli.nn.volume import Rendered, draw_samples, ray_limits, render, sample_points
from nerfgan_cli.nn.volume_config import VolumeConfig
from nerfgan_cli.ops.plane_axes import PLANE_AXES
from nerfgan_cli.ops.triplane import plane_texels, sample_each_plane, sample_planes

AXES = pytest.mark.parametrize("axes", PLANE_AXES)
# Vectorised exponentials and matrix products round differently at the ends of a chunk.
CHUNK_TOLERANCE = 2e-6
CONFIG = VolumeConfig(depth_resolution=12, depth_resolution_importance=10)
AUTO = VolumeConfig(8, 8, "auto", "auto", box_warp=0.8, white_back=True)
RAYS = 7  # per side


def scene(images: int = 2) -> tuple[Tensor, Decoder]:
    """Planes and a decoder that make a partly opaque volume."""
    torch.manual_seed(1)
    decoder = Decoder(8, 8)
    with torch.no_grad():
        decoder.net[2].weight *= 3
        decoder.net[2].bias += 2
    return torch.randn(images, 3, 8, 32, 32), decoder


def cameras(images: int = 2) -> Camera:
    return PRESETS["ffhq"].at(yaw=torch.linspace(-0.5, 0.4, images), pitch=0.1)


def run(
    planes: Tensor,
    decoder: Decoder,
    camera: Camera,
    config: VolumeConfig = CONFIG,
    seed: int | None = 3,
    chunk: int = 1000,
    resolution: int = RAYS,
) -> Rendered:
    rays = camera_rays(camera, resolution)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    draws = draw_samples(config, resolution**2, planes.device, generator)
    return render(planes, decoder, rays, ray_limits(rays, config), config, draws, chunk)


def run_twin(planes: Tensor, decoder: Decoder, camera: Camera, config: VolumeConfig) -> Rendered:
    """With the draws of `run`; limits as everywhere for each image on its own."""
    rays = camera_rays(camera, RAYS)
    source = draw_samples(config, RAYS**2, planes.device, torch.Generator().manual_seed(3))
    draws = [next(source).rows(slice(0, RAYS**2)) for _ in range(len(camera))]
    first, last = decoder.net[0], decoder.net[2]
    out = plain.render(
        planes.expand(len(camera), -1, -1, -1, -1),
        (first.weight * first.weight_gain, first.bias, last.weight * last.weight_gain, last.bias),
        *rays,
        *ray_limits(rays, config),
        torch.stack([drawn.jitter for drawn in draws])[..., None],
        torch.stack([drawn.u for drawn in draws]),
        box_warp=config.box_warp,
        axes=PLANE_AXES[config.plane_axes],
        disparity=config.disparity_space_sampling,
        white_back=config.white_back,
    )
    return Rendered(out.features, out.depth[..., 0], out.weight[..., 0])


# --- tri-plane look-up ---


@AXES
def test_lookup_is_the_mean_of_the_plain_samples(axes: str) -> None:
    torch.manual_seed(0)
    planes = torch.randn(3, 5, 7, 7)
    points = torch.randn(500, 3)  # many outside, on every side
    found = sample_planes(plane_texels(planes), points, 1.7, PLANE_AXES[axes])
    expected = sample_each_plane(planes[None], points[None], 1.7, PLANE_AXES[axes])[0].mean(dim=0)
    assert (expected == 0).all(dim=1).any()
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)


@AXES
def test_derivatives_of_the_lookup(axes: str) -> None:
    torch.manual_seed(0)
    texels = torch.randn(3, 4, 4, 2, dtype=torch.float64, requires_grad=True)
    points = (torch.rand(9, 3, dtype=torch.float64) * 1.6 - 0.8).requires_grad_()

    def lookup(texels: Tensor, points: Tensor) -> Tensor:
        return sample_planes(texels, points, 1.2, PLANE_AXES[axes])

    assert torch.autograd.gradcheck(lookup, (texels, points))
    assert torch.autograd.gradgradcheck(lookup, (texels, points))


def test_derivatives_of_the_lookup_equal_those_of_indexing() -> None:
    """First and second order, for planes alone, for points alone and for both."""
    torch.manual_seed(0)
    axes = PLANE_AXES["released"]
    planes = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    points = torch.randn(40, 3, dtype=torch.float64) * 0.5
    for differentiated in ((planes,), (points,), (planes, points)):
        results = []
        for lookup in (
            lambda: sample_planes(plane_texels(planes), points, 1.0, axes),
            lambda: plain.sample_each_point(planes, points, 1.0, axes),
        ):
            for x in (planes, points):
                x.requires_grad_(any(x is y for y in differentiated))
            out = lookup()
            first = torch.autograd.grad(out.sin().sum(), differentiated, retain_graph=True)
            graph = torch.autograd.grad(out.sin().sum(), differentiated, create_graph=True)
            energy = sum(x.square().sum() for x in graph)
            results.append([out, *first, *graph, *torch.autograd.grad(energy, differentiated)])
        for ours, theirs in zip(*results, strict=True):
            torch.testing.assert_close(ours, theirs)


# --- decoder ---


def test_softplus_over_its_whole_range() -> None:
    x = torch.cat([torch.linspace(-200, 200, 4001), torch.tensor([-3e38, 3e38])])
    torch.testing.assert_close(Softplus()(x), F.softplus(x), rtol=1e-6, atol=2e-7)
    wide = torch.linspace(-40, 40, 21, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Softplus(), wide)
    assert torch.autograd.gradgradcheck(Softplus(), wide)


# --- renderer ---


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        VolumeConfig(12, 0),
        VolumeConfig(12, 10, disparity_space_sampling=True, plane_axes="fixed"),
        VolumeConfig(12, 10, 0.5, 3.5, box_warp=0.6, white_back=True, plane_axes="zy"),
        AUTO,
    ],
    ids=["two passes", "one pass", "disparity", "white", "auto"],
)
def test_rendering_and_gradients_equal_the_twin(config: VolumeConfig) -> None:
    planes, decoder = scene()
    parameters = [planes.requires_grad_(), *decoder.parameters()]
    if config is AUTO:  # the twin looks at the whole batch, we at each image
        planes = planes[:1]
    images = [run(planes, decoder, cameras(len(planes)), config, chunk=30)]
    images.append(run_twin(planes, decoder, cameras(len(planes)), config))
    for ours, theirs in zip(*images, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    torch.manual_seed(2)
    mix = [torch.randn_like(x) for x in images[0]]
    gradients = [
        torch.autograd.grad(sum((x * m).sum() for x, m in zip(out, mix, strict=True)), parameters)
        for out in images
    ]
    for ours, theirs in zip(*gradients, strict=True):
        scale = theirs.abs().max().item()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("seed", [None, 3], ids=["middle", "random"])
@pytest.mark.parametrize("config", [CONFIG, AUTO], ids=["fixed", "auto"])
def test_chunks_change_nothing(config: VolumeConfig, seed: int | None) -> None:
    planes, decoder = scene()
    decoder.requires_grad_(False)
    whole = run(planes, decoder, cameras(), config, seed)
    for chunk in (3, 20):
        parts = run(planes, decoder, cameras(), config, seed, chunk)
        for part, expected in zip(parts, whole, strict=True):
            torch.testing.assert_close(part, expected, rtol=0, atol=CHUNK_TOLERANCE)


@pytest.mark.parametrize("config", [CONFIG, AUTO], ids=["fixed", "auto"])
def test_images_do_not_depend_on_their_batch_mates(config: VolumeConfig) -> None:
    planes, decoder = scene(3)
    batch = run(planes, decoder, cameras(3), config, seed=None)
    for image in range(3):
        alone = run(planes[[image]], decoder, cameras(3)[image], config, seed=None)
        for ours, expected in zip(alone, batch, strict=True):
            assert torch.equal(ours[0], expected[image])


def test_random_draws_do_not_depend_on_the_batch() -> None:
    planes, decoder = scene(1)
    generator = torch.Generator().manual_seed(3)
    rays = camera_rays(cameras(2), RAYS)
    limits = ray_limits(rays, CONFIG)
    batch = run(planes, decoder, cameras(2))
    for image in range(2):
        one = Rays(*(x[[image]] for x in rays))
        draws = draw_samples(CONFIG, RAYS**2, planes.device, generator)
        alone = render(planes, decoder, one, tuple(x[[image]] for x in limits), CONFIG, draws, 99)
        assert torch.equal(alone.features[0], batch.features[image])
    other = run(planes, decoder, cameras(2), seed=4)
    assert not torch.allclose(other.features, batch.features, atol=1e-3)


@pytest.mark.parametrize("noise", [False, True])
def test_random_draws_take_no_more_memory_than_a_chunk(
    noise: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks; the first is what all rays of a small picture had at once."""
    monkeypatch.setattr(depths, "BLOCK", 50)
    most: list[int] = []

    def drawn(rays: int, chunk: int) -> list[Draws]:
        generator = torch.Generator().manual_seed(3)
        source = random_draws(rays, 4, 3, noise, torch.device("cpu"), generator)
        parts = []
        for start in range(0, rays, chunk):
            parts.append(source.rows(slice(start, start + chunk)))
            most.append(len(source.kept))
        return parts

    whole = [torch.cat(x) for x in zip(*drawn(130, 1000), strict=True) if x[0] is not None]
    assert [x.shape for x in whole] == [(130, 4), (130, 3), *([(130, 7)] if noise else [])]
    most.clear()
    for chunk in (1, 7, 50, 60):
        parts = drawn(130, chunk)
        again = [torch.cat(x) for x in zip(*parts, strict=True) if x[0] is not None]
        assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
    assert max(most) < 50
    small = torch.rand(20, 7, generator=torch.Generator().manual_seed(3))
    (found,) = drawn(20, 1000)
    assert torch.equal(torch.cat([found.jitter, found.u], dim=1), small)


def test_one_subject_serves_many_cameras() -> None:
    planes, decoder = scene(1)
    one = run(planes, decoder, cameras(3), seed=None)
    many = run(planes.expand(3, -1, -1, -1, -1), decoder, cameras(3), seed=None)
    assert all(torch.equal(a, b) for a, b in zip(one, many, strict=True))


def test_without_draws_samples_are_spread_evenly() -> None:
    """The second pass helps, as it would not if all its samples were at the median."""
    planes, decoder = scene(1)
    rays, config = camera_rays(cameras(1), RAYS), VolumeConfig(12, 12)
    target = run(planes, decoder, cameras(1), VolumeConfig(400, 400), seed=None).features
    medians = Draws(torch.full([1, 12], 0.5), torch.full([1, 12], 0.5))
    spread, bunched = (
        (render(planes, decoder, rays, limits, config, draws, 99).features - target).abs().mean()
        for limits in [ray_limits(rays, config)]
        for draws in (draw_samples(config, RAYS**2, planes.device, None), repeat(medians))
    )
    assert spread < 0.8 * bunched


def test_density_noise_only_with_random_draws() -> None:
    planes, decoder = scene(1)
    noisy = VolumeConfig(12, 10, density_noise=1.0)
    for seed, same in ((None, True), (3, False)):
        quiet = run(planes, decoder, cameras(1), CONFIG, seed).features
        assert torch.allclose(run(planes, decoder, cameras(1), noisy, seed).features, quiet) is same
    parts = [run(planes, decoder, cameras(1), noisy, 3, chunk).features for chunk in (7, 1000)]
    torch.testing.assert_close(*parts, rtol=0, atol=CHUNK_TOLERANCE)


def test_density_noise_reaches_both_passes() -> None:
    planes, decoder = scene(1)
    rays, noisy = camera_rays(cameras(1), RAYS), VolumeConfig(12, 10, density_noise=1.0)
    limits = ray_limits(rays, noisy)
    quiet = run(planes, decoder, cameras(1), seed=None).features
    for noised in (slice(0, 12), slice(12, 22)):
        noise = torch.zeros(1, 22)
        noise[:, noised] = 1
        draws = next(draw_samples(noisy, RAYS**2, planes.device, None))._replace(noise=noise)
        denser = render(planes, decoder, rays, limits, noisy, [draws], 99).features
        assert not torch.allclose(denser, quiet, atol=1e-3)


def test_a_ray_that_sees_nothing_ends_at_the_farthest_sample() -> None:
    planes, decoder = scene(1)
    with torch.no_grad():
        decoder.net[2].weight[0] = 0
        decoder.net[2].bias[0] = -1000
    for white_back, color in ((False, -1.0), (True, 1.0)):
        config = VolumeConfig(12, 10, white_back=white_back)
        empty = run(planes.requires_grad_(), decoder, cameras(1), config, seed=None)
        assert (empty.weight == 0).all()
        torch.testing.assert_close(empty.features, torch.full_like(empty.features, color))
        step = (3.3 - 2.25) / 11
        torch.testing.assert_close(empty.depth, torch.full_like(empty.depth, 3.3 + step / 2))
        jittered = run(planes, decoder, cameras(1), config, seed=3, chunk=7)
        assert (jittered.depth == jittered.depth.max()).all()
        (gradient,) = torch.autograd.grad(empty.depth.sum() + empty.features.sum(), planes)
        assert gradient.isfinite().all()


def test_points_equal_in_and_out_of_large_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    planes, decoder = scene()
    points = torch.randn(2, 300, 3) * 0.4
    whole = sample_points(planes, decoder, points, CONFIG)
    monkeypatch.setattr("nerfgan_cli.nn.volume.POINT_CHUNK", 77)
    for part, expected in zip(sample_points(planes, decoder, points, CONFIG), whole, strict=True):
        torch.testing.assert_close(part, expected, rtol=0, atol=CHUNK_TOLERANCE)


# --- memory: allocations counted, not timed (nerfgan_cli/metrics/cost.py) ---


def peak(resolution: int, chunk: int, images: int = 1) -> tuple[int, int]:
    """(peak of all allocations, of the outputs alone) in bytes."""
    planes, decoder = scene(1)
    planes = plane_texels(planes[0]).permute(0, 3, 1, 2)[None]
    arguments = (planes, decoder, cameras(images), CONFIG, None, chunk, resolution)
    outputs = sum(x.nbytes for x in run(*arguments))
    return cost(lambda: run(*arguments)).activation_bytes, outputs


def test_memory_is_bounded_by_the_chunk() -> None:
    """Four times the rays: only the outputs grow, once in parts and once joined."""
    (small, few), (large, many) = peak(16, chunk=32), peak(32, chunk=32)
    assert large - small < 2 * (many - few)
    assert large < peak(32, chunk=256)[0] / 4


def test_planes_are_not_copied_for_each_camera() -> None:
    (one, few), (four, many) = peak(16, chunk=64), peak(16, chunk=64, images=4)
    assert four - one < 2 * (many - few) < scene(1)[0].nbytes


# --- rays, limits, lattice, options ---


def test_limits_of_rays_that_miss() -> None:
    rays = camera_rays(cameras(1), 15)
    near, far = box_limits(rays, 0.5)
    missed = near > far
    assert missed.any()
    assert (near[missed] == -1).all()
    assert (far[missed] == -2).all()
    filled_near, filled_far = auto_limits(rays, 0.5)
    assert (filled_far[missed] > filled_near[missed]).all()
    assert torch.equal(filled_near[~missed], near[~missed])
    assert torch.equal(filled_far[~missed], far[~missed])


def test_lattice_is_regular() -> None:
    points = shape_lattice(torch.arange(4**3), 4, 2.0).view(4, 4, 4, 3)
    axis = torch.linspace(-1, 1, 4)
    expected = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    torch.testing.assert_close(points, expected)


def test_more_and_fewer_samples() -> None:
    assert CONFIG.scaled(1) is CONFIG
    doubled = CONFIG.scaled(2)
    assert (doubled.depth_resolution, doubled.depth_resolution_importance) == (24, 20)
    fewest = CONFIG.scaled(0.01)
    assert fewest.depth_resolution == 4
    planes, decoder = scene(1)
    assert run(planes, decoder, cameras(1), fewest).features.isfinite().all()


def test_impossible_volumes() -> None:
    for options, word in (
        ({"plane_axes": "xyz"}, "released"),
        ({"ray_start": "auto"}, "twice"),
        ({"depth_resolution": 3}, "at least"),
        ({"ray_start": 3.3}, "from 3.3 to 3.3 have no length: make ray_start smaller"),
        ({"ray_start": 1, "ray_end": 0.5}, "from 1 to 0.5 have no length"),
    ):
        with pytest.raises(InputError, match=word):
            VolumeConfig(**options)


def test_draws_given_by_hand() -> None:
    """Draws may be shared by all rays of an image or stated for each."""
    planes, decoder = scene(1)
    rays = camera_rays(cameras(1), RAYS)
    shared = Draws(torch.full([1, 12], 0.5), torch.full([1, 10], 0.5))
    each = Draws(*(x.expand(RAYS**2, -1) for x in shared[:2]))
    images = [
        render(planes, decoder, rays, ray_limits(rays, CONFIG), CONFIG, repeat(draws), 32)
        for draws in (shared, each)
    ]
    assert torch.equal(images[0].features, images[1].features)
