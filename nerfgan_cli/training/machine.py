"""Settings of torch that hold for a whole process while it trains."""

import os

import torch


def use_machine() -> None:
    """All cores that this process may use; convolutions in true float32 (eg3d.md 9.6: no TF32)."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(cores())
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
