"""Tensors of torch as the numbers that a file holds."""

import torch
from torch import Tensor

from nerfgan_cli.checkpoints.container import Payload

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
