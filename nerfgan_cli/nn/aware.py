"""Tri-planes whose planes know of one another: Mimic3D's 3D-aware stream and S³ᴰ (section 3.2).

    O_k  the image that StyleGAN2 has drawn after its block k, as three planes    (mimic3d.md 3.1)
    A_k = block_k(O_k + A_(k/2))        the 3D-aware stream, one block per resolution        (3.5)
    Pᶜ  = A_256                         the coarse planes
    Pʳ  = S³ᴰ(Pᶜ)                       the residual ones, of twice the resolution             (4)

Planes are xy, yz and zx: the columns of one are the rows of the one before it. They lie in the
batch, the three of a subject in a row: they share each layer's weight, and have styles of their
own.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from nerfgan_cli.nn.layers import FullyConnectedLayer
from nerfgan_cli.nn.stylegan2 import SynthesisBlock, SynthesisLayer, SynthesisNetwork, ToRGBLayer
from nerfgan_cli.ops.fir import RESAMPLE_TAPS, fir_filter

PLANES = 3


def cross_plane_concat(x: Tensor) -> Tensor:  # [B · 3, C, H, H] -> [B · 3, 3 · C, H, H]
    """Gives each plane what the others know of its two axes: means over the third one.

    The slots are (of xy, of yz, of zx): a plane's own features are in another slot each.
    """
    planes = x.view(-1, PLANES, *x.shape[1:])
    of_next = (
        planes.mean(dim=3, keepdim=True).roll(-1, dims=1).mT
    )  # along the rows, [B, 3, C, H, 1]
    of_previous = planes.mean(dim=4, keepdim=True).roll(1, dims=1).mT  # along the columns
    known = (planes, of_next.expand_as(planes), of_previous.expand_as(planes))
    slots = [[known[(slot - p) % PLANES][:, p] for slot in range(PLANES)] for p in range(PLANES)]
    return torch.stack([torch.cat(parts, dim=1) for parts in slots], dim=1).flatten(0, 1)


class AwareBlock(nn.Module):
    """Two convolutions and a toRGB, each of which sees all three planes; only the last leaves."""

    resample_filter: Tensor

    def __init__(
        self,
        channels: int,  # of a plane
        w_dim: int,
        resolution: int,  # of the output
        up: int,
    ) -> None:
        super().__init__()
        seen = PLANES * channels
        self.register_buffer("resample_filter", fir_filter(RESAMPLE_TAPS))
        self.conv0 = SynthesisLayer(seen, channels, w_dim, resolution, up, maps=PLANES)
        self.conv1 = SynthesisLayer(seen, channels, w_dim, resolution, maps=PLANES)
        self.torgb = ToRGBLayer(seen, channels, w_dim, maps=PLANES)
        self.torgb.weight_gain = channels**-0.5  # as released, although it sees three times as many

    def forward(
        self,
        x: Tensor,  # [B · 3, C, H, H]
        w: Tensor,  # [B, w_dim]
        noise_mode: str = "const",
        generator: torch.Generator | None = None,
    ) -> Tensor:  # [B · 3, C, H · up, H · up]
        for layer in (self.conv0, self.conv1):
            x = layer(cross_plane_concat(x), w, noise_mode, generator)
        planes: Tensor = self.torgb(cross_plane_concat(x), w)
        return planes


class PlaneSuperResolution(nn.Module):
    """S³ᴰ, where `add_blocks` was called."""

    def add_blocks(self, channels: int, w_dim: int, resolution: int) -> None:
        self.block2, self.block3 = (
            SynthesisBlock(channels, channels, w_dim, 2 * resolution, channels, up=up, maps=PLANES)
            for up in (2, 1)
        )

    def enlarge(
        self,
        x: Tensor,  # [B · 3, C, H, H]
        w: Tensor,  # [B, w_dim]
        noise_mode: str = "const",
        generator: torch.Generator | None = None,
    ) -> Tensor:  # [B · 3, C, 2 · H, 2 · H]
        """The second block sees what the first one's toRGB made, and nothing else of it."""
        for block in (self.block2, self.block3):
            ws = w[:, None].expand(-1, block.num_ws, -1)
            _, x = block(x, None, ws, noise_mode, generator)
        return x


class Stage(PlaneSuperResolution):
    """What the 3D-aware stream has at one resolution; the last has S³ᴰ too."""

    def __init__(
        self, channels: int, w_dim: int, resolution: int, up: int, residual: bool = False
    ) -> None:
        super().__init__()
        self.block = AwareBlock(channels, w_dim, resolution, up)
        if residual:
            self.add_blocks(channels, w_dim, resolution)


class AwareSynthesis(SynthesisNetwork):
    """StyleGAN2 with the 3D-aware stream, and S³ᴰ if asked.

    Without the stream, as in the paper's ablation (table 3), the coarse planes are StyleGAN2's own,
    and S³ᴰ stands alone as `sr3d` (mimic3d.md 17). Its noise is what the caller asks for, as of all
    other layers; in the release that of a lone S³ᴰ is always random.
    """

    def __init__(
        self,
        w_dim: int,
        resolution: int,  # of the coarse planes
        channels: int,  # of a plane
        channel_base: int,
        channel_max: int,
        conv_clamp: float | None = None,
        residual: bool = True,
        aware: bool = True,
    ) -> None:
        super().__init__(
            w_dim, resolution, PLANES * channels, channel_base, channel_max, conv_clamp
        )
        first = self.block(self.resolutions[0])
        first.const = nn.Parameter(first.const.detach()[None])  # the release's shape
        self.aware, self.has_residual = aware, residual
        if not aware:
            if residual:
                self.sr3d = PlaneSuperResolution()
                self.sr3d.add_blocks(channels, w_dim, resolution)
            return
        for size, output in pairwise([*self.resolutions, resolution]):
            stage = Stage(channels, w_dim, output, output // size, residual and size == resolution)
            block = self._modules.pop(f"b{size}")
            self.add_module(f"b{size}", block)  # again, for the release's order
            self.add_module(f"b3d{size}", stage)

    def stage(self, resolution: int) -> Stage:
        stage = self.get_submodule(f"b3d{resolution}")
        assert isinstance(stage, Stage)
        return stage

    def stream_blocks(self) -> dict[str, AwareBlock]:
        """The 3D-aware stream, if there is one, by the names of its blocks."""
        resolutions = self.resolutions if self.aware else ()
        return {f"b3d{k}.block": self.stage(k).block for k in resolutions}

    def residual_blocks(self) -> dict[str, SynthesisBlock]:
        """S³ᴰ, if there is one, by the names of its blocks; what the last one draws is Pʳ."""
        if not self.has_residual:
            return {}
        home = self.plane_superresolution()
        name = f"b3d{self.resolutions[-1]}" if self.aware else "sr3d"
        return {f"{name}.block2": home.block2, f"{name}.block3": home.block3}

    def plane_superresolution(self) -> PlaneSuperResolution:
        return self.stage(self.resolutions[-1]) if self.aware else self.sr3d

    def affines(self) -> list[tuple[int, FullyConnectedLayer]]:
        found = super().affines()
        for level, block in enumerate(self.stream_blocks().values()):
            row = listens_to(level)
            layers = (block.conv0, block.conv1, block.torgb)
            found += [(row, layer.affine) for layer in layers]
        return found

    def forward(
        self,
        ws: Tensor,  # [B, num_ws, w_dim]
        noise_mode: str = "const",
        generator: torch.Generator | None = None,
        added: Mapping[int, Tensor] | None = None,  # [B, C, r, r] by resolution r, to O
    ) -> Tensor:  # [B, 3 · C, H, H], Pᶜ
        if not self.aware:
            return super().forward(ws, noise_mode, generator, added)
        for _, planes in self.streams(ws, noise_mode, generator, added):
            last = planes
        return last.reshape(len(ws), -1, *last.shape[2:])

    def streams(
        self,
        ws: Tensor,  # [B, num_ws, w_dim]
        noise_mode: str = "const",
        generator: torch.Generator | None = None,
        added: Mapping[int, Tensor] | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:  # [B, 3 · C, k, k], [B · 3, C, 2 · k, 2 · k]
        """O_k and A_k of each level. The last A has the size of its O."""
        planes: Tensor | None = None
        for level, image in enumerate(self.levels(ws, noise_mode, generator, added)):
            drawn = image.reshape(PLANES * len(ws), -1, *image.shape[2:])
            planes = drawn if planes is None else drawn + planes
            block = self.stage(self.resolutions[level]).block
            planes = block(planes, ws[:, listens_to(level)].float(), noise_mode, generator)
            yield image, planes

    def residual(
        self,
        coarse: Tensor,  # [B, 3, C, H, H], Pᶜ
        ws: Tensor,  # [B, num_ws, w_dim]
        noise_mode: str = "const",
        generator: torch.Generator | None = None,
    ) -> Tensor:  # [B, 3, C, 2 · H, 2 · H], Pʳ
        w, home = ws[:, -1].float(), self.plane_superresolution()
        x = home.enlarge(coarse.flatten(0, 1), w, noise_mode, generator)
        return x.view(-1, PLANES, *x.shape[1:])


def listens_to(level: int) -> int:
    """The row of ws of a 3D-aware block: that of the toRGB at its resolution."""
    return 2 * level + 1
