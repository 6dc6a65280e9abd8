"""Low-pass filters and layer schedule of the alias-free generator (StyleGAN3, sections 3.1-3.2).

Cutoff, stop-band and sampling rate grow geometrically from the first layer to the last. Rates are
in samples per side of the final image, frequencies in cycles per side. Every grid is centred on
the image and reaches `margin_size` samples beyond it; the last two have the size of the image.
"""

from dataclasses import dataclass
from math import ceil, log2, pi

import torch
from torch import Tensor


@dataclass(frozen=True)
class StyleGAN3Config:
    """Architecture of a synthesis network; the defaults are those of configuration T."""

    channel_base: int = 32768  # channels · 2 · cutoff, where that is below channel_max
    channel_max: int = 512
    conv_kernel: int = 3
    use_radial_filters: bool = False  # rotation-symmetric down-filters below critical sampling
    num_layers: int = 14  # without the output projection
    num_critical: int = 2  # last layers, sampled at exactly twice their cutoff
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3  # stop-band of the last layer, relative to its cutoff
    margin_size: int = 10  # samples around the image, at every layer's own rate
    filter_size: int = 6  # taps per sample of the lower of the two rates
    lrelu_upsampling: int = 2  # rate of the activation relative to its layer
    conv_clamp: float | None = 256.0
    output_scale: float = 0.25
    magnitude_ema_beta: float = 0.999  # decay of each layer's average input energy


# Equivariant to translation, and to rotation too (StyleGAN3, table 1; stylegan3.md section 7).
STYLEGAN3_PRESETS = {
    name: StyleGAN3Config(channel_base, channel_max, conv_kernel, use_radial_filters)
    for name, channel_base, channel_max, conv_kernel, use_radial_filters in (
        ("T", 32768, 512, 3, False),
        ("R", 65536, 1024, 1, True),
    )
}


@dataclass(frozen=True)
class Grid:
    """The signal between two layers."""

    channels: int
    size: int  # samples per side, margins included
    sampling_rate: int
    cutoff: float
    half_width: float  # of the transition band


@dataclass(frozen=True)
class LayerSpec:
    """One synthesis layer: what comes in, what goes out, and the filters between."""

    index: int
    input: Grid
    output: Grid
    conv_kernel: int
    is_torgb: bool  # output projection: no filters, no activation
    radial_down_filter: bool
    filter_size: int
    lrelu_upsampling: int

    @property
    def name(self) -> str:
        return f"L{self.index}_{self.output.size}_{self.output.channels}"

    @property
    def activation_rate(self) -> int:
        rate = max(self.input.sampling_rate, self.output.sampling_rate)
        return rate if self.is_torgb else rate * self.lrelu_upsampling

    @property
    def up(self) -> int:
        return self.activation_rate // self.input.sampling_rate

    @property
    def down(self) -> int:
        return self.activation_rate // self.output.sampling_rate

    @property
    def up_taps(self) -> int:
        return self.filter_size * self.up if self.up > 1 and not self.is_torgb else 1

    @property
    def down_taps(self) -> int:
        return self.filter_size * self.down if self.down > 1 and not self.is_torgb else 1

    @property
    def padding(self) -> tuple[int, int]:
        """Up-sampled pixels before and after, such that the two grids keep one centre."""
        needed = (self.output.size - 1) * self.down + 1
        present = (self.input.size + self.conv_kernel - 1) * self.up
        total = needed - present + self.up_taps + self.down_taps - 2
        before = (total + self.up) // 2  # rounds down for negative totals too
        return before, total - before

    def up_filter(self) -> Tensor | None:  # [T]
        if self.up_taps == 1:
            return None
        source = self.input
        return lowpass(self.up_taps, source.cutoff, source.half_width, self.activation_rate)

    def down_filter(self) -> Tensor | None:  # [T] or [T, T]
        if self.down_taps == 1:
            return None
        design = radial_lowpass if self.radial_down_filter else lowpass
        target = self.output
        return design(self.down_taps, target.cutoff, target.half_width, self.activation_rate)


def layer_schedule(
    config: StyleGAN3Config, img_resolution: int, img_channels: int
) -> tuple[Grid, list[LayerSpec]]:
    """The grid of the synthesis input, and the layers that follow (stylegan3.md section 4)."""
    N = config.num_layers
    grids = [_grid(config, index, img_resolution, img_channels) for index in range(N + 1)]
    layers = [
        LayerSpec(
            index=index,
            input=grids[max(index - 1, 0)],
            output=grids[index],
            conv_kernel=1 if index == N else config.conv_kernel,
            is_torgb=index == N,
            radial_down_filter=config.use_radial_filters and index < N - config.num_critical,
            filter_size=config.filter_size,
            lrelu_upsampling=config.lrelu_upsampling,
        )
        for index in range(N + 1)
    ]
    return grids[0], layers


def _grid(config: StyleGAN3Config, index: int, img_resolution: int, img_channels: int) -> Grid:
    N = config.num_layers
    progress = min(index / (N - config.num_critical), 1)
    last_cutoff = img_resolution / 2
    last_stopband = last_cutoff * config.last_stopband_rel
    cutoff = config.first_cutoff * (last_cutoff / config.first_cutoff) ** progress
    stopband = config.first_stopband * (last_stopband / config.first_stopband) ** progress
    rate = 2 ** ceil(log2(min(2 * stopband, img_resolution)))
    channels = round(min(config.channel_base / 2 / cutoff, config.channel_max))
    return Grid(
        channels=img_channels if index == N else channels,
        size=img_resolution if index >= N - 1 else rate + 2 * config.margin_size,
        sampling_rate=rate,
        cutoff=cutoff,
        half_width=max(stopband, rate / 2) - cutoff,
    )


def kaiser_window(taps: int, half_width: float, sampling_rate: float) -> Tensor:  # [T] float64
    """Kaiser's window for a transition band of `half_width` on each side of the cutoff."""
    width = 2 * half_width / (sampling_rate / 2)
    attenuation = 2.285 * (taps - 1) * pi * width + 7.95  # in dB
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation > 21:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    else:
        beta = 0.0
    return torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64)


def tap_positions(taps: int, sampling_rate: float) -> Tensor:  # [T] float64, centred on 0
    return (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / sampling_rate


def lowpass(
    taps: int, cutoff: float, half_width: float, sampling_rate: float
) -> Tensor:  # [T], sum 1
    """Windowed sinc, for use along both axes."""
    t = tap_positions(taps, sampling_rate)
    fir = torch.sinc(2 * cutoff * t) * kaiser_window(taps, half_width, sampling_rate)
    return normalised(fir)


def radial_lowpass(
    taps: int, cutoff: float, half_width: float, sampling_rate: float
) -> Tensor:  # [T, T], sum 1
    """Windowed jinc: the same response in every direction. Needs an even number of taps."""
    t = tap_positions(taps, sampling_rate)
    window = kaiser_window(taps, half_width, sampling_rate)
    radius = torch.hypot(t[:, None], t)
    fir: Tensor = torch.special.bessel_j1(2 * pi * cutoff * radius) / (pi * radius)
    return normalised(fir * window[:, None] * window)


def normalised(fir: Tensor) -> Tensor:
    """Float32, with sum 1."""
    return (fir / fir.sum()).to(torch.float32)
