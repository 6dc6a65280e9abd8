"""Whole generators against the official outputs, from z to the image, through every stage."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from pathlib import Path

import pytest
import torch
from golden import Golden, assert_close, filled, goldens
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.contract import DrawOptions, Rendering, Subject
from nerfgan_cli.generators.eg3d import EG3D, EG3DConfig
from nerfgan_cli.nn.depths import Draws
from nerfgan_cli.nn.volume import Rendered

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Run:
    """Everything that a golden file asks for, computed once, in its order: seeds, then cameras."""

    golden: Golden

    @cached_property
    def generator(self) -> EG3D:
        meta = self.golden.meta
        attributes = {"neural_rendering_resolution": meta["neural_rendering_resolution"]}
        generator = EG3D(EG3DConfig.from_official(meta["init_kwargs"], attributes))
        filled(generator)
        return generator

    @cached_property
    def options(self) -> DrawOptions:
        return DrawOptions(noise_mode=self.golden.meta["noise_mode"])

    @cached_property
    def cameras(self) -> Camera:
        return Camera.from_label(self.golden["c"])

    @cached_property
    def ws(self) -> Tensor:
        meta, tag = self.golden.meta, self.golden.meta["tag"]
        shape = (1, self.generator.z_dim)
        z = torch.cat([self.golden.fx(f"{tag}/z{seed}", shape) for seed in meta["seeds"]])
        conditioning = Camera.from_label(self.golden["c_cond"])
        psi, cutoff = meta["truncation_psi"], meta["truncation_cutoff"]
        return self.generator.mapping(z, conditioning, psi, cutoff)

    @cached_property
    def subjects(self) -> list[Subject]:
        return [self.generator.prepare(ws[None], self.options) for ws in self.ws]

    def render(self, subject: Subject, cameras: Camera, options: DrawOptions) -> Rendered:
        """With the goldens' draws: ½ everywhere."""
        volume = self.generator.eg3d_config.volume
        counts = volume.depth_resolution, volume.depth_resolution_importance
        draws = Draws(*(torch.full([1, count], 0.5) for count in counts))
        return self.generator.render(subject, cameras, options, repeat(draws))

    @cached_property
    def rendered(self) -> list[Rendered]:
        return [self.render(subject, self.cameras, self.options) for subject in self.subjects]

    def finish(self, official_raw: bool) -> Rendering:
        options = replace(self.options, official_raw=official_raw)
        parts = [
            self.generator.finish(subject, rendered, options)
            for subject, rendered in zip(self.subjects, self.rendered, strict=True)
        ]
        return Rendering(*(torch.cat(outputs) for outputs in zip(*parts, strict=True)))

    @cached_property
    def official(self) -> Rendering:
        return self.finish(official_raw=True)


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(params=goldens("eg3d_generator_*.npz"), scope="module")
def run(request: pytest.FixtureRequest) -> Run:
    path: Path = request.param
    return Run(Golden(path))


def assert_same_stats(x: Tensor, golden: Tensor) -> None:
    """Mean, deviation, smallest, largest, sum, absolute sum of each sample; sums per number."""
    flat = x.double().flatten(1)
    sums = torch.stack([flat.mean(dim=1), flat.abs().mean(dim=1)], dim=1)
    spread = [flat.mean(dim=1), flat.std(dim=1, correction=0), flat.amin(dim=1), flat.amax(dim=1)]
    assert_close(torch.stack(spread, dim=1), golden[:, :4], TOLERANCE)
    assert_close(sums, golden[:, 4:] / flat.shape[1], TOLERANCE)


def test_style_codes(run: Run) -> None:
    assert_close(run.ws[:, 0], run.golden["w"], TOLERANCE)


def test_planes(run: Run) -> None:
    planes = torch.cat([subject.planes for subject in run.subjects]).flatten(1, 2)
    assert_close(planes[:, :, 5::16, 3::16], run.golden["planes_s16"], TOLERANCE)
    assert_same_stats(planes, run.golden["planes_stats"])


def test_density_and_colors_at_points(run: Run) -> None:
    points = run.golden.fx(*run.golden.meta["points"])
    assert_close(points[0], run.golden["points"], 0)
    for subject, expected in zip(run.subjects, run.golden["points_sigma_rgb"], strict=True):
        decoded = run.generator.sample(subject, points)
        assert_close(torch.cat(decoded, dim=2)[0], expected, TOLERANCE)
        assert torch.equal(run.generator.density(subject, points), decoded.sigma)


def test_features_depth_and_opacity(run: Run) -> None:
    g, meta = run.golden, run.golden.meta
    step = meta["feature_stride"]
    subset = (..., slice(step // 2, None, step), slice(step // 2, None, step))
    assert_close(run.official.features[subset], g["features_sub"], TOLERANCE)
    assert_same_stats(run.official.features, g["features_stats"])
    size = run.official.features.shape[-1]
    weight = torch.cat([rendered.weight for rendered in run.rendered]).view(-1, 1, size, size)
    assert_close(weight[subset], g["weight_sub"], TOLERANCE)
    step = meta["raw_stride"]
    depth = run.official.depth
    assert_close(depth[..., ::step, ::step], g["image_depth_sub"], TOLERANCE)
    assert_same_stats(depth, g["image_depth_stats"])


def test_official_raw_image(run: Run) -> None:
    step = run.golden.meta["raw_stride"]
    raw = run.official.image_raw
    assert_close(raw[..., ::step, ::step], run.golden["image_raw_sub"], TOLERANCE)
    assert_same_stats(raw, run.golden["image_raw_stats"])


def test_our_raw_image_is_the_pure_rendering(run: Run) -> None:
    ours = run.finish(official_raw=False)
    assert torch.equal(ours.image_raw, ours.features[:, :3])
    step = run.golden.meta["feature_stride"]
    subset = (..., slice(step // 2, None, step), slice(step // 2, None, step))
    assert_close(ours.image_raw[subset], run.golden["features_sub"][:, :3], TOLERANCE)
    assert torch.equal(ours.image, run.official.image)


def test_image(run: Run) -> None:
    g, meta = run.golden, run.golden.meta
    step, start = meta["image_stride"], meta["crop_start"]
    image = run.official.image
    assert_close(image[..., step // 2 :: step, step // 2 :: step], g["image_sub"], TOLERANCE)
    crop = slice(start, start + g["image_crop"].shape[-1])
    assert_close(image[..., crop, crop], g["image_crop"], TOLERANCE)
    assert_same_stats(image, g["image_stats"])


def test_image_of_another_rendering_resolution(run: Run) -> None:
    g, meta = run.golden, run.golden.meta
    if meta["extra_resolution"] is None:
        pytest.skip("this set has no second resolution")
    resolution = meta["extra_resolution"]
    options = DrawOptions(resolution, noise_mode=meta["noise_mode"], official_raw=True)
    rendered = run.render(run.subjects[-1], run.cameras[0], options)
    out = run.generator.finish(run.subjects[-1], rendered, options)
    step = meta["image_stride"]
    key = f"nrr{resolution}"
    image = out.image
    assert_close(image[..., step // 2 :: step, step // 2 :: step], g[f"{key}_image_sub"], TOLERANCE)
    assert_same_stats(image, g[f"{key}_image_stats"])
    assert_close(out.image_raw, g[f"{key}_image_raw"], TOLERANCE)
