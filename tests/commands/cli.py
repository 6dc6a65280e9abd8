"""Running `nerfgan` as a user would, and what it answered."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Done(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    def refused(self, code: int, *words: str) -> None:
        """It ended with `code` and one sentence on standard error that holds `words`."""
        assert self.code == code, self
        assert self.out == ""
        assert self.err.startswith("nerfgan: ")
        assert self.err.endswith((".\n", "?\n"))
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        for word in words:
            assert word in self.err


def heed_interrupts() -> None:
    """For a new process: a shell that runs tests in the background has them ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments: object, own_group: bool = False, **variables: str) -> "subprocess.Popen[str]":
    """Starts `nerfgan` as a process of its own, for signals and pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "nerfgan_cli", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
        start_new_session=own_group,
    )
