"""Alias-free generator (StyleGAN3, Karras et al. 2021; stylegan3.md sections 3 to 6).

Attribute and tensor names are those of the official release, whose state dicts load as they are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nerfgan_cli.nn.layers import FullyConnectedLayer
from nerfgan_cli.nn.mapping import MappingNetwork
from nerfgan_cli.nn.stylegan3_filters import LayerSpec, StyleGAN3Config, layer_schedule
from nerfgan_cli.ops.bias_act import bias_act
from nerfgan_cli.ops.filtered_lrelu import filtered_lrelu, separate
from nerfgan_cli.ops.modconv import DEMODULATION_EPS


class SynthesisInput(nn.Module):
    """Fourier features that the style rotates and shifts, mixed by a 1×1 convolution."""

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(
        self,
        w_dim: int,
        channels: int,
        size: tuple[int, int],  # width, height
        sampling_rate: float,
        bandwidth: float,  # no frequency is higher
    ) -> None:
        super().__init__()
        self.size = size
        self.sampling_rate = sampling_rate
        self.bandwidth = bandwidth
        radius = torch.rand(channels).sqrt() * bandwidth
        angle = torch.rand(channels) * (2 * torch.pi)
        self.weight = nn.Parameter(torch.randn(channels, channels))
        # Maps output coordinates to input coordinates: the inverse of the motion that is seen.
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", torch.stack([angle.cos(), angle.sin()], 1) * radius[:, None])
        self.register_buffer("phases", torch.rand(channels) - 0.5)
        self.affine = FullyConnectedLayer(w_dim, 4, weight_init=0)
        with torch.no_grad():
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))  # no motion at first

    def forward(self, w: Tensor) -> Tensor:
        """[B, w_dim] -> [B, channels, height, width], channels-last."""
        motion = self._motion(w) @ self.transform  # [B, 2, 3]
        freqs = self.freqs @ motion[:, :, :2]  # [B, C, 2]
        phases = self.phases + motion[:, :, 2] @ self.freqs.T  # [B, C]
        # A transform that zooms out pushes frequencies out of the band: they fade.
        headroom = self.sampling_rate / 2 - self.bandwidth
        amplitudes = (1 - (freqs.norm(dim=2) - self.bandwidth) / headroom).clamp(0, 1)
        x, y = (self._pixel_centres(count) for count in self.size)
        along_x = freqs[:, None, None, :, 0] * x[:, None]  # [B, 1, W, C]
        along_y = freqs[:, None, None, :, 1] * y[:, None, None]  # [B, H, 1, C]
        cycles = along_x + along_y + phases[:, None, None]
        features = (cycles * (2 * torch.pi)).sin() * amplitudes[:, None, None]
        weight = self.weight / len(self.weight) ** 0.5
        output: Tensor = features @ weight.T
        return output.permute(0, 3, 1, 2)

    def _motion(self, w: Tensor) -> Tensor:  # [B, w_dim] -> [B, 2, 3]
        """The rotation and shift that the style asks for, rotation last."""
        motion = self.affine(w)
        motion = motion / motion[:, :2].norm(dim=1, keepdim=True)
        cos, sin, x, y = motion.unbind(1)
        rows = [cos, -sin, sin * y - cos * x, sin, cos, -sin * x - cos * y]
        return torch.stack(rows, dim=1).view(-1, 2, 3)

    def _pixel_centres(self, count: int) -> Tensor:
        index = torch.arange(count, device=self.freqs.device, dtype=self.freqs.dtype)
        return (index + 0.5 - count / 2) / self.sampling_rate


class SynthesisLayer(nn.Module):
    """Modulated convolution, then filtered leaky ReLU; the output projection has no activation."""

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None
    radial_taps: Tensor | None  # [2, K, T], of a radial down-filter: `separate`

    def __init__(
        self,
        spec: LayerSpec,
        w_dim: int,
        conv_clamp: float | None = StyleGAN3Config.conv_clamp,
        magnitude_ema_beta: float = StyleGAN3Config.magnitude_ema_beta,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.conv_clamp = conv_clamp
        self.magnitude_ema_beta = magnitude_ema_beta
        self.compute_dtype = torch.float32  # of the convolution
        channels, k = spec.input.channels, spec.conv_kernel
        self.weight = nn.Parameter(torch.randn(spec.output.channels, channels, k, k))
        self.bias = nn.Parameter(torch.zeros(spec.output.channels))
        self.register_buffer("magnitude_ema", torch.ones([]))
        self.register_buffer("up_filter", spec.up_filter())
        self.register_buffer("down_filter", spec.down_filter())
        self.register_buffer("radial_taps", None, persistent=False)
        self.separate_filter()
        hook = SynthesisLayer.separate_filter
        self.register_load_state_dict_post_hook(hook)  # type: ignore[no-untyped-call]
        self.affine = FullyConnectedLayer(w_dim, channels, bias_init=1)

    def forward(
        self,
        x: Tensor,  # [B, I, H, W]
        w: Tensor,  # [B, w_dim]
        update_emas: bool = False,
    ) -> Tensor:  # [B, O, H', W']
        if update_emas:
            self.follow(x.detach().float().square().mean())
        if self.spec.is_torgb:
            return self._project(x, self.affine(w))
        spec, taps = self.spec, self.radial_taps
        scale_in, scale_out = self._modulation(self.affine(w))
        y = torch.addcmul(
            self.bias[:, None, None], self._convolve(x, scale_in), scale_out[:, :, None, None]
        )
        y = filtered_lrelu(
            y,
            self.up_filter,
            self.down_filter if taps is None else (taps[0], taps[1]),
            up=spec.up,
            down=spec.down,
            padding=spec.padding * 2,
            clamp=self.conv_clamp,
        )
        return y.to(self.compute_dtype)

    @torch.no_grad()
    def follow(self, energy: Tensor) -> None:  # []
        """Moves the average of input energies towards this one."""
        self.magnitude_ema.copy_(energy.lerp(self.magnitude_ema, self.magnitude_ema_beta))

    def separate_filter(self, *_: object) -> None:
        """When made and after loading, not in every forward pass; not where there is no data."""
        fir = self.down_filter
        if fir is not None and fir.ndim == 2 and not fir.is_meta:
            self.radial_taps = torch.stack(separate(fir))

    def _project(self, x: Tensor, styles: Tensor) -> Tensor:
        """The output projection: neither demodulation nor activation."""
        scale_in = styles * self.magnitude_ema.rsqrt() / self.weight[0].numel() ** 0.5
        return bias_act(self._convolve(x, scale_in), self.bias, clamp=self.conv_clamp)

    def _convolve(self, x: Tensor, scale_in: Tensor) -> Tensor:  # float32
        """Convolves in `compute_dtype`, between scales in float32.

        That is more accurate than scaling the weight of each sample in half precision, and lets
        one weight serve the whole batch (stylegan3.md 11.5 a).
        """
        x = x * scale_in[:, :, None, None]
        x = x.to(dtype=self.compute_dtype, memory_format=torch.channels_last)
        return F.conv2d(x, self.weight.to(x.dtype), padding=self.spec.conv_kernel - 1).float()

    def _modulation(self, styles: Tensor) -> tuple[Tensor, Tensor]:  # [B, I] -> [B, I], [B, O]
        """Scales of the inputs and, undoing their effect on the variance, of the outputs."""
        taps = self.spec.conv_kernel**2
        energy = styles.square().repeat_interleave(taps, 1) @ self.weight.flatten(1).square().T
        norm = (energy + DEMODULATION_EPS).sqrt()
        # Moved from the outputs to the inputs, the largest norm keeps float16 in its range.
        largest = norm.detach().amax(dim=1, keepdim=True)
        return styles * (self.magnitude_ema.rsqrt() / largest), largest / norm


class SynthesisNetwork(nn.Module):
    """Fourier features, then layers L0, L1, … from a few coarse grids to the image."""

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        config: StyleGAN3Config,
    ) -> None:
        super().__init__()
        self.config = config
        grid, specs = layer_schedule(config, img_resolution, img_channels)
        self.num_ws = len(specs) + 1  # the input has one of its own
        self.layer_names = [spec.name for spec in specs]
        size = (grid.size, grid.size)
        self.input = SynthesisInput(w_dim, grid.channels, size, grid.sampling_rate, grid.cutoff)
        for spec in specs:
            layer = SynthesisLayer(spec, w_dim, config.conv_clamp, config.magnitude_ema_beta)
            self.add_module(spec.name, layer)

    def affines(self) -> list[tuple[int, FullyConnectedLayer]]:
        """The maps from codes to styles, each with its row of ws: the input's, then the layers'."""
        layers = [self.input, *map(self.get_submodule, self.layer_names)]
        found = []
        for row, layer in enumerate(layers):
            assert isinstance(layer, SynthesisInput | SynthesisLayer)
            found.append((row, layer.affine))
        return found

    @property
    def output_bias(self) -> Tensor:
        """[img_channels], added to the image before its scale."""
        layer = self.get_submodule(self.layer_names[-1])
        assert isinstance(layer, SynthesisLayer)
        return layer.bias

    def forward(
        self,
        ws: Tensor,  # [B, num_ws, w_dim]
        update_emas: bool = False,  # of the layers' input energies, as the release trains
        added: Tensor | None = None,  # [B, C, height, width], to the Fourier features
        recompute: bool = False,  # each layer once more for its gradients: only inputs are kept
    ) -> Tensor:  # [B, img_channels, img_resolution, img_resolution], float32
        first, *rest = ws.float().unbind(dim=1)
        x = self.input(first)
        if added is not None:
            x = x + added
        for name, w in zip(self.layer_names, rest, strict=True):
            layer = self.get_submodule(name)
            if recompute and not update_emas:  # which would follow twice
                x = checkpoint(layer, x, w, use_reentrant=False)
            else:
                x = layer(x, w, update_emas)
        image: Tensor = x * self.config.output_scale
        return image


class StyleGAN3(nn.Module):
    """The whole generator of the release: mapping, then synthesis."""

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        config: StyleGAN3Config,
        mapping_num_layers: int = 2,
    ) -> None:
        super().__init__()
        self.synthesis = SynthesisNetwork(w_dim, img_resolution, img_channels, config)
        self.mapping = MappingNetwork(
            z_dim, c_dim, w_dim, self.synthesis.num_ws, num_layers=mapping_num_layers
        )

    def forward(
        self,
        z: Tensor,  # [B, z_dim]
        c: Tensor | None = None,  # [B, c_dim]
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:  # [B, img_channels, img_resolution, img_resolution]
        ws = self.mapping(z, c, truncation, truncation_cutoff, update_emas)
        image: Tensor = self.synthesis(ws, update_emas)
        return image
