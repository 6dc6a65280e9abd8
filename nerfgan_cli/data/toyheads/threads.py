"""Drawing is thousands of small operations: on a busy machine a second thread makes them wait.

Measured on two cores that others use too: a tenth of the speed with two threads. Use processes
(the workers of a `DataLoader`) for more cores.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
