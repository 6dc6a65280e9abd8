"""A direction in w along which one thing about a subject changes, and its file.

    w += strength · std · vector        on the layers of the direction

One unit of strength is one standard deviation of all subjects along the direction. A direction
belongs to a latent space: it serves the teacher, its students and whatever was tuned from them,
and no other model, since each training finds its own w.
"""

import json
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nerfgan_cli import __version__
from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.files import replacing
from nerfgan_cli.generators.contract import Generator

SPACE = "w"
LARGEST_FILE = 1 << 22  # bytes; 512 numbers take 12,000
SAME = 1e-3  # of its length; what is left of a direction that others contain


@dataclass(frozen=True)
class Direction:
    name: str
    method: str
    vector: Tensor  # [w_dim], of length 1
    std: float  # of all subjects along it
    origin: float  # their mean along it
    layers: tuple[int, int]  # rows of ws, from the first to before the second
    model: str  # `space_checksum`
    about: dict[str, Any] = field(default_factory=dict)  # how it was found, as plain JSON data


def measured(
    name: str,
    method: str,
    vector: Tensor,  # [w_dim], of any length
    codes: Tensor,  # [N, w_dim], of subjects
    layers: tuple[int, int],
    model: str,
    about: dict[str, Any],
) -> Direction:
    """A direction with its length taken out, and how subjects spread along it."""
    vector = vector.cpu().double()
    unit = vector / vector.norm()
    along = codes.cpu().double() @ unit
    std, origin = along.std().item(), along.mean().item()
    return Direction(name, method, unit.float(), std, origin, layers, model, about)


def keep_fixed(vector: Tensor, others: list[Tensor]) -> Tensor:  # [w_dim]
    """The part of a direction that changes none of the others (as by Gram-Schmidt)."""
    if not others:
        return vector
    fixed, vector = torch.stack(others, dim=1).double(), vector.double()
    rest: Tensor = vector - fixed @ (torch.linalg.pinv(fixed) @ vector)
    if rest.norm() < SAME * vector.norm():
        raise InputError(
            "nothing is left of this direction when the others are kept fixed: keep fewer."
        )
    return rest


def move(
    ws: Tensor,  # [1, L, w_dim]
    direction: Direction,
    strengths: Tensor,  # [S], in standard deviations
    absolute: bool = False,  # to these places among all subjects, wherever the subject stands now
) -> Tensor:  # [S, L, w_dim]
    """A subject moved along a direction."""
    layers = slice(*direction.layers)
    steps = strengths.to(ws)[:, None].expand(-1, ws.shape[1])[:, layers]
    if absolute:
        steps = steps - place(ws[:, layers], direction)
    moved = ws.repeat(len(strengths), 1, 1)
    moved[:, layers] += steps[..., None] * direction.std * direction.vector.to(ws)
    return moved


def place(ws: Tensor, direction: Direction) -> Tensor:  # [..., w_dim] -> [...]
    """Where codes stand among all subjects: 0 is the mean, ±1 a standard deviation from it."""
    return (ws @ direction.vector.to(ws) - direction.origin) / direction.std


def write_direction(path: Path, direction: Direction) -> None:
    content = {
        "name": direction.name,
        "method": direction.method,
        "space": SPACE,
        "layers": list(direction.layers),
        "std": direction.std,
        "origin": direction.origin,
        "model": direction.model,
        "nerfgan": __version__,
        "about": direction.about,
        "vector": direction.vector.tolist(),
    }
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(content, allow_nan=False) + "\n", "utf-8")


def read_direction(path: Path) -> Direction:
    """What `write_direction` wrote."""
    try:
        if path.is_file() and path.stat().st_size > LARGEST_FILE:
            raise ValueError("too large")
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): check the path.") from error
    except (ValueError, RecursionError) as error:
        raise _unusable(path, "it is not JSON") from error
    if not isinstance(content, dict):
        raise _unusable(path, "it is not a table")
    texts = [content.get(key) for key in ("name", "method", "model")]
    if content.get("space") != SPACE or not all(isinstance(text, str) for text in texts):
        raise _unusable(path, "its name, method, model or space is missing")
    try:
        vector = torch.tensor(content["vector"], dtype=torch.float32)
        std, origin = float(content["std"]), float(content["origin"])
        first, last = (int(number) for number in content["layers"])
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise _unusable(path, "its numbers are none") from error
    usable = vector.ndim == 1 and bool(vector.isfinite().all()) and isfinite(origin)
    if not (usable and abs(vector.norm().item() - 1) < 1e-3 and 0 < std < 1e9):
        raise _unusable(path, "its vector has not length 1, or its spread is not positive")
    if not 0 <= first < last:
        raise _unusable(path, f"it is for no layers, {first} to {last}")
    name, method, model = map(str, texts)
    about = content.get("about", {})
    if not isinstance(about, dict):
        raise _unusable(path, "what it says about itself is not a table")
    return Direction(name, method, vector, std, origin, (first, last), model, about)


def refuse_foreign(direction: Direction, generator: Generator, otherwise: str = "") -> None:
    """A direction of another latent space says nothing about this one's subjects."""
    refuse_misfit(direction, generator)
    if direction.model != space_checksum(generator):
        raise WeightsError(
            f"the direction {direction.name} belongs to another model, in whose latent space it "
            f"was found: find one with nerfgan directions{otherwise}."
        )


def refuse_misfit(direction: Direction, generator: Generator) -> None:
    """A direction that this generator's codes cannot be moved along."""
    if len(direction.vector) != generator.w_dim or direction.layers[1] > generator.num_ws:
        raise WeightsError(
            f"the direction {direction.name} is of {len(direction.vector)} numbers for "
            f"{direction.layers[1]} layers, and this model has codes of {generator.w_dim} for "
            f"{generator.num_ws}: find one with nerfgan directions."
        )
    if not generator.rows_differ and direction.layers != (0, generator.num_ws):
        raise WeightsError(
            f"the direction {direction.name} is for some layers, and this student makes the codes "
            "of all from the first row of ws: find one for all layers."
        )


def _unusable(path: Path, why: str) -> InputError:
    return InputError(f"{path} is no direction, {why}: write one with nerfgan directions.")
