"""The student's mapping network M²ᴰ: teacher's style codes and a camera to its own (section 3.2).

The paper leaves open how w enters (stylegan3.md 10.2, points 2 and 5). By default each code is
standardised with the teacher's statistics, which keeps its length and so the truncation trick, and
one network serves all rows. With equal rows, as the teacher makes them, that is the paper's single
w'; with mixed rows it gives style mixing without further training. As a residual, w' is w at first,
and only what the camera changes has to be learned.
"""

import torch
from torch import Tensor, nn

from nerfgan_cli.cameras import Camera
from nerfgan_cli.errors import UsageError
from nerfgan_cli.nn.camera_encoding import CameraEncoding
from nerfgan_cli.nn.layers import FullyConnectedLayer, normalize_2nd_moment

CODE_INPUTS = ("standardized", "normalized", "normalized+length")
CODE_OUTPUTS = ("shared", "per-layer", "residual")


def spread_rows(ws: Tensor, rows: int) -> Tensor:  # [B, L, D] -> [B, rows, D]
    """Assigns the teacher's rows to the student's by depth, first to first and last to last."""
    if ws.shape[1] == rows:
        return ws
    return ws[:, spread_index(ws.shape[1], rows).to(ws.device)]


def spread_index(count: int, rows: int) -> Tensor:  # [rows], int64
    """The teacher's row, of `count`, for each of the student's."""
    return torch.linspace(0, count - 1, rows).round().long()


class RendererMapping(nn.Module):
    """(ws, camera) -> w' rows [B, num_ws, w_dim]."""

    code_mean: Tensor  # [w_dim]
    code_std: Tensor  # [w_dim]

    def __init__(
        self,
        w_dim: int,
        num_ws: int,
        num_layers: int,
        lr_multiplier: float,
        camera_encoding: str,
        code_input: str,
        code_output: str,
    ) -> None:
        super().__init__()
        if code_input not in CODE_INPUTS:
            raise UsageError(
                f"unknown code input {code_input!r}: use one of {', '.join(CODE_INPUTS)}."
            )
        if code_output not in CODE_OUTPUTS:
            raise UsageError(
                f"unknown code output {code_output!r}: use one of {', '.join(CODE_OUTPUTS)}."
            )
        self.num_ws = num_ws
        self.code_input = code_input
        self.code_output = code_output
        if code_input == "standardized":
            self.register_buffer("code_mean", torch.zeros(w_dim))
            self.register_buffer("code_std", torch.ones(w_dim))
        self.camera_encoding = CameraEncoding(camera_encoding)
        self.embed = FullyConnectedLayer(self.camera_encoding.size, w_dim)
        width = 2 * w_dim + (code_input == "normalized+length")
        outputs = [w_dim] * num_layers
        if code_output == "per-layer":
            outputs[-1] *= num_ws
        layers = []
        for size in outputs:
            layers.append(FullyConnectedLayer(width, size, "lrelu", lr_multiplier))
            width = size
        if code_output == "residual":
            layers.append(FullyConnectedLayer(width, w_dim, "linear", lr_multiplier, weight_init=0))
        self.layers = nn.Sequential(*layers)

    def listens_to(self, count: int) -> list[int]:
        """For each row of w' the row of ws, of `count`, that it is made from."""
        if self.code_output == "per-layer":
            return [0] * self.num_ws
        return spread_index(count, self.num_ws).tolist()

    def set_statistics(self, codes: Tensor, labels: Tensor) -> None:  # [N, w_dim], [M, 25]
        """Takes the statistics of the teacher's w and of the cameras to be trained on."""
        if self.code_input == "standardized":
            self.code_mean.copy_(codes.mean(dim=0))
            self.code_std.copy_(codes.std(dim=0, correction=0).clamp(min=1e-8))
        self.camera_encoding.set_statistics(labels)

    def _enter(self, ws: Tensor) -> Tensor:  # [B, L, w_dim] -> [B, L, w_dim (+ 1)]
        if self.code_input == "standardized":
            return (ws - self.code_mean) / self.code_std
        normalized = normalize_2nd_moment(ws, dim=-1)
        if self.code_input == "normalized":
            return normalized
        return torch.cat([normalized, ws.norm(dim=-1, keepdim=True).log()], dim=-1)

    def forward(self, ws: Tensor, camera: Camera) -> Tensor:
        pose = normalize_2nd_moment(self.embed(self.camera_encoding(camera)))
        if self.code_output == "per-layer":
            code = self._enter(ws[:, 0])
            out: Tensor = self.layers(torch.cat([code, pose], dim=-1))
            return out.view(len(ws), self.num_ws, -1)
        given = spread_rows(ws, self.num_ws)
        entered = [self._enter(given), pose[:, None].expand(-1, self.num_ws, -1)]
        rows: Tensor = self.layers(torch.cat(entered, dim=-1))
        return given + rows if self.code_output == "residual" else rows
