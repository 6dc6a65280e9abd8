"""Work on many small things at once, in order, with few of them in memory.

Threads suffice where Pillow does the work: it decodes, resizes and encodes outside Python's lock.
Drawing heads holds that lock: two threads draw no faster than one, two processes 1.7 times as fast.
"""

import contextlib
import signal
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

from nerfgan_cli.errors import InputError

In = TypeVar("In")
Out = TypeVar("Out")

AHEAD = 4  # items in flight per worker


def ordered_map(function: Callable[[In], Out], items: Iterable[In], workers: int) -> Iterator[Out]:
    """function(item) for each item, in their order.

    An error, or leaving the loop early, drops what has not begun.
    """
    pending: deque[Future[Out]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) >= AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def ordered_map_in_processes(
    function: Callable[[In], Out], items: Sequence[In], workers: int
) -> Iterator[Out]:
    """The same in processes, which end when this one does, however it ends."""
    workers = min(workers, len(items))
    if workers < 2:
        yield from map(function, items)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about more workers than cores
        loader: DataLoader[Any] = DataLoader(
            _Work(function, items),
            batch_size=None,
            num_workers=workers,
            collate_fn=_as_it_is,
            worker_init_fn=leave_signals_to_parent,
        )
        results = iter(loader)
    try:
        for _ in items:
            result, error = _next(results)
            if error is not None:
                raise error
            yield result
    finally:
        del results  # ends the processes, also where someone keeps the error with its frames


def leave_signals_to_parent(worker: int) -> None:
    """Ctrl-C reaches all processes of a terminal, and a cluster ends all of a job at once.

    The parent finishes its step, saves, and ends us; should it die, torch notices and ends us too.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _next(results: Iterator[Any]) -> Any:
    """Of a `DataLoader`, whose own errors are about its processes."""
    with contextlib.suppress(RuntimeError):
        return next(results)
    raise InputError(
        "a process that worked on this has ended, perhaps for want of memory: "
        "start the same command again, with fewer workers if it happens again."
    )


class _Work(Dataset[Any]):
    """Items as `DataLoader` wants them; errors go home as they are, not as its texts."""

    def __init__(self, function: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self.function, self.items = function, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Any, Exception | None]:
        try:
            return self.function(self.items[index]), None
        except Exception as error:
            return None, error


def _as_it_is(result: Any) -> Any:
    return result
