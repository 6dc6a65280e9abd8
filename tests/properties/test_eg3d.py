"""The EG3D generator as a generator of the contract: subjects, cameras, options, gradients."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nerfgan_cli.cameras import PRESETS, Camera
from nerfgan_cli.checkpoints.expected import generator_tensors
from nerfgan_cli.errors import InputError
from nerfgan_cli.generators.contract import DrawOptions, Rendering, Subject
from nerfgan_cli.generators.eg3d import EG3D, EG3DConfig
from nerfgan_cli.nn.volume_config import VolumeConfig

# Other batches may take other convolution kernels.
TOLERANCE = 2e-5
SMALL = EG3DConfig(
    z_dim=16,
    img_resolution=128,
    raw_resolution=12,
    channel_base=2048,
    channel_max=8,
    superresolution="SuperresolutionHybrid2X",
    volume=VolumeConfig(8, 8),
)
OPTIONS = DrawOptions()


def build(config: EG3DConfig = SMALL) -> EG3D:
    torch.manual_seed(0)
    generator = EG3D(config)
    with torch.no_grad():
        generator.decoder.net[2].bias += 2
    return generator.eval()


@pytest.fixture(scope="module")
def generator() -> EG3D:
    return build().requires_grad_(False)


@pytest.fixture(scope="module")
def ws(generator: EG3D) -> Tensor:
    torch.manual_seed(1)
    return generator.mapping(torch.randn(3, 16), PRESETS["ffhq"].frontal())


@pytest.fixture(scope="module")
def subjects(generator: EG3D, ws: Tensor) -> Subject:
    return generator.prepare(ws)


def cameras(count: int = 3) -> Camera:
    return PRESETS["ffhq"].at(yaw=torch.linspace(-0.4, 0.4, count))


def pick(subject: Subject, index: int) -> Subject:
    assert subject.planes is not None
    return Subject(subject.ws[[index]], subject.planes[[index]])


def assert_same(a: Rendering, b: Rendering, tolerance: float = TOLERANCE) -> None:
    for ours, theirs in zip(a, b, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


def test_shapes(generator: EG3D, subjects: Subject) -> None:
    out = generator.draw(subjects, cameras())
    assert out.image.shape == (3, 3, 128, 128)
    assert out.image_raw.shape == (3, 3, 12, 12)
    assert out.features.shape == (3, 32, 12, 12)
    assert out.depth is not None
    assert out.depth.shape == (3, 1, 12, 12)
    assert generator.has_depth
    assert generator.has_density
    assert generator.num_ws == subjects.ws.shape[1] == 14


def test_batches_change_nothing(generator: EG3D, ws: Tensor, subjects: Subject) -> None:
    together = generator.draw(subjects, cameras())
    for index in range(3):
        alone = generator.synthesis(ws[[index]], cameras()[index])
        assert_same(alone, Rendering(*(x[[index]] for x in together)))


def test_one_subject_serves_many_cameras(generator: EG3D, subjects: Subject) -> None:
    person = pick(subjects, 1)
    together = generator.draw(person, cameras())
    for index in range(3):
        alone = generator.draw(person, cameras()[index])
        assert_same(alone, Rendering(*(x[[index]] for x in together)))


def test_one_camera_serves_many_subjects(generator: EG3D, subjects: Subject) -> None:
    one = generator.draw(subjects, cameras()[0])
    assert_same(one, generator.draw(subjects, cameras()[0].expand(3)), 0)
    with pytest.raises(InputError, match="2 cameras"):
        generator.draw(subjects, cameras(2))


def test_ray_chunks_change_nothing(generator: EG3D, subjects: Subject) -> None:
    for seed in (None, 5):
        results = []
        for chunk in (11, 8192):
            jitter = None if seed is None else torch.Generator().manual_seed(seed)
            options = DrawOptions(ray_chunk=chunk, generator=jitter)
            results.append(generator.draw(subjects, cameras(), options))
        assert_same(*results)


def test_draws_come_from_the_given_generator(generator: EG3D, subjects: Subject) -> None:
    def draw(seed: int | None) -> Rendering:
        jitter = None if seed is None else torch.Generator().manual_seed(seed)
        return generator.draw(subjects, cameras(), DrawOptions(generator=jitter))

    assert_same(draw(None), draw(None), 0)
    assert_same(draw(1), draw(1), 0)
    assert not torch.allclose(draw(1).features, draw(2).features, atol=1e-3)
    state = torch.get_rng_state()
    draw(1)
    draw(None)
    assert torch.equal(torch.get_rng_state(), state)


def test_resolution_and_samples_are_options(generator: EG3D, subjects: Subject) -> None:
    person = pick(subjects, 0)
    out = generator.draw(person, cameras(1), DrawOptions(resolution=20, depth_multiplier=2))
    assert out.features.shape[2:] == (20, 20)
    doubled = build(replace(SMALL, volume=VolumeConfig(16, 16))).requires_grad_(False)
    assert_same(doubled.draw(person, cameras(1), DrawOptions(resolution=20)), out, 0)


def test_official_raw_image_only_where_the_release_overwrites_it(
    generator: EG3D, subjects: Subject
) -> None:
    person = pick(subjects, 0)
    for resolution, overwritten in ((64, True), (32, False)):
        options = DrawOptions(resolution=resolution)
        pure = generator.draw(person, cameras(1), options)
        official = generator.draw(person, cameras(1), replace(options, official_raw=True))
        assert torch.equal(pure.image_raw, pure.features[:, :3])
        assert torch.equal(official.image_raw, pure.image_raw) is not overwritten
        assert torch.equal(official.image, pure.image)
        assert torch.equal(official.features, pure.features)


def test_conditioning(generator: EG3D) -> None:
    z = torch.randn(1, 16)
    near, far = cameras(2)[0], cameras(2)[1]
    assert not torch.allclose(generator.mapping(z, near), generator.mapping(z, far))
    blind = build(replace(SMALL, conditioning_scale=0.0)).requires_grad_(False)
    assert torch.equal(blind.mapping(z, near), blind.mapping(z, far))


def test_average_of_w_moves_only_when_asked() -> None:
    generator = build().train()
    average = generator.backbone.mapping.w_avg
    generator.mapping(torch.randn(4, 16), cameras(1))
    assert (average == 0).all()
    generator.mapping(torch.randn(4, 16), cameras(1), update_average=True)
    assert (average != 0).any()


def test_density_at_points_of_the_image(generator: EG3D, subjects: Subject) -> None:
    points = torch.randn(3, 50, 3) * 0.3
    sigma, colors = generator.sample(subjects, points)
    assert (sigma.shape, colors.shape) == ((3, 50, 1), (3, 50, 32))
    alone = generator.density(pick(subjects, 2), points[2:])
    torch.testing.assert_close(alone, sigma[2:], rtol=0, atol=TOLERANCE)
    outside = generator.density(subjects, torch.full([3, 1, 3], 0.6))
    assert torch.equal(outside[0], outside[1])  # beyond the planes every subject is the same


def test_gradients_reach_every_part() -> None:
    generator = build().train()
    ws = generator.mapping(torch.randn(2, 16), cameras(1))
    options = DrawOptions(noise_mode="random", generator=torch.Generator().manual_seed(0))
    out = generator.synthesis(ws, cameras(2), options)
    (out.image.square().mean() + out.image_raw.mean() + out.depth.mean()).backward()
    for name, parameter in generator.named_parameters():
        if name.startswith("superresolution.") and name.endswith("noise_strength"):
            assert parameter.grad is None  # its noise mode is "none"
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name


def test_super_resolution_must_fit() -> None:
    with torch.device("meta"), pytest.raises(InputError, match="choose another"):
        EG3D(replace(SMALL, img_resolution=256))


def test_planes_and_codes_of_other_sizes() -> None:
    config = replace(
        SMALL, w_dim=24, plane_resolution=32, plane_channels=5, superresolution="Light128"
    )
    small = build(config)
    ws = small.mapping(torch.randn(2, 16), PRESETS["ffhq"].frontal())
    subject = small.prepare(ws)
    assert ws.shape == (2, 8, 24)
    assert subject.planes is not None
    assert subject.planes.shape == (2, 3, 5, 32, 32)
    assert small.draw(subject, cameras(2)).image.shape == (2, 3, 128, 128)
    shapes = {name: tuple(tensor.shape) for name, tensor in small.state_dict().items()}
    assert generator_tensors(config) == shapes
