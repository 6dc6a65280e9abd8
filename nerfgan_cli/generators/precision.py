"""Where a generator computes, and how precisely.

Precision concerns convolutions only: each block that convolves has an attribute `compute_dtype`.
Styles, demodulation, the accumulated image and the volume renderer stay in float32.
"""

import torch
from torch import nn

from nerfgan_cli.errors import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FAST_BF16_CPU = ("avx512_bf16", "amx_bf16")  # without them bfloat16 is emulated, and slower


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU; a device that is not there is an error."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((device for device, found in there.items() if found), "cpu")
    elif not there.get(name, True):
        raise UsageError(f"this machine has no {name.upper()} device: choose cpu or auto.")
    return torch.device(name)


def bf16_is_fast(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        return any(capabilities.get(name, False) for name in FAST_BF16_CPU)
    return False


def exact(device: torch.device) -> None:
    """No TF32, so that fp32 means float32 (metrics.md 9): of this process, from now on."""
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


def tf32_is_on(device: torch.device) -> bool:
    """Whether float32 is rounded on the way into convolutions or matrix products."""
    allowed = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
    return device.type == "cuda" and bool(allowed)


def set_precision(network: nn.Module, precision: str, device: torch.device) -> str:
    """Makes the convolutions compute in `precision`; returns its name, `auto` resolved."""
    if precision == "auto":
        precision = "bf16" if bf16_is_fast(device) else "fp32"
    for module in network.modules():
        if hasattr(module, "compute_dtype"):
            # Half precision overflows where nothing clamps; the release never uses it there.
            safe = precision != "fp16" or getattr(module, "conv_clamp", None) is not None
            vars(module)["compute_dtype"] = DTYPES[precision] if safe else torch.float32
    return precision
