"""Ctrl-C and its like while a run trains: noted, and delivered when the run is saved."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Signals:
    """The first signal that arrived."""

    def __init__(self) -> None:
        self.caught: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        if self.caught is None:
            self.caught = number
            os.write(2, b"\nstopping: this step ends first, then the run is saved.\n")


@contextmanager
def noted_signals() -> Iterator[Signals]:
    """Within, signals are only noted; after it, the one that was noted does what it would have.

    So a step ends as a whole, and whoever stops the run learns of it when it is saved.
    """
    signals = Signals()
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    heeded = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, signals.note) for number in heeded}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signals.caught is not None:
        signal.raise_signal(signals.caught)
