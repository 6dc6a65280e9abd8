"""The volume renderer against its plain twin: time, peak memory, difference.

    python benchmarks/volume_renderer.py [--resolutions 64 128] [--repeats 7] [--threads 2]

The twin (`tests/oracles/volume.py`) renders all rays at once, samples each plane with
`grid_sample`, concatenates, sorts and gathers colours. Both start from the same planes in the
layout of a convolution's output and render one image with the samples of FFHQ, without gradients.

Times are medians of alternating runs in one process. Peak memory is measured in a process of its
own for each renderer: the high-water mark of its resident memory during one rendering (Linux resets
it on request), less what was resident before, that is without planes and libraries.
"""

import argparse
import statistics
from collections.abc import Callable

import torch
from measuring import in_child
from plain import plain_render

from nerfgan_cli.bench.memory import MB, Memory
from nerfgan_cli.bench.turns import take_turns
from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.nn.decoder import Decoder
from nerfgan_cli.nn.rays import camera_rays
from nerfgan_cli.nn.volume import draw_samples, ray_limits, render
from nerfgan_cli.nn.volume_config import VolumeConfig

CONFIG = VolumeConfig()  # FFHQ: 48 + 48 samples
RAY_CHUNK = 8192  # the contract's default
Renderer = Callable[[], tuple[torch.Tensor, ...]]


def build(resolution: int) -> dict[str, Renderer]:
    """Both renderers of the same scene; each gives features, depth, opacity."""
    torch.manual_seed(0)
    planes = torch.randn(1, 3, 32, 256, 256)
    decoder = Decoder(32, 32).requires_grad_(False)
    decoder.net[2].weight *= 3  # a volume that is partly opaque, as in tests/goldens/fill.py
    decoder.net[2].bias += 2
    rays = camera_rays(PRESETS["ffhq"].at(yaw=0.3, pitch=0.1), resolution)
    limits = ray_limits(rays, CONFIG)
    draws = next(draw_samples(CONFIG, resolution**2, planes.device, None))

    def ours() -> tuple[torch.Tensor, ...]:
        return render(planes, decoder, rays, limits, CONFIG, [draws], RAY_CHUNK)

    def twin() -> tuple[torch.Tensor, ...]:
        return plain_render(planes, decoder, rays, limits, CONFIG, [draws])

    return {"ours": ours, "plain": twin}


def peak_memory(name: str, resolution: int) -> float:
    """MB that one rendering adds to the memory of this process."""
    build(8)[name]()  # loads code and starts threads
    return Memory(torch.device("cpu")).added(build(resolution)[name]) / MB


def peak_in_own_process(name: str, resolution: int, threads: int) -> float:
    return float(in_child(__file__, "--peak", name, resolution, "--threads", threads))


def compare(resolution: int, repeats: int, threads: int) -> None:
    renderers = build(resolution)
    outputs = {name: renderer() for name, renderer in renderers.items()}
    difference = max(
        (a - b).abs().max().item() for a, b in zip(outputs["ours"], outputs["plain"], strict=True)
    )
    seconds = take_turns(renderers, repeats)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    peak = {name: peak_in_own_process(name, resolution, threads) for name in renderers}
    print(f"{resolution}² rays, 48 + 48 samples, {threads} threads")
    for name in renderers:
        spread = max(seconds[name]) - min(seconds[name])
        print(f"  {name:6} {median[name]:.3f} s (spread {spread:.3f}), {peak[name]:.0f} MB peak")
    print(f"  {median['plain'] / median['ours']:.1f}× faster, ", end="")
    print(f"{peak['plain'] / peak['ours']:.1f}× less memory, ", end="")
    print(f"largest difference {difference:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolutions", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peak", nargs=2, metavar=("RENDERER", "RESOLUTION"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    if arguments.peak:
        print(peak_memory(arguments.peak[0], int(arguments.peak[1])))
        return
    for resolution in arguments.resolutions:
        compare(resolution, arguments.repeats, arguments.threads)


if __name__ == "__main__":
    main()
