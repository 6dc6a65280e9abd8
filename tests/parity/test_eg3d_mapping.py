"""Mapping networks of generator and discriminator against the official outputs."""

from pathlib import Path

import pytest
import torch
from golden import Golden, assert_close, filled, goldens

from nerfgan_cli.nn.mapping import MappingNetwork

TOLERANCE = 1e-4
FAMILY = pytest.mark.parametrize("path", goldens("eg3d_mapping*.npz"))


def build(g: Golden) -> MappingNetwork:
    network = filled(
        MappingNetwork(**g.meta["mapping_kwargs"]), lambda name: f"backbone.mapping.{name}"
    )
    assert isinstance(network, MappingNetwork)
    return network


@FAMILY
def test_generator_mapping(path: Path) -> None:
    g = Golden(path)
    network = build(g)
    z, c = g.fx(*g.meta["z"]), g["c"]
    assert_close(z[:, :8], g["z_check"], 0)
    ws = network(z, c)
    assert ws.shape[1] == network.num_ws
    assert (ws == ws[:, :1]).all()
    assert_close(ws[:, 0], g["w_psi1"], TOLERANCE)
    assert_close(network(z, c, truncation=0.7)[:, 0], g["w_psi07"], TOLERANCE)
    cut = network(z, c, truncation=0.5, truncation_cutoff=7)
    assert_close(cut[:, [0, 6, 7, network.num_ws - 1]], g["w_psi05_cut7"], TOLERANCE)
    assert_close(network(z, c * 0)[:, 0], g["w_zero_c"], TOLERANCE)
    assert_close(network(z, c * 0.5)[:, 0], g["w_half_c"], TOLERANCE)


@FAMILY
def test_average_of_w(path: Path) -> None:
    g = Golden(path)
    network = build(g)
    before = network.w_avg.clone()
    network(g.fx(*g.meta["z"]), g["c"])
    assert torch.equal(network.w_avg, before)
    network(g.fx(*g.meta["z"]), g["c"], update_emas=True)
    assert_close(network.w_avg, g["w_avg_after_update"], TOLERANCE)


@FAMILY
def test_discriminator_mapping(path: Path) -> None:
    g = Golden(path)
    network = filled(
        MappingNetwork(num_ws=None, **g.meta["cmap_kwargs"]), lambda name: f"mapping.{name}"
    )
    assert_close(network(None, g["c"]), g["cmap"], TOLERANCE)
