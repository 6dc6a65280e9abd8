"""H.264 video through ffmpeg, frame by frame: memory does not grow with length.

The file opens in players and browsers: yuv420p, even sides, BT.709 colours that it states, and
its index at the front (faststart).
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import imageio_ffmpeg
import numpy as np

from nerfgan_cli.errors import InputError, NerfganError
from nerfgan_cli.files import replacing
from nerfgan_cli.media import Picture

# Of x264: visually lossless; half the time of its usual preset for files of the same size.
QUALITY = "-preset veryfast -crf 18"
NO_FFMPEG = "install the package imageio-ffmpeg, or name a program in IMAGEIO_FFMPEG_EXE"


def find_ffmpeg() -> str:
    """The program that imageio-ffmpeg finds: IMAGEIO_FFMPEG_EXE, its own, or the system's."""
    try:
        program = str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise InputError(f"there is no ffmpeg here: {NO_FFMPEG}.") from error
    if shutil.which(program) is None:
        raise InputError(f"there is no ffmpeg at {program}: {NO_FFMPEG}.")
    return program


@contextmanager
def video_writer(path: Path, fps: float) -> Iterator[Callable[[Picture], None]]:
    """Gives a function that appends a frame; the file appears at `path` when all are written."""
    ffmpeg = find_ffmpeg()
    with replacing(path) as unfinished, TemporaryFile() as messages:
        encoder: subprocess.Popen[bytes] | None = None

        def write(frame: Picture) -> None:
            nonlocal encoder
            frame = even_sides(frame)
            if encoder is None:
                encoder = _start(ffmpeg, frame, unfinished, fps, messages)
            assert encoder.stdin is not None
            try:
                encoder.stdin.write(np.ascontiguousarray(frame).data)
            except BrokenPipeError:
                raise _failure(encoder.wait(), messages) from None

        try:
            yield write
            if encoder is not None:
                _finish(encoder, unfinished, messages)
        finally:
            if encoder is not None and encoder.poll() is None:
                encoder.kill()
                encoder.wait()


def even_sides(frame: Picture) -> Picture:
    """Repeats the last row or column where a side is odd: yuv420p halves both."""
    height, width, _ = frame.shape
    if height % 2 == 0 and width % 2 == 0:
        return frame
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _start(
    ffmpeg: str, frame: Picture, path: Path, fps: float, messages: IO[bytes]
) -> "subprocess.Popen[bytes]":
    height, width, _ = frame.shape
    source = f"-f rawvideo -pixel_format rgb24 -video_size {width}x{height} -framerate {fps} -i -"
    colours = "-vf scale=out_color_matrix=bt709:out_range=tv -pix_fmt yuv420p "
    colours += "-colorspace bt709 -color_primaries bt709 -color_trc bt709"
    target = f"-c:v libx264 {QUALITY} -movflags +faststart -f mp4"
    options = f"-y -loglevel error -nostdin {source} {colours} {target}".split()
    try:
        return subprocess.Popen(
            [ffmpeg, *options, str(path.absolute())],  # "a:b.mp4" would name a protocol
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=messages,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it
        )
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        raise InputError(f"cannot run ffmpeg at {ffmpeg} ({reason}): {NO_FFMPEG}.") from error


def _finish(encoder: "subprocess.Popen[bytes]", path: Path, messages: IO[bytes]) -> None:
    assert encoder.stdin is not None
    with suppress(BrokenPipeError):  # it has ended early: its exit code and messages tell why
        encoder.stdin.close()
    code = encoder.wait()
    if code != 0 or not path.exists():
        raise _failure(code, messages)


def _failure(code: int, messages: IO[bytes]) -> NerfganError:
    """What ffmpeg said last, as a sentence that says what to do."""
    messages.seek(0)
    lines = messages.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
    if any("No space left" in line for line in lines):
        return InputError("the disk is full: free some space, or write elsewhere.")
    if any("Unknown encoder" in line for line in lines):
        return InputError(f"this ffmpeg cannot write H.264 with libx264: {NO_FFMPEG}.")
    return NerfganError(
        f"ffmpeg failed with code {code} ({lines[-1].strip().rstrip('.')}): "
        f"see nerfgan doctor, or {NO_FFMPEG}."
    )
