"""Filtered leaky ReLU against its plain twin: zeros inserted, separable depthwise filters.

    python benchmarks/filtered_lrelu.py [--repeats 3]

Every kind of layer of StyleGAN3-T at 64² with 512 channels, batch 1, float32, both in channels-last
memory; the two take turns. Times are medians in milliseconds with their range, forward alone
(without gradients) and forward + backward together. The last columns are the largest differences
of output and gradient, relative to their largest values.
"""

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from oracles.filtered_lrelu import filtered_lrelu as plain_filtered_lrelu  # noqa: E402

from nerfgan_cli.nn.stylegan3_filters import (  # noqa: E402
    STYLEGAN3_PRESETS,
    LayerSpec,
    layer_schedule,
)
from nerfgan_cli.ops.filtered_lrelu import filtered_lrelu  # noqa: E402

TARGET = 5  # the ratio that this project has set itself, forward and backward together
OPERATORS: tuple[Callable[..., Tensor], ...] = (plain_filtered_lrelu, filtered_lrelu)


def layer_kinds() -> list[tuple[LayerSpec, int]]:
    """One layer of each shape, with the number of its like in the network."""
    _, specs = layer_schedule(STYLEGAN3_PRESETS["T"], 64, 32)
    specs = [spec for spec in specs if not spec.is_torgb]
    shapes = [(spec.input.size, spec.output.size, spec.up) for spec in specs]
    counts = Counter(shapes)
    return [(specs[shapes.index(shape)], counts[shape]) for shape in counts]


class Problem:
    """Input, bias and upstream gradient of one layer's activation."""

    def __init__(self, spec: LayerSpec) -> None:
        size, channels = spec.input.size + spec.conv_kernel - 1, spec.output.channels
        shapes = [(1, channels, side, side) for side in (size, spec.output.size)]
        x, self.dy = (torch.randn(s).to(memory_format=torch.channels_last) for s in shapes)
        self.inputs = [x.requires_grad_(), torch.randn(channels, requires_grad=True)]
        self.filters = spec.up_filter(), spec.down_filter()
        self.settings = {
            "up": spec.up,
            "down": spec.down,
            "padding": spec.padding * 2,
            "clamp": 256.0,
        }

    def forward(self, operator: Callable[..., Tensor]) -> Tensor:
        x, bias = self.inputs
        return operator(x, *self.filters, bias, **self.settings)

    def inference(self, operator: Callable[..., Tensor]) -> list[Tensor]:
        with torch.no_grad():
            return [self.forward(operator)]

    def training(self, operator: Callable[..., Tensor]) -> list[Tensor]:
        y = self.forward(operator)
        return [y.detach(), *torch.autograd.grad(y, self.inputs, self.dy)]


Times = tuple[list[float], list[float]]  # of the plain twin and ours, in milliseconds


def take_turns(run: Callable[[Callable[..., Tensor]], object], repeats: int) -> Times:
    times: Times = ([], [])
    for turn in range(repeats + 1):  # the first only warms up
        for operator, milliseconds in zip(OPERATORS, times, strict=True):
            start = time.perf_counter()
            run(operator)
            if turn:
                milliseconds.append((time.perf_counter() - start) * 1e3)
    return times


def difference(problem: Problem) -> tuple[float, float]:
    """Largest relative difference of the output, and of the gradients."""
    pairs = zip(*(problem.training(operator) for operator in OPERATORS), strict=True)
    y, *gradients = [((b - a).abs().max() / a.abs().max()).item() for a, b in pairs]
    return y, max(gradients)


def describe(times: Times) -> str:
    parts = [f"{statistics.median(t):6.1f} ({min(t):6.1f}–{max(t):6.1f})" for t in times]
    return f"{parts[0]} {parts[1]} {ratio(times):5.1f}×"


def ratio(times: Times) -> float:
    return statistics.median(times[0]) / statistics.median(times[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    torch.manual_seed(0)
    print(
        f"{torch.get_num_threads()} threads, median (range) of {repeats} in ms: plain, ours, ratio"
    )
    print(f"{'layer':14}{'forward':>52}{'forward + backward':>55}{'differences':>14}")
    totals: dict[str, list[float]] = {"forward": [0, 0], "forward + backward": [0, 0]}
    for spec, count in layer_kinds():
        problem = Problem(spec)
        measured = [take_turns(f, repeats) for f in (problem.inference, problem.training)]
        for total, times in zip(totals.values(), measured, strict=True):
            for i in (0, 1):
                total[i] += count * statistics.median(times[i])
        y, dx = difference(problem)
        name = f"{spec.input.size}²→{spec.output.size}² ×{count}"
        print(f"{name:14}{describe(measured[0])}   {describe(measured[1])}   {y:.0e} {dx:.0e}")
    for name, (plain, ours) in totals.items():
        print(f"all layers, {name}: {plain:.0f} → {ours:.0f} ms, {plain / ours:.1f}×")
    reached = totals["forward + backward"][0] / totals["forward + backward"][1] >= TARGET
    print(f"target of {TARGET}× {'reached' if reached else 'MISSED'}")


if __name__ == "__main__":
    main()
