"""Memory of drawing, measured in a process of its own for each network.

    python -m nerfgan_cli.bench.probe CASE        numbers of pictures in, a line of JSON each out

If the system ends that process because memory is short, that is an answer too.
"""

import json
import os
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import NamedTuple

import torch

from nerfgan_cli.bench.memory import Memory
from nerfgan_cli.bench.networks import open_network, picture_work
from nerfgan_cli.errors import NerfganError, is_out_of_memory
from nerfgan_cli.generators.contract import DrawOptions
from nerfgan_cli.generators.eg3d import EG3D
from nerfgan_cli.generators.eg3d_config import EG3DConfig
from nerfgan_cli.generators.precision import exact, set_precision
from nerfgan_cli.metrics.memory import GIVING_BACK

SMALL = EG3DConfig(img_resolution=128, channel_max=8, superresolution="SuperresolutionHybrid2X")
CONTEXT = 512 << 20  # bytes of a GPU that are left to CUDA itself; assumed, not measured


class Case(NamedTuple):
    """A network, and how it draws."""

    model: str
    teacher: str  # whose student it is, where `model` is a preset
    precision: str
    device: str
    threads: int
    limit: int | None = None  # bytes of a GPU that may be reserved
    branch: str | None = None  # of a Mimic3D


class Taken(NamedTuple):
    """By a batch."""

    own: int  # bytes for the network and its work; of a GPU all that is allocated
    whole: int  # bytes of the whole process; of a GPU all that is reserved
    seconds: float


class Probe:
    """A process that draws batches of one network and tells what they take."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._start()

    def __enter__(self) -> "Probe":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def measure(self, batch: int) -> Taken | None:
        """None: the machine has not enough memory for it."""
        if self.process.poll() is not None:
            self._start()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{batch}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            found = json.loads(answer)
            return None if found is None else Taken(*found)
        code = self.process.wait()
        if code == -signal.SIGKILL:  # as Linux does when memory is short
            return None
        raise NerfganError(
            f"measuring the memory of {self.case.model} failed (its process ended with {code}; "
            "see above): run it again with a smaller --batches."
        )

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(self.case)],
            env=os.environ | GIVING_BACK,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it
        )


@torch.inference_mode()
def answer(case: Case) -> None:
    """The process's side."""
    device = torch.device(case.device)
    torch.set_num_threads(case.threads)
    exact(device)
    if case.limit is not None and device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        share = min(1.0, case.limit / total)
        torch.cuda.set_per_process_memory_fraction(share, device)
    picture_work(EG3D(SMALL).eval().to(device), 1)()  # loads code and starts threads
    memory = Memory(device)
    before = 0 if device.type == "cuda" else memory.used()
    generator = open_network(case.model, case.teacher, device)
    set_precision(generator, case.precision, device)
    options = DrawOptions(branch=case.branch)
    picture_work(generator, 1, options)()
    for line in sys.stdin:
        if device.type == "cuda":
            torch.cuda.empty_cache()
        memory.used()  # gives back what the last batch had
        memory.reset()
        start = time.perf_counter()
        try:
            picture_work(generator, int(line), options)()
            seconds = time.perf_counter() - start
            found = Taken(memory.peak() - before, memory.reserved(), seconds)
            print(json.dumps(found), flush=True)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            print("null", flush=True)


if __name__ == "__main__":
    answer(Case(*json.loads(sys.argv[1])))
