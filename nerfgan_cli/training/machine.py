"""Settings of torch that hold for a whole process while it trains."""

import os
from importlib.util import find_spec

import torch

from nerfgan_cli.errors import UsageError


def use_machine() -> None:
    """All cores that this process may use; convolutions in true float32 (eg3d.md 9.6: no TF32)."""
    if find_spec("fcntl") is None:  # locks that end with their process: a run must have one owner
        raise UsageError(
            "training needs Linux or macOS: on Windows, run the same command within WSL."
        )
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(cores())
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
