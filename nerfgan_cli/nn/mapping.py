"""Mapping network: latent and camera label to style codes (StyleGAN2, StyleGAN3, EG3D)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nerfgan_cli.cameras import Camera
from nerfgan_cli.nn.layers import FullyConnectedLayer, normalize_2nd_moment

LR_MULTIPLIER = 0.01  # of the fully connected layers, in every release


def truncate(
    ws: Tensor,  # [B, L, w_dim]
    w_avg: Tensor,  # [w_dim]
    truncation: float,
    cutoff: int | None = None,  # number of layers truncated, from the first; None: all
) -> Tensor:  # [B, L, w_dim]
    """Pulls style codes towards the average: w_avg + ψ·(w − w_avg)."""
    if truncation == 1:
        return ws
    truncated = w_avg.lerp(ws, truncation)
    if cutoff is None:
        return truncated
    return torch.cat([truncated[:, :cutoff], ws[:, cutoff:]], dim=1)


def exchange_layers(
    ws: Tensor,  # [B, L, w_dim]
    donor: Tensor,  # [B, L, w_dim]
    layers: Sequence[int],  # rows that are the donor's
) -> Tensor:  # [B, L, w_dim]
    """Style codes with some rows of others."""
    mixed = ws.clone()
    mixed[:, list(layers)] = donor[:, list(layers)]
    return mixed


def conditioning_label(camera: Camera, count: int, scale: float) -> Tensor:  # [count, 25]
    """What a mapping network sees of the conditioning camera; scale 0: nothing (eg3d.md 1.6)."""
    return camera.expand(count).label * scale


class MappingNetwork(nn.Module):
    """(z, label) -> ws. `num_ws=None` gives one code per sample and keeps no average."""

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_ws: int | None,
        num_layers: int = 8,
        lr_multiplier: float = LR_MULTIPLIER,
        w_avg_beta: float = 0.998,
        normalize_z: bool = True,
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.c_dim = c_dim
        self.num_ws = num_ws
        self.num_layers = num_layers
        self.w_avg_beta = w_avg_beta
        self.normalize_z = normalize_z
        if c_dim:
            self.embed = FullyConnectedLayer(c_dim, w_dim)
        width = z_dim + (w_dim if c_dim else 0)
        for index in range(num_layers):
            layer = FullyConnectedLayer(
                width, w_dim, activation="lrelu", lr_multiplier=lr_multiplier
            )
            self.add_module(f"fc{index}", layer)
            width = w_dim
        if num_ws is not None:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Tensor | None,  # [B, z_dim]; None if z_dim = 0
        c: Tensor | None = None,  # [B, c_dim]
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:  # [B, num_ws, w_dim], or [B, w_dim] where num_ws is None
        parts = []
        if z is not None and self.z_dim:
            z = z.float()
            parts.append(normalize_2nd_moment(z) if self.normalize_z else z)
        if c is not None and self.c_dim:
            parts.append(normalize_2nd_moment(self.embed(c.float())))
        x = torch.cat(parts, dim=1)
        for index in range(self.num_layers):
            x = self.get_submodule(f"fc{index}")(x)
        if self.num_ws is None:
            return x
        if update_emas:
            with torch.no_grad():
                self.w_avg.copy_(x.float().mean(dim=0).lerp(self.w_avg, self.w_avg_beta))
        ws = x[:, None].expand(-1, self.num_ws, -1)
        return truncate(ws, self.w_avg, truncation, truncation_cutoff)
