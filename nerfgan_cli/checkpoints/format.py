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
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nerfgan_cli.checkpoints.container import Entry, Payload
from nerfgan_cli.checkpoints.header import (
    Header,
    compare_tensors,
    read_header,
    refuse_names,
    write_model,
)
from nerfgan_cli.checkpoints.provenance import Provenance
from nerfgan_cli.errors import UsageError, WeightsError
from nerfgan_cli.generators.contract import Generator
from nerfgan_cli.generators.registry import build, describe

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}

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


def rewrite_model(source: Path, out: Path, half: bool) -> Header:
    """The same model in another file, for example in half the size."""
    save_model(out, load_network(source), read_header(source).provenance, half)
    return read_header(out)


def load_model(path: Path | str, device: torch.device | str = "cpu") -> Generator:
    """The generator in the file, in evaluation mode."""
    model = load_network(path, device)
    if not isinstance(model, Generator):
        raise UsageError(f"{path} holds a discriminator, which cannot draw: give a generator.")
    return model


def load_network(path: Path | str, device: torch.device | str = "cpu") -> nn.Module:
    """The network in the file, a generator or a discriminator, in evaluation mode."""
    path = Path(path)
    header = read_header(path)
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


def is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    return all(bool(bound.isfinite()) for bound in tensor.aminmax())  # NaN shows in both


def to_payload(tensor: Tensor) -> Payload:
    """A tensor as an array that shares its memory where it can."""
    tensor = tensor.detach().cpu().contiguous()
    dtype = DTYPES[tensor.dtype]
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return Payload(dtype, tensor.numpy())
