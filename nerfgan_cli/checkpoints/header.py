"""What a model's file says about it: kind, architecture, parameters, provenance, tensors.

All of it stands in the header of the .safetensors file, in one entry `nerfgan` of its metadata.
Nothing here needs torch, so that converting and describing models is quick and small.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nerfgan_cli.checkpoints.container import (
    Entry,
    Payload,
    read_container,
    write_container,
)
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.sniff import refuse_unless
from nerfgan_cli.errors import InputError, WeightsError

VERSION = 1
KEY = "nerfgan"
NAMES_SHOWN = 5
LONGEST_NAME = 160


@dataclass(frozen=True)
class Header:
    """What a file says about its model."""

    kind: str  # a key of `generators.registry.BUILDERS`
    config: dict[str, Any]  # the architecture
    parameters: dict[str, int]  # trained numbers of each part
    provenance: Provenance
    entries: dict[str, Entry]
    half: bool = False  # whether float32 tensors are stored as float16


def write_model(
    path: Path,
    kind: str,
    config: Mapping[str, Any],
    parameters: Mapping[str, int],
    provenance: Provenance,
    payloads: Mapping[str, Payload],
    half: bool = False,  # stores float32 tensors as float16
) -> None:
    """Writes a model whose tensors are at hand as arrays; needs no torch."""
    if half:
        payloads = {name: to_half(payload) for name, payload in payloads.items()}
    wrong = [name for name, payload in payloads.items() if not is_finite(payload)]
    refuse_names(
        str(path), wrong, "would have NaN or infinite values in", "use an earlier checkpoint"
    )
    text = json.dumps(
        {
            "version": VERSION,
            "kind": kind,
            "config": config,
            "parameters": parameters,
            "provenance": provenance.to_json(),
            "half": half,
        },
        allow_nan=False,
    )
    write_container(path, {"format": "pt", KEY: text}, payloads)


def read_header(path: Path) -> Header:
    """What the file says about its model, without its tensors."""
    refuse_unless(path, "safetensors")
    container = read_container(path)
    if KEY not in container.metadata:
        raise InputError(
            f"{path} is a .safetensors file that nerfgan did not write: "
            "give a model made by nerfgan convert or by training."
        )
    data = parse_description(path, container.metadata[KEY])
    return Header(
        data["kind"],
        data["config"],
        data["parameters"],
        Provenance.from_json(data["provenance"]),
        container.entries,
        data.get("half", False),
    )


def parse_description(path: Path, text: str) -> dict[str, Any]:
    """The description that `write_model` wrote, each part of the type that it has there."""
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} has a damaged description: get the file again.") from error
    version = data.get("version") if isinstance(data, dict) else None
    if type(version) is int and version > VERSION:
        raise WeightsError(
            f"{path} has format version {version}, this nerfgan reads up to {VERSION}: "
            "update nerfgan."
        )
    types = {"version": int, "kind": str, "config": dict, "parameters": dict, "provenance": dict}
    if not isinstance(data, dict) or any(type(data.get(k)) is not t for k, t in types.items()):
        raise InputError(f"{path} has a damaged description: get the file again.")
    counts = data["parameters"].values()
    if not all(type(n) is int for n in counts) or type(data.get("half", False)) is not bool:
        raise InputError(f"{path} has a damaged description: get the file again.")
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def compare_tensors(source: str, found: Mapping[str, Entry], expected: Mapping[str, Entry]) -> None:
    """Every tensor of the architecture is there, with its shape and type, and no other."""
    advice = "get the file again, or the one that belongs to this architecture"
    refuse_names(source, [name for name in expected if name not in found], "lacks", advice)
    refuse_names(source, [name for name in found if name not in expected], "has unknown", advice)
    wrong = [name for name in expected if found[name].shape != expected[name].shape]
    named = [f"{name} {found[name].shape} instead of {expected[name].shape}" for name in wrong]
    refuse_names(source, named, "has mis-shaped", advice)
    wrong = [name for name in expected if found[name].dtype != expected[name].dtype]
    named = [f"{name} {found[name].dtype} instead of {expected[name].dtype}" for name in wrong]
    refuse_names(source, named, "has mis-typed", advice)


def refuse_names(source: str, names: Iterable[str], what: str, advice: str) -> None:
    """Names the first few tensors that something is wrong with; nothing if there are none."""
    names = list(names)
    if not names:
        return
    shown = ", ".join(name[:LONGEST_NAME] for name in names[:NAMES_SHOWN])
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    plural = "s" if len(names) > 1 else ""
    raise WeightsError(f"{source} {what} tensor{plural} {shown}{more}: {advice}.")


def to_half(payload: Payload) -> Payload:
    """Numbers beyond float16 become infinite."""
    if payload.dtype != "F32":
        return payload
    with np.errstate(over="ignore"):
        return Payload("F16", payload.numbers.astype(np.float16))


def is_finite(payload: Payload) -> bool:
    if payload.dtype == "BF16":  # given as int16; all bits of the exponent are ones
        return not bool(((payload.numbers.astype(np.int32) & 0x7F80) == 0x7F80).any())
    return payload.dtype[0] != "F" or bool(np.isfinite(payload.numbers).all())
