"""A model as one .safetensors file: its tensors, and in the header all that rebuilds it.

Files appear complete or not at all. Loading accounts for every tensor: a file with missing,
unknown, mis-shaped or non-finite ones is refused with the names.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from torch.overrides import TorchFunctionMode

from nerfgan_cli.checkpoints import delta
from nerfgan_cli.checkpoints.base import KIND, find_base, read_base
from nerfgan_cli.checkpoints.checksum import weights_checksum
from nerfgan_cli.checkpoints.container import Entry
from nerfgan_cli.checkpoints.header import (
    Header,
    compare_tensors,
    read_header,
    refuse_names,
    write_model,
)
from nerfgan_cli.checkpoints.payloads import DTYPES, is_finite, to_payload
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.checkpoints.releases import refuse_other
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.registry import build, describe

FACTORIES = (torch.randn, torch.rand, torch.empty, torch.zeros, torch.ones, torch.full)
BYTES = 4  # of a weight
MARGIN = 1 << 24  # bytes; for small things that are not in the file


def save_model(
    path: Path,
    model: nn.Module,
    provenance: Provenance,
    half: bool = False,  # stores weights as float16: half the size, loaded as float32
) -> None:
    """Writes a generator or a discriminator; the same model gives the same bytes."""
    kind, config = describe(model)
    parameters: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = name.partition(".")[0]
        parameters[part] = parameters.get(part, 0) + parameter.numel()
    payloads = {name: to_payload(tensor) for name, tensor in model.state_dict().items()}
    write_model(path, kind, config, parameters, provenance, payloads, half)


def rewrite_model(
    source: Path,
    out: Path,
    half: bool,
    release: str | None = None,  # the model has to be of: a name of the zoo
) -> Header:
    """The same model in another file, for example in half the size."""
    model = load_network(source)
    if release is not None:
        refuse_other(*describe(model), release, source.name)
    save_model(out, model, read_header(source).provenance, half)
    return read_header(out)


def load_model(path: Path | str, device: torch.device | str = "cpu") -> Generator:
    """The generator in the file, in evaluation mode."""
    model = load_network(path, device)
    if not isinstance(model, Generator):
        kind = read_header(Path(path)).kind
        raise UsageError(f"{path} holds a {kind}, which cannot draw: give a generator.")
    return model


def load_network(path: Path | str, device: torch.device | str = "cpu") -> nn.Module:
    """The network in the file, whatever its kind, in evaluation mode."""
    path = Path(path)
    header = read_header(path)
    if header.kind == KIND:
        return _load_tuned(path, header, device)
    size = sum(entry.numel for entry in header.entries.values()) * BYTES
    with Blank(size, str(path)):
        model = build(header.kind, header.config)
    stored = DTYPES | {torch.float32: "F16"} if header.half else DTYPES
    expected = {
        name: Entry(stored[tensor.dtype], tuple(tensor.shape))
        for name, tensor in model.state_dict().items()
    }
    compare_tensors(str(path), header.entries, expected)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in expected}
    broken = [name for name, tensor in tensors.items() if not is_finite(tensor)]
    refuse_names(str(path), broken, "has NaN or infinite values in", "get or train it again")
    model.load_state_dict(tensors)
    return model.to(device).eval()


def _load_tuned(path: Path, header: Header, device: torch.device | str) -> Generator:
    """The base model with what an inversion changed."""
    base = read_base(path, header)
    model = load_model(find_base(path, base), device)
    if weights_checksum(model) != base.checksum:
        raise WeightsError(
            f"the model {base.name} is not the one that {path} was tuned from: get that one back, "
            "or invert the photograph again."
        )
    delta.apply(path, header, model)
    return model


class Blank(TorchFunctionMode):
    """Builds networks whose weights will be replaced: quickly, and no larger than their file.

    Random weights are not drawn, which also leaves the state of the random generator alone: all
    that a network draws must be in its state dict. A forged description of a huge network is
    refused before it takes memory.
    """

    def __init__(self, size: int, source: str) -> None:
        super().__init__()
        self.left = size + MARGIN
        self.source = source

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in FACTORIES:
            sizes = args if args and isinstance(args[0], int) else (*args, kwargs.get("size"))[0]
            self.left -= prod(sizes) * BYTES
            if self.left < 0:
                raise WeightsError(
                    f"{self.source} describes a larger network than it holds: get the file again."
                )
            if func in (torch.randn, torch.rand) and "generator" not in kwargs:
                func = torch.empty
        return func(*args, **kwargs)
