"""Muon: orthogonal steps for matrices, Adam's own for the rest."""

import pytest
import torch
from torch import nn
from torch.optim import Adam

from nerfgan_cli.training.muon import Muon, is_matrix, orthogonalized


@pytest.mark.parametrize("shape", [(20, 20), (24, 60), (60, 24)])
def test_orthogonalized(shape: tuple[int, int]) -> None:
    """Singular vectors stay, singular values end near 1."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    found = u.mT @ orthogonalized(matrix) @ vh.mT
    assert s.max() / s.min() > 3
    values = found.diagonal()
    torch.testing.assert_close(found, torch.diag(values), atol=2e-4, rtol=0)
    assert 0.6 < values.min() < values.max() < 1.3


def test_a_step_changes_entries_by_the_rate() -> None:
    weight = nn.Parameter(torch.randn(32, 16, 3, 3))
    before = weight.detach().clone()
    optimizer = Muon([{"params": [weight], "lr": 0.01, "matrices": True}])
    (weight**2).sum().backward()
    optimizer.step()
    change = weight.detach() - before
    assert change.square().mean().sqrt() == pytest.approx(0.01, rel=0.2)
    assert (change * before).sum() < 0


def test_others_are_stepped_by_adam() -> None:
    ours, its = (nn.Parameter(torch.arange(4.0)) for _ in range(2))
    matrix = nn.Parameter(torch.randn(16, 16))
    both = Muon([{"params": [ours]}, {"params": [matrix], "matrices": True}], lr=0.1)
    alone = Adam([its], lr=0.1)
    for _ in range(3):
        for optimizer, loss in ((both, ours.square().sum() + matrix.sum()), (alone, its**2)):
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
    assert torch.equal(ours, its)


def test_a_restored_one_goes_on_alike() -> None:
    def run(steps: int, weight: nn.Parameter, optimizer: Muon, first: int = 0) -> None:
        for step in range(first, first + steps):
            draws = torch.Generator().manual_seed(step)
            optimizer.zero_grad()
            (weight * torch.randn(weight.shape, generator=draws)).sum().backward()
            optimizer.step()

    def start() -> tuple[nn.Parameter, Muon]:
        weight = nn.Parameter(torch.ones(16, 20))
        return weight, Muon([{"params": [weight], "matrices": True}], lr=0.1)

    whole, optimizer = start()
    run(4, whole, optimizer)
    part, optimizer = start()
    run(2, part, optimizer)
    resumed = nn.Parameter(part.detach().clone())
    again = Muon([{"params": [resumed], "matrices": True}], lr=0.1)
    again.load_state_dict(optimizer.state_dict())
    run(2, resumed, again, first=2)
    assert torch.equal(whole, resumed)


def test_what_is_a_matrix() -> None:
    shapes = {(64, 64, 3, 3): True, (48, 64, 1, 1): True, (64,): False, (3, 64, 1, 1): False}
    assert {shape: is_matrix(torch.zeros(shape)) for shape in shapes} == shapes
