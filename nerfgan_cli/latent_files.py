"""Latents as files: who is drawn, where no seed says it.

A file is a .safetensors container with the tensor `ws` and whatever else belongs to it, as the
noise of an inversion. Its header says whose latent space it is, so that a latent of another model
is refused. What other programs write as .npy or .npz is read too, and taken on trust.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from nerfgan_cli.checkpoints.checksum import space_checksum
from nerfgan_cli.checkpoints.container import read_container, write_container
from nerfgan_cli.checkpoints.payloads import is_finite, to_payload
from nerfgan_cli.checkpoints.sniff import sniff
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.generators.contract import Generator

KEY = "nerfgan-latent"
WS = "ws"
OFFSET = "offset"  # [1, rows, w_dim], of the codes of a student's own layers
PIVOT = "pivot.safetensors"  # of an inversion's folder
NUMPY_NAMES = ("ws", "w", "w_plus", "latent")  # of the array in an .npz of several
LARGEST_FILE = 1 << 28  # bytes; 14 rows of 512 take 30,000, noise images of 256² 700,000
FORMS = "a latent written by nerfgan, an inversion's folder, or an .npy of (1, L, w) or (1, w)"


@dataclass(frozen=True)
class Latent:
    """One subject."""

    ws: Tensor  # [1, L, w_dim], or [1, 1, w_dim]: one code for all layers
    name: str
    model: str | None = None  # `space_checksum` of the model it belongs to; None: not known
    tensors: dict[str, Tensor] = field(default_factory=dict)  # what else the file holds


def write_latent(path: Path, latent: Latent) -> None:
    """One .safetensors file, complete or not at all."""
    tensors = {WS: latent.ws, **latent.tensors}
    text = json.dumps({"version": 1, "name": latent.name, "model": latent.model})
    payloads = {name: to_payload(tensor) for name, tensor in tensors.items()}
    write_container(path, {"format": "pt", KEY: text}, payloads)


def read_latent(path: Path) -> Latent:
    """What `write_latent` wrote, the pivot of an inversion's folder, or an array of numpy's."""
    if path.is_dir():
        if not (path / PIVOT).is_file():
            raise InputError(f"{path} holds no {PIVOT}: give {FORMS}.")
        latent = _read_own(path / PIVOT)
        return Latent(latent.ws, path.resolve().name, latent.model, latent.tensors)
    kind = sniff(path)
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"{path} is too large for a latent: give {FORMS}.")
    if kind.name == "safetensors":
        return _read_own(path)
    if kind.name == "numpy":
        return Latent(_to_ws(path, _read_array(path)), path.stem)
    raise InputError(f"{path} is {kind.text}, which holds no latent: give {FORMS}.")


def fit_latent(latent: Latent, generator: Generator) -> Tensor:  # [1, L, w_dim]
    """The codes for this generator, if they are of its latent space, on its device.

    With the rows of an offset, if it has one that this generator can add.
    """
    _, rows, width = latent.ws.shape
    if latent.model not in (None, space_checksum(generator)):
        raise WeightsError(
            f"the latent {latent.name} belongs to another model: draw it with that one, or with "
            "a student or teacher of the same latent space."
        )
    if width != generator.w_dim:
        raise WeightsError(
            f"the latent {latent.name} has codes of {width} numbers and this model of "
            f"{generator.w_dim}: draw it with the model that it was made with."
        )
    if rows not in (1, generator.num_ws):
        raise WeightsError(
            f"the latent {latent.name} has codes for {rows} layers and this model "
            f"{generator.num_ws}: draw it with the model that it was made with."
        )
    codes = latent.ws.float().expand(-1, generator.num_ws, -1)
    if fits_offset(latent, generator):
        codes = torch.cat([codes, latent.tensors[OFFSET].float()], dim=1)
    return codes.to(generator.latent_space().w_avg.device)


def fits_offset(latent: Latent, generator: Generator) -> bool:
    """Whether it has an offset, and this generator such layers."""
    rows = 1, generator.offset_rows, generator.w_dim
    return OFFSET in latent.tensors and latent.tensors[OFFSET].shape == rows


def _read_own(path: Path) -> Latent:
    container = read_container(path)
    if WS not in container.entries or KEY not in container.metadata:
        raise InputError(f"{path} is a .safetensors file without a latent: give {FORMS}.")
    with safe_open(path, framework="pt") as file:
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in container.entries}
    try:
        facts = json.loads(container.metadata[KEY])
        name, model = facts["name"], facts["model"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} has a damaged description: write the latent again.") from error
    if not isinstance(name, str) or not isinstance(model, str | None):
        raise InputError(f"{path} has a damaged description: write the latent again.")
    broken = [key for key, tensor in tensors.items() if not is_finite(tensor)]
    if broken:
        raise InputError(f"{path} has NaN or infinite values in {broken[0]}: make it again.")
    return Latent(_checked(path, tensors.pop(WS)), name, model, tensors)


def _read_array(path: Path) -> NDArray[np.generic]:
    """The array of an .npy, or the one of an .npz that is a latent."""
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)  # no larger than its file
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded as arrays:
            if sum(info.file_size for info in arrays.zip.infolist()) > LARGEST_FILE:
                raise InputError(f"{path} is too large for a latent: give {FORMS}.")
            names = [name for name in NUMPY_NAMES if name in arrays] or arrays.files
            if len(names) > 1 and names[0] not in NUMPY_NAMES:
                shown = ", ".join(names[:5])
                raise InputError(f"{path} holds {shown}: name the latent's array w.")
            array: NDArray[np.generic] = arrays[names[0]]
            return array
    except (ValueError, EOFError, LookupError, OSError, BadZipFile) as error:
        raise InputError(
            f"{path} is damaged or holds objects: save it as plain numbers."
        ) from error


def _to_ws(path: Path, array: NDArray[np.generic]) -> Tensor:  # [1, L, w_dim]
    """(1, L, w), (L, w), (1, w) or (w,)."""
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path} holds {array.dtype}, not numbers: give {FORMS}.")
    if array.ndim not in (1, 2, 3):
        raise InputError(f"{path} holds an array of shape {array.shape}: give {FORMS}.")
    numbers = array.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise InputError(f"{path} has NaN or infinite values: make it again.")
    if numbers.ndim == 1:
        numbers = numbers[None]
    return _checked(path, torch.from_numpy(numbers[None] if numbers.ndim == 2 else numbers))


def _checked(path: Path, ws: Tensor) -> Tensor:
    if ws.ndim != 3 or len(ws) != 1 or not ws.numel() or not ws.is_floating_point():
        raise InputError(f"{path} holds codes of shape {tuple(ws.shape)}: give {FORMS}.")
    return ws
