"""The volume renderer of the release: every case of the goldens, and its parts one by one."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from golden import Golden, assert_close, filled, goldens
from torch import Tensor

from nerfgan_cli.cameras import Camera
from nerfgan_cli.generators.eg3d_config import official_volume
from nerfgan_cli.nn.decoder import Decoder
from nerfgan_cli.nn.depths import Draws, importance_depths, invert_cdf, stratified_depths
from nerfgan_cli.nn.rays import Rays, camera_rays
from nerfgan_cli.nn.volume import (
    Samples,
    composite,
    interval_weights,
    ray_limits,
    render,
    sample_points,
)
from nerfgan_cli.nn.volume_config import VolumeConfig
from nerfgan_cli.ops.plane_axes import PLANE_AXES
from nerfgan_cli.ops.triplane import project, sample_each_plane

TOLERANCE = 1e-4
DEPTH_TOLERANCE = 1e-5
PATHS = goldens("eg3d_renderer*.npz")
FAMILY = pytest.mark.parametrize("path", PATHS)


def cases() -> list[Any]:
    """(file, case) of every case of every file."""
    parameters = []
    for parameter in PATHS:
        (path,) = parameter.values
        names = Golden(path).meta["options"] if path else [None]
        parameters += [
            pytest.param(path, name, marks=parameter.marks, id=f"{parameter.id}-{name}")
            for name in names
        ]
    return parameters


CASES = pytest.mark.parametrize(("path", "name"), cases())


class Case(NamedTuple):
    """A rendering with its options, and the official outputs."""

    golden: Golden
    name: str

    def has(self, output: str) -> bool:
        return f"{self.name}_{output}" in self.golden

    def output(self, name: str) -> Tensor:
        return self.golden[f"{self.name}_{name}"]

    @property
    def _axes(self) -> str:
        known = {"fixedplanes": "fixed", "xyxzzy": "zy"}  # as the goldens' description says
        return next(
            (axes for name, axes in known.items() if self.name.startswith(name)), "released"
        )

    @property
    def volume(self) -> VolumeConfig:
        volume = official_volume(self.golden.meta["options"][self.name])
        return replace(volume, plane_axes=self._axes)

    @property
    def rays(self) -> Rays:
        camera = f"c_{self.name}" if f"c_{self.name}" in self.golden else "c_ffhq"
        return camera_rays(Camera.from_label(self.golden[camera]), self.golden.meta["resolution"])

    @property
    def limits(self) -> tuple[Tensor, Tensor]:
        """Where rays miss the box, the release looks at the whole batch."""
        rays = self.rays
        joined = Rays(*(x.flatten(0, 1)[None] for x in rays))
        near, far = (x.view(*rays.origins.shape[:2], 1) for x in ray_limits(joined, self.volume))
        return near, far

    @property
    def draws(self) -> list[Draws]:
        """Those stored for `varied`, ½ everywhere in the other cases; one entry per image."""
        images, rays = self.rays.origins.shape[:2]
        if self.name.startswith("varied"):
            jitter, u = self.golden["jitter"][..., 0], self.golden["u"].unflatten(0, (images, rays))
            return [Draws(*drawn) for drawn in zip(jitter, u, strict=True)]
        counts = self.volume.depth_resolution, self.volume.depth_resolution_importance
        return [Draws(*(torch.full([1, count], 0.5) for count in counts))] * images


def planes_of(golden: Golden) -> Tensor:
    return golden.fx(*golden.meta["planes"])


def decoder_of(golden: Golden) -> Decoder:
    decoder = Decoder(golden.meta["planes"][1][2], golden["dec_rgb"].shape[-1])
    filled(decoder, lambda name: f"decoder.{name}")
    return decoder


@CASES
def test_rendering(path: Path, name: str) -> None:
    case = Case(Golden(path), name)
    rendered = render(
        planes_of(case.golden),
        decoder_of(case.golden),
        case.rays,
        case.limits,
        case.volume,
        case.draws,
        ray_chunk=50,  # does not divide the number of rays
    )
    assert_close(rendered.features, case.output("rgb"), TOLERANCE)
    assert_close(rendered.depth[..., None], case.output("depth"), DEPTH_TOLERANCE)
    assert_close(rendered.weight[..., None], case.output("weight"), TOLERANCE)


@CASES
def test_depths_of_both_passes(path: Path, name: str) -> None:
    case = Case(Golden(path), name)
    if not case.has("depths_coarse"):
        pytest.skip("this case has no intermediate values")
    g, rays = case.golden, case.rays
    for image, (near, far, draws) in enumerate(zip(*case.limits, case.draws, strict=True)):
        disparity = case.volume.disparity_space_sampling
        coarse = stratified_depths(near, far, draws.jitter, disparity)
        assert_close(coarse, case.output("depths_coarse")[image, ..., 0], DEPTH_TOLERANCE)

        o, d = rays.origins[image], rays.directions[image]
        points = (o[:, None] + coarse[..., None] * d[:, None]).flatten(0, 1)
        planes = planes_of(g)[image : image + 1]
        sigma = sample_points(planes, decoder_of(g), points[None], case.volume).sigma
        weights = interval_weights(sigma.view_as(coarse), coarse)
        assert_close(weights, case.output("weights_coarse")[image, ..., 0], TOLERANCE)

        fine = importance_depths(coarse, weights, draws.u)
        assert_close(fine, case.output("depths_fine")[image, ..., 0], DEPTH_TOLERANCE)


@FAMILY
def test_planes_and_decoder(path: Path) -> None:
    g = Golden(path)
    points = g.fx(*g.meta["points"])
    assert_close(points, g["points"], 0)
    axes = PLANE_AXES["released"]
    assert_close(project(points, axes).flatten(0, 1), g["projected"], DEPTH_TOLERANCE)
    planes = planes_of(g)
    each = sample_each_plane(planes, points, 1.0, axes)
    step = each.shape[-1] // g["plane_features"].shape[-1]
    assert_close(each[..., ::step], g["plane_features"], TOLERANCE)
    decoded = sample_points(planes, decoder_of(g), points, VolumeConfig(box_warp=1.0))
    assert_close(decoded.colors, g["dec_rgb"], TOLERANCE)
    assert_close(decoded.sigma, g["dec_sigma"], TOLERANCE)


@FAMILY
def test_marcher(path: Path) -> None:
    g = Golden(path)
    sigmas, depths = (g[f"march_{name}"][0, ..., 0] for name in ("sigma", "depths"))
    assert_close(interval_weights(sigmas, depths), g["march_weights"][0, ..., 0], TOLERANCE)
    samples = Samples(depths, sigmas, g["march_colors"][0])
    for white_back in (False, True):
        rendered = composite([samples], white_back)
        assert_close(rendered.features, g[f"march_rgb_wb{white_back:d}"][0], TOLERANCE)
        depth = rendered.depth.clamp(*depths.aminmax())
        assert_close(depth, g["march_depth"][0, ..., 0], DEPTH_TOLERANCE)


@FAMILY
def test_importance_sampling(path: Path) -> None:
    g = Golden(path)
    found = importance_depths(g["imp_z"][0, ..., 0], g["imp_w"][0, ..., 0], g["imp_u"])
    assert_close(found, g["imp_out"][0, ..., 0], DEPTH_TOLERANCE)
    u = torch.linspace(0, 1, g["pdf_det"].shape[1])[None]
    assert_close(invert_cdf(g["pdf_bins"], g["pdf_w"], u), g["pdf_det"], DEPTH_TOLERANCE)
