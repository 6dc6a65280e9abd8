"""Memory in use by a process on Linux, or on a GPU, in bytes."""

from pathlib import Path

import torch

# Of glibc: what is freed goes back to the system at once, so that resident memory is what is in
# use. It costs time, so no times are taken there.
GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": str(1 << 16), "MALLOC_TRIM_THRESHOLD_": "0"}


def forget_peak(device: torch.device) -> bool:
    """Makes what is in use now the highest memory; False: the system cannot."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_memory(device: torch.device) -> int:
    """The most bytes that this process has had, on a GPU or resident, since `forget_peak`."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return int(from_proc("self/status", "VmHWM").removesuffix("kB")) * 1024


def from_proc(file: str, key: str) -> str:
    """What Linux says of itself; nothing elsewhere."""
    path = Path("/proc") / file
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
