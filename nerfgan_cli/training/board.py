"""The curves and pictures of a run for TensorBoard, in the format of its event files.

torch's SummaryWriter has a thread for this, whose traceback appears beside our sentence when the
disk is full. Here everything is written at once, by whoever asks for it.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from torch.utils.tensorboard import RecordWriter
from torch.utils.tensorboard.summary import image, scalar

from nerfgan_cli.media import Picture

FORMAT = "brain.Event:2"


class Board:
    """One file of events: those of a session, from one start of a run to one stop."""

    def __init__(self, folder: Path, images: int) -> None:
        # Names that hold "tfevents" are read in their order.
        self.file = folder / f"events.out.tfevents.{time.time():.6f}.{os.getpid()}"
        # What earlier sessions wrote of later moments is void.
        start = SessionLog(status=SessionLog.START)
        self._append(Event(file_version=FORMAT), Event(step=images + 1, session_log=start))

    def numbers(self, numbers: Mapping[str, float], images: int) -> None:
        curves = (scalar(name, number) for name, number in numbers.items())  # type: ignore[no-untyped-call]
        self._append(*(Event(step=images, summary=curve) for curve in curves))

    def picture(self, name: str, picture: Picture, images: int) -> None:
        shown = image(name, picture, dataformats="HWC")  # type: ignore[no-untyped-call]
        self._append(Event(step=images, summary=shown))

    def _append(self, *events: Event) -> None:
        with self.file.open("ab") as file:
            records = RecordWriter(file)
            for event in events:
                event.wall_time = time.time()
                records.write(event.SerializeToString())
