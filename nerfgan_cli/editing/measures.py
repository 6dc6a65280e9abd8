"""Numbers that tell subjects apart, for directions that change them.

Measured on pictures from the front, read from a user's table, or known, of models that were taught
ToyHeads' latents.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nerfgan_cli.cameras import PRESETS
from nerfgan_cli.data.toyheads.traits import LATENT_SIZE, TRAITS, Choice, Traits
from nerfgan_cli.errors import InputError, UsageError
from nerfgan_cli.generators.contract import DrawOptions, Generator
from nerfgan_cli.generators.drawing import choose_batch, latent

Array = NDArray[np.float64]

LUMA = (0.299, 0.587, 0.114)  # BT.601
LARGEST_TABLE = 1 << 26  # bytes


class Region(NamedTuple):
    """A part of the picture, in shares of its sides."""

    left: float
    top: float
    right: float
    bottom: float


def _channel(weights: tuple[float, float, float]) -> Callable[[Tensor], Tensor]:
    def mean(image: Tensor) -> Tensor:  # [B, 3, H, W] in [−1, 1] -> [B] in [0, 1]
        shades = image.clamp(-1, 1).mean(dim=(2, 3)) / 2 + 0.5
        return shades @ shades.new_tensor(weights)

    return mean


MEASURES: dict[str, Callable[[Tensor], Tensor]] = {
    "brightness": _channel(LUMA),
    "red": _channel((1.0, 0.0, 0.0)),
    "green": _channel((0.0, 1.0, 0.0)),
    "blue": _channel((0.0, 0.0, 1.0)),
    "warmth": _channel((1.0, 0.0, -1.0)),  # more red than blue
}


def measure_pictures(
    generator: Generator,
    codes: Tensor,  # [N, w_dim]
    measure: str,  # a key of MEASURES
    region: Region,
) -> Iterator[float]:
    """One number for each subject, from its picture before super-resolution."""
    frontal, options = PRESETS[generator.camera_preset].frontal(), DrawOptions(raw_only=True)
    for some in torch.split(codes, choose_batch(generator)):
        ws = some[:, None].expand(-1, generator.num_ws, -1)
        camera = frontal.to(ws.device).expand(len(ws))
        with torch.inference_mode():
            image = generator.synthesis(ws, camera, options).image
        yield from MEASURES[measure](cut_out(image, region)).tolist()


def cut_out(image: Tensor, region: Region) -> Tensor:  # [B, C, H, W]
    """The pixels of a region, one at least."""
    sides = image.shape[-1], image.shape[-2]
    left, top = (int(share * side) for share, side in zip(region[:2], sides, strict=True))
    right, bottom = (
        max(first + 1, round(share * side))
        for first, share, side in zip((left, top), region[2:], sides, strict=True)
    )
    return image[:, :, top:bottom, left:right]


def trait_values(generator: Generator, seeds: Sequence[int], text: str) -> Array:
    """ "smile", or 0 and 1 for "hat=none", of models that were taught ToyHeads' latents."""
    if generator.z_dim != LATENT_SIZE:
        raise UsageError(
            "this model was not taught ToyHeads' latents, whose traits are known: measure its "
            "pictures, or give numbers of your own."
        )
    name, _, choice = text.partition("=")
    kind = TRAITS.get(name)
    if kind is None:
        raise UsageError(f"ToyHeads have no trait {name!r}: use one of {', '.join(TRAITS)}.")
    z = torch.cat([latent(seed, generator.z_dim) for seed in seeds])
    traits = Traits(z)
    if not isinstance(kind, Choice):
        if choice:
            raise UsageError(f"the trait {name} is a number: leave out ={choice}.")
        return traits[name].double().numpy()
    if choice not in kind.weights:
        names = ", ".join(f"{name}={option}" for option in kind.weights)
        raise UsageError(f"the trait {name} is a choice: write one of {names}.")
    return traits.chosen(name, choice).double().numpy()


def read_table(path: Path) -> tuple[list[int], Array]:
    """Seeds and values: a .csv with two columns, or a .json table {"7": 0.5} or [[7, 0.5]]."""
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise InputError(f"{path} is too large for a table of seeds: give fewer rows.")
        text = path.read_text("utf-8-sig")
        pairs = _json_pairs(text) if path.suffix.lower() == ".json" else _csv_pairs(text)
        seeds = [int(seed) for seed, _ in pairs]
        values = np.array([float(value) for _, value in pairs])
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): check the path.") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is no table of seeds and numbers ({error}): write lines such as 7,0.5."
        ) from error
    if len(set(seeds)) != len(seeds) or not all(0 <= seed < 2**32 for seed in seeds):
        raise InputError(f"{path} has impossible seeds, or one twice: name each once.")
    if not np.isfinite(values).all():
        raise InputError(f"{path} has values that are not finite: leave those seeds out.")
    return seeds, values


def _json_pairs(text: str) -> list[tuple[str, str]]:
    content = json.loads(text)
    rows = content.items() if isinstance(content, dict) else content
    return [(seed, value) for seed, value in rows]


def _csv_pairs(text: str) -> list[tuple[str, str]]:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if rows and not rows[0][0].strip().isdigit():
        rows = rows[1:]  # names of the columns
    return [(seed, value) for seed, value in rows]
