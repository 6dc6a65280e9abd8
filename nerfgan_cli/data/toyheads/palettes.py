"""Colours, in [0, 1] as they are shown."""

import torch
from torch import Tensor

# Neighbours are alike, so that what a network has to learn of a colour is a slow function.
SKIN = ("ffe3d1", "fbd3b6", "f2c09a", "dfa379", "c28357", "96603c", "6d422b", "4c2d20")
HAIR = (
    "1f1a1e", "38251d", "5a3822", "86502a", "b5562a", "d9823b", "e8b65c", "f3dca0", "e9e4dc",
    "9aa0a8", "e27fa0", "7c63b8", "2f9aa3",
)  # fmt: skip
EYES = ("4a2c1a", "7a4a22", "a5762e", "6f8f3f", "3f9a6b", "3a8fb7", "4f6fd0", "8a94a3")
LIPS = ("c9706a", "d4575f", "b8405a", "a34a48", "e08a7c")
CLOTH = (
    "2b2d33", "2f3e63", "4f8fd8", "3fa796", "7fae4b", "f2b134", "d9793a", "e8574f", "ef8fa5",
    "6c5b9e", "f7efe2",
)  # fmt: skip
CLOTH_SECOND = (  # what goes with each
    "f2b134", "f7efe2", "2b2d33", "f2e3b8", "2f5f4f", "6c5b9e", "2f3e63", "f7efe2", "8a4f8f",
    "f2b134", "e8574f",
)  # fmt: skip
HATS = ("34343c", "27408b", "2f8f7f", "6b8f3a", "f0b429", "d8434e", "e57ba0", "7a5cb0", "f4ede0")
GLASSES = ("22242c", "7a3b26", "c8433c", "c79b3b", "e9e6df", "2d5fa8")
BACKDROP = (
    "dfe3e8", "f3c6d9", "f6cfc0", "f7dfa9", "cfe5c3", "b5dfe0", "9fc2c9", "bcd3f2", "d5c8ee",
)  # fmt: skip


def path(colours: tuple[str, ...], place: Tensor) -> Tensor:  # [B] in [0, 1] -> [B, 3]
    """Along a row of colours, evenly."""
    table = _table(colours)
    position = place.clamp(0, 1) * (len(colours) - 1)
    first = position.floor().clamp_max(len(colours) - 2)
    return torch.lerp(table[first.long()], table[first.long() + 1], (position - first)[:, None])


def pick(colours: tuple[str, ...], place: Tensor) -> Tensor:  # [B] in [0, 1] -> [B, 3]
    """One of a row of colours as good as always, with a short passage between neighbours."""
    count = len(colours)
    position = place.clamp(0, 1) * count - 0.5
    first = position.floor()
    step = ((position - first - 0.5) / 0.12 + 0.5).clamp(0, 1)
    return path(colours, (first + step) / (count - 1))


def shade(colour: Tensor, amount: Tensor | float) -> Tensor:  # [B, 3], [B, 1] or one, in [-1, 1]
    """Darker (towards a deeper shade of its own) or lighter."""
    amount = torch.as_tensor(amount)
    return torch.where(
        amount < 0,
        colour * (1 + amount) + colour**2 * -amount * 0.4,
        colour + (1 - colour) * amount,
    ).clamp(0, 1)


def _table(colours: tuple[str, ...]) -> Tensor:  # [N, 3]
    return torch.tensor([[int(c[i : i + 2], 16) / 255 for i in (0, 2, 4)] for c in colours])
