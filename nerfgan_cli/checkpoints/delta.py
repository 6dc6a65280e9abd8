"""A tuned model as what differs from its base: the half-precision differences of its tensors.

The base is named in the header, with a checksum of its weights. A difference is stored as float16.
Where all of them would take more than `LARGEST` bytes, the largest matrices and convolutions take 8
bits a number, and if that does not do, 4: each row is rounded to multiples of a scale of its own.

    half      NAME: F16
    8 bits    NAME: I8, NAME:scale: F32 [rows]
    4 bits    NAME: U8 [⌈numbers / 2⌉], two to a byte, NAME:scale
"""

from collections.abc import Mapping
from dataclasses import asdict
from math import prod
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from nerfgan_cli.checkpoints.base import KIND, Base
from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.checkpoints.container import Payload
from nerfgan_cli.checkpoints.header import Header, write_model
from nerfgan_cli.checkpoints.payloads import is_finite, to_payload
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.zoo import is_name
from nerfgan_cli.errors import WeightsError
from nerfgan_cli.generators.contract import Generator

OFFSET = "offset"  # of `Generator.set_offset`
SCALE = ":scale"
LARGEST = 30_000_000  # bytes of a file
HEADER = 160  # bytes that the header takes for a tensor, at most
LEVELS = {8: 127, 4: 7}  # by bits, the largest multiple of the scale
TINIEST = 1e-30  # so that a row that did not change has a scale


def base_of(model: Path | str, path: Path, generator: Generator) -> Base:
    """What to remember of a model that was asked for as `model` and found at `path`."""
    known = isinstance(model, str) and is_name(model)
    name = str(model) if known else path.name
    return Base(name, None if known else str(path.resolve()), weights_checksum(generator))


def write_tuned(
    path: Path,
    base: Generator,
    tuned: Generator,
    origin: Base,
    offset: Tensor | None,
    provenance: Provenance,
) -> dict[str, int]:
    """Writes what changed; returns the bits that a number of each changed tensor takes."""
    before = base.state_dict()
    changes = {
        name: (tensor - before[name]).detach().float().cpu()
        for name, tensor in tuned.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    bits = choose_bits({name: tuple(change.shape) for name, change in changes.items()})
    payloads: dict[str, Payload] = {}
    for name, change in changes.items():
        payloads |= _encode(name, change, bits[name])
    if offset is not None:
        payloads[OFFSET] = to_payload(offset.float())
    parameters: dict[str, int] = {}
    for name, change in changes.items():
        part = name.partition(".")[0]
        parameters[part] = parameters.get(part, 0) + change.numel()
    config = {"base": asdict(origin), "kind": base.kind, "config": base.config()}
    write_model(path, KIND, config, parameters, provenance, payloads)
    return bits


def choose_bits(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Half precision, but of the largest tensors less, as long as the file would be too large."""
    bits = dict.fromkeys(shapes, 16)
    matrices = [name for name in shapes if len(shapes[name]) > 1]
    matrices.sort(key=lambda name: prod(shapes[name]), reverse=True)
    total = sum(size_of(shape, 16) for shape in shapes.values())
    for fewer in LEVELS:
        for name in matrices:
            if total <= LARGEST:
                return bits
            total += size_of(shapes[name], fewer) - size_of(shapes[name], bits[name])
            bits[name] = fewer
    return bits


def size_of(shape: tuple[int, ...], bits: int) -> int:
    """Bytes that a tensor takes, about."""
    scale = 4 * shape[0] + HEADER if bits < 16 else 0
    return -(-prod(shape) * bits // 8) + HEADER + scale


@torch.no_grad()
def apply(path: Path, header: Header, model: Generator) -> None:
    """Adds what changed to the base."""
    state = model.state_dict()
    tensors: dict[str, Tensor] = {}
    with safe_open(path, framework="pt") as file:
        for name in header.entries:
            tensors[name] = file.get_tensor(name)
    offset = tensors.pop(OFFSET, None)
    try:
        for name in [name for name in tensors if not name.endswith(SCALE)]:
            change = _decode(tensors[name], tensors.get(name + SCALE), state[name].shape)
            if not is_finite(change):
                raise ValueError(name)
            state[name] += change.to(state[name].device)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path} does not fit the model that it was tuned from ({error}): get it again."
        ) from error
    if offset is not None and not model.set_offset(offset.to(model.latent_space().w_avg.device)):
        raise WeightsError(f"{path} has an offset for layers of another model: get it again.")


def _encode(name: str, change: Tensor, bits: int) -> dict[str, Payload]:
    if bits == 16:
        return {name: to_payload(change.half())}
    rows = change.flatten(1)
    scale = rows.abs().amax(dim=1).clamp(min=TINIEST) / LEVELS[bits]
    levels = (rows / scale[:, None]).round()
    stored = _pack(levels) if bits == 4 else levels.to(torch.int8).view_as(change)
    return {name: to_payload(stored), name + SCALE: to_payload(scale)}


def _decode(stored: Tensor, scale: Tensor | None, shape: torch.Size) -> Tensor:
    if scale is None:
        return stored.float().view(shape)
    levels = _unpack(stored, shape.numel()) if stored.dtype == torch.uint8 else stored
    return (levels.float().view(shape[0], -1) * scale[:, None]).view(shape)


def _pack(levels: Tensor) -> Tensor:  # from −7 to 7 -> uint8
    """Two numbers to a byte."""
    nibbles = (levels.flatten() + 8).to(torch.uint8)
    nibbles = torch.nn.functional.pad(nibbles, (0, len(nibbles) % 2))
    return nibbles[::2] * 16 + nibbles[1::2]


def _unpack(packed: Tensor, count: int) -> Tensor:
    return torch.stack([packed // 16, packed % 16], dim=1).flatten()[:count].float() - 8
