"""Every super-resolution module of the release against the official outputs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from golden import Golden, assert_close, filled, goldens
from torch import Tensor

from nerfgan_cli.errors import InputError
from nerfgan_cli.nn.superresolution import SuperResolution, build_superresolution
from nerfgan_cli.nn.superresolution_presets import PRESETS
from nerfgan_cli.ops.resize import resize

TOLERANCE = 1e-4
FP16_CLAMP = 256  # active wherever the release counts half-precision layers
FAMILY = pytest.mark.parametrize("path", goldens("eg3d_sr*.npz"))


def cases() -> list[Any]:
    """(file, module, input resolution, noise mode) of every golden output."""
    found = []
    for parameter in goldens("eg3d_sr*.npz"):
        path = parameter.values[0]
        if path is None:
            return [pytest.param(None, "", 0, "", marks=parameter.marks)]
        for key in sorted(Golden(path).keys()):
            if key.endswith("_sub"):
                module, resolution, noise = key.removesuffix("_sub").split("_")
                name = f"{parameter.id}-{module}-{resolution}-{noise}"
                found.append(pytest.param(path, module, int(resolution), noise, id=name))
    return found


def build(g: Golden, module: str) -> SuperResolution:
    kwargs = g.meta["kwargs"]
    network = build_superresolution(
        f"training.superresolution.SuperresolutionHybrid{module}",
        in_channels=kwargs["channels"],
        conv_clamp=FP16_CLAMP if kwargs["sr_num_fp16_res"] > 0 else None,
        antialias=kwargs.get("sr_antialias", True),
    )
    filled(network, lambda name: f"superresolution.{name}")
    return network


def inputs(g: Golden, resolution: int) -> tuple[Tensor, Tensor, Tensor]:
    ws = g.fx(*g.meta["ws"])
    channels = g.meta["kwargs"]["channels"]
    x = g.blocky(f"sr/x{resolution}", (len(ws), channels, resolution, resolution))
    return x[:, :3], x, ws


def statistics(x: Tensor) -> Tensor:
    """Mean, deviation, minimum, maximum, sum and sum of absolute values of each sample."""
    x = x.double().flatten(1)
    columns = (x.mean(1), x.std(1, correction=0), x.amin(1), x.amax(1), x.sum(1), x.abs().sum(1))
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize(("path", "module", "resolution", "noise"), cases())
def test_super_resolution(path: Path, module: str, resolution: int, noise: str) -> None:
    g = Golden(path)
    network = build(g, module)
    rgb, x, ws = inputs(g, resolution)
    given = x.clone()
    with torch.no_grad():
        out = network(rgb, x, ws, noise_mode=noise)
    assert torch.equal(x, given), "the input is written to"

    size = out.image.shape[-1]
    assert size == network.preset.resolution == g.meta["cases"][module]["img_resolution"]
    key, stride = f"{module}_{resolution}_{noise}", size // 32
    assert_close(
        out.image[:, :, stride // 2 :: stride, stride // 2 :: stride], g[f"{key}_sub"], TOLERANCE
    )
    assert_close(out.image[:, :, 40:56, 40:56], g[f"{key}_crop"], TOLERANCE)
    per_pixel = torch.tensor([1, 1, 1, 1, *[1 / out.image[0].numel()] * 2])
    assert_close(statistics(out.image) * per_pixel, g[f"{key}_stats"] * per_pixel, TOLERANCE)

    # The quirk: where the official code changed its input in place, that input became `first_rgb`.
    changed = bool(g[f"{key}_rgb_changed"])
    assert network.official_changes_rgb(resolution) == changed
    if changed:
        assert out.first_rgb.shape == rgb.shape
        assert not torch.equal(out.first_rgb, rgb)


@FAMILY
def test_every_case_is_there(path: Path) -> None:
    g = Golden(path)
    for module, case in g.meta["cases"].items():
        assert f"SuperresolutionHybrid{module}" in PRESETS
        for resolution in case["inputs"]:
            start = f"{module}_{resolution}_"
            assert [key for key in sorted(g.keys()) if key.startswith(start)]


@FAMILY
def test_resize(path: Path) -> None:
    g = Golden(path)
    name, channels = g.meta["resize_input"], g.meta["kwargs"]["channels"]
    size = int(name.rpartition("x")[2])
    source = g.blocky(name, (1, channels, size, size))[:, :3]
    for key in sorted(g.keys()):
        if key.startswith("resize_"):
            _, target, antialias = key.split("_")
            actual = resize(source, int(target), antialias=antialias == "aa1")
            assert_close(actual[:, :, ::2, ::2], g[key], TOLERANCE)


@FAMILY
def test_too_large_a_rendering_is_refused(path: Path) -> None:
    g = Golden(path)
    for module in g.meta["cases"]:
        network = build_superresolution(f"SuperresolutionHybrid{module}")
        if network.preset.enlarge_only:
            size = network.preset.input_resolution + 32
            with pytest.raises(InputError, match="render at"):
                network(*inputs(g, size))
