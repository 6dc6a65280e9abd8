"""Settings of every test: two threads, the goldens' helper module on the path."""

import sys
from pathlib import Path

import torch

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS), str(TESTS / "parity")]

torch.set_num_threads(2)
