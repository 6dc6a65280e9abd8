"""What several benchmarks share: a choice of the clock, and a process of their own."""

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the program does: huge pages

from nerfgan_cli.bench.turns import Clock
from nerfgan_cli.metrics.memory import GIVING_BACK


def clock_of(arguments: argparse.Namespace) -> Clock:
    """The one that `add_clock` lets choose."""
    return time.process_time if arguments.processor else time.perf_counter


def add_clock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--processor",
        action="store_true",
        help="take the processor's time for this process and not the clock's: on a busy machine",
    )


def in_child(program: str, *arguments: object) -> Any:
    """What a program prints as JSON, in a process of its own."""
    command = [sys.executable, program, *map(str, arguments)]
    environment = os.environ | GIVING_BACK
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout)
