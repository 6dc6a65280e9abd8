"""Memory in use by this process on Linux, or on a GPU: now, and the most since it was asked."""

import ctypes
import gc
import platform
import re
from collections.abc import Callable
from pathlib import Path

import torch

from nerfgan_cli.errors import UsageError
from nerfgan_cli.metrics.memory import forget_peak, from_proc, peak_memory

MB = 1_000_000
PUBLISHED_LIMIT = 24 << 30  # bytes of the RTX 3090 in arXiv 2303.12865, figure 1
DRIVER = Path("/proc/driver/nvidia/version")  # on Linux


def is_told(device: torch.device) -> bool:
    """Whether this system tells what is in use, and the most since it was asked."""
    if device.type == "cuda":
        return True
    known = device.type == "cpu" and from_proc("self/status", "VmRSS")
    return bool(known) and forget_peak(device)


def free_memory(device: torch.device) -> int | None:
    """Bytes of a GPU for another process; this one keeps what it has to."""
    if device.type != "cuda":
        return None
    torch.cuda.empty_cache()
    return int(torch.cuda.mem_get_info(device)[0])


def size_text(size: int) -> str:
    """In GiB or MiB what is whole in MiB, as cards are; else in GB."""
    if size % 2**20:
        return f"{size / 1e9:.4g} GB"
    return f"{size / 2**30:.4g} GiB" if size >= 2**30 else f"{size >> 20} MiB"


def machine_name(device: torch.device) -> str:
    """A GPU, or a processor and how many threads of it are used."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = from_proc("cpuinfo", "model name") or platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{threads} thread{'s' * (threads > 1)} on {name}"


def driver_version() -> str | None:
    """Of NVIDIA's driver; None: there is none, or the system does not tell."""
    try:
        found = re.search(r"\d+\.\d+(\.\d+)?", DRIVER.read_text("utf-8"))
    except OSError:
        return None
    return None if found is None else found.group()


class Memory:
    """In bytes."""

    def __init__(self, device: torch.device) -> None:
        if not is_told(device):
            raise UsageError("memory on a CPU is measured on Linux only: run this there.")
        self.device = device

    def used(self) -> int:
        gc.collect()
        if self.device.type == "cuda":
            return torch.cuda.memory_allocated(self.device)
        ctypes.CDLL(None).malloc_trim(0)
        return int(from_proc("self/status", "VmRSS").removesuffix("kB")) * 1024

    def reset(self) -> None:
        forget_peak(self.device)

    def peak(self) -> int:
        return peak_memory(self.device)

    def reserved(self) -> int:
        """At its peak: of a GPU what the allocator has taken, else the whole process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_reserved(self.device)
        return self.peak()

    def added(self, work: Callable[[], object]) -> int:
        """What a call adds at its peak."""
        before = self.used()
        self.reset()
        work()
        return self.peak() - before
