"""A tuned model as what differs from its base: the half-precision differences of its tensors.

The base is named in the header, with a checksum of its weights. A difference is stored as float16.
Where all of them would take more than `LARGEST` bytes, the largest matrices and convolutions take 8
bits a number, and if that does not do, 6, then 4: each row is rounded to multiples of a scale of
its own.

    half        NAME: F16
    fewer bits  NAME: U8 [⌈numbers · bits / 8⌉], and its scales NAME:8, NAME:6 or NAME:4: F32 [rows]
"""

from collections.abc import Mapping
from dataclasses import asdict
from math import prod
from pathlib import Path

import numpy as np
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
from nerfgan_cli.errors import InputError, WeightsError
from nerfgan_cli.generators.contract import Generator

LARGEST = 30_000_000  # bytes of a file
HEADER = 160  # bytes that the header takes for a tensor, at most
FEWER = (8, 6, 4)  # bits
MOST_SAMPLES = 64.0  # times the base's
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
    provenance: Provenance,
    samples: float = 1.0,  # times the base's along each ray, with which it was tuned
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
    parameters: dict[str, int] = {}
    for name, change in changes.items():
        part = name.partition(".")[0]
        parameters[part] = parameters.get(part, 0) + change.numel()
    config = {
        "base": asdict(origin),
        "kind": base.kind,
        "config": base.config(),
        "samples": samples,
        "branch": tuned.branch,
    }
    write_model(path, KIND, config, parameters, provenance, payloads)
    return bits


def choose_bits(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Half precision, but of the largest tensors less, as long as the file would be too large."""
    bits = dict.fromkeys(shapes, 16)
    matrices = [name for name in shapes if len(shapes[name]) > 1]
    matrices.sort(key=lambda name: prod(shapes[name]), reverse=True)
    total = sum(size_of(shape, 16) for shape in shapes.values())
    for fewer in FEWER:
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
    """Adds what changed to the base, which from now on draws as when it was tuned."""
    samples, branch = (header.config.get(key) for key in ("samples", "branch"))
    known = branch is None or branch in model.branches
    if not (isinstance(samples, float) and 0 < samples <= MOST_SAMPLES and known):
        raise InputError(f"{path} does not say how it was drawn: get it again.")
    model.scale_samples(samples)
    if branch is not None:
        model.prefer_branch(branch)
    state = model.state_dict()
    tensors: dict[str, Tensor] = {}
    with safe_open(path, framework="pt") as file:
        for name in header.entries:
            tensors[name] = file.get_tensor(name)
    scales = {name.partition(":")[0]: name for name in tensors if ":" in name}
    try:
        for name in {name.partition(":")[0] for name in tensors}:
            change = tensors[name]
            if name in scales:
                scale, bits = tensors[scales[name]], int(scales[name].partition(":")[2])
                levels = _unpack(change, state[name].numel(), bits)
                change = levels.view(len(scale), -1) * scale[:, None]
            change = change.float().view(state[name].shape)
            if not is_finite(change):
                raise ValueError(name)
            state[name] += change.to(state[name].device)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path} does not fit the model that it was tuned from ({error}): get it again."
        ) from error


def _encode(name: str, change: Tensor, bits: int) -> dict[str, Payload]:
    if bits == 16:
        return {name: to_payload(change.half())}
    rows = change.flatten(1)
    scale = rows.abs().amax(dim=1).clamp(min=TINIEST) / largest_level(bits)
    levels = (rows / scale[:, None]).round()
    return {name: to_payload(_pack(levels, bits)), f"{name}:{bits}": to_payload(scale)}


def largest_level(bits: int) -> int:
    """The largest multiple of the scale; the smallest is its negative."""
    return int(2 ** (bits - 1)) - 1


def _pack(levels: Tensor, bits: int) -> Tensor:  # [...] -> uint8 [⌈N · bits / 8⌉]
    """Each number's bits behind those of the one before."""
    numbers = (levels + largest_level(bits)).to(torch.uint8).flatten().numpy()
    return torch.from_numpy(np.packbits(np.unpackbits(numbers[:, None], axis=1)[:, -bits:]))


def _unpack(packed: Tensor, count: int, bits: int) -> Tensor:  # [count]
    if len(packed) != -(-count * bits // 8):
        raise ValueError(f"{len(packed)} bytes of {count} numbers")
    low = np.unpackbits(packed.numpy(), count=count * bits).reshape(count, bits)
    numbers = np.packbits(low, axis=1) >> (8 - bits)  # which fills up with zeros on the right
    return torch.from_numpy(numbers).float() - largest_level(bits)
