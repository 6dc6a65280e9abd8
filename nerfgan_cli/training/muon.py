"""Muon for matrices and convolutions, Adam for the rest, as one optimizer.

Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. In place of
its momentum a matrix is changed by the nearest orthogonal one, so in all its directions alike.
`torch.optim.Muon` takes no convolutions.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from nerfgan_cli.generators.precision import bf16_is_fast

MOMENTUM = 0.95
ITERATIONS = 5  # of Newton-Schulz
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of its quintic: singular values end between 0.7 and 1.2
SMALLEST = 16  # rows and columns of what is a matrix rather than a few vectors


class Muon(Adam):
    """Groups with `matrices` true are stepped by Muon, the others by Adam with its options.

    For Muon `lr` is the root mean square of a step's change of the entries.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group.get("matrices")]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group.get("matrices"):
                for parameter in group["params"]:
                    self._turn(parameter, group["lr"])
        return loss

    @torch.no_grad()
    def _turn(self, parameter: nn.Parameter, lr: float) -> None:
        if parameter.grad is None:
            return
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros([])  # Adam looks for it when a state is restored
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"].lerp_(parameter.grad, 1 - MOMENTUM)
        ahead = parameter.grad.lerp(momentum, MOMENTUM).flatten(1)
        half = bf16_is_fast(ahead.device)  # which is exact enough for it, by the source
        update = orthogonalized(ahead.bfloat16() if half else ahead) * max(ahead.shape) ** 0.5
        parameter.sub_(update.view_as(parameter).to(parameter.dtype), alpha=lr)


def orthogonalized(matrix: Tensor) -> Tensor:  # [M, N] -> [M, N]
    """Nearly the nearest one whose rows, or columns if they are fewer, are orthonormal."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.mT if tall else matrix
    x = x / x.norm().clamp(min=torch.finfo(x.dtype).tiny)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    found: Tensor = x.mT if tall else x
    return found


def is_matrix(parameter: Tensor) -> bool:
    """Whether it is a weight for Muon: [out, in] or [out, in, h, w], and not too small."""
    if parameter.ndim not in (2, 4):
        return False
    rows = parameter.shape[0]
    return min(rows, parameter.numel() // rows) >= SMALLEST
