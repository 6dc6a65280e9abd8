"""Texts of the command line: lists of seeds, angles and points; names of what is written."""

import math
import os
import re
from pathlib import Path

from nerfgan_cli.errors import UsageError

LARGEST_SEED = 2**32 - 1  # of numpy's RandomState
MOST_SEEDS = 10_000


def parse_seeds(text: str) -> list[int]:
    """ "7", "0-15" or "0,3,8-11", in the order given, each once."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part, re.ASCII)
        first = int(match[1]) if match else 0
        last = int(match[2] or match[1]) if match else -1
        if not first <= last <= LARGEST_SEED:
            raise UsageError(f"--seeds {text!r} is no list of seeds: write 7 or 0-15 or 0,3,8-11.")
        if len(seeds) + last - first >= MOST_SEEDS:
            raise UsageError(f"--seeds {text!r} are more than {MOST_SEEDS} seeds: give fewer.")
        seeds.extend(range(first, last + 1))
    return list(dict.fromkeys(seeds))


def parse_angles(option: str, text: str, limit: float = 360.0) -> list[float]:
    """ "20" or "-20,0,20" degrees, as radians."""
    angles = _numbers(text)
    if not angles:
        raise UsageError(f"{option} {text!r} is no list of degrees: write 20 or -20,0,20.")
    if not all(abs(angle) <= limit for angle in angles):
        raise UsageError(f"{option} {text!r} is too far: stay within ±{limit:g} degrees.")
    return [math.radians(angle) for angle in angles]


def parse_point(option: str, text: str) -> tuple[float, float, float]:
    """ "0,0,0.2" """
    point = _numbers(text)
    if len(point) != 3:
        raise UsageError(f"{option} {text!r} is not a point: write its x,y,z, as in 0,0,0.2.")
    return point[0], point[1], point[2]


def parse_region(option: str, text: str) -> tuple[float, float, float, float]:
    """ "0.3,0,0.7,0.4": left, top, right and bottom, in shares of the picture."""
    sides = _numbers(text)
    if len(sides) != 4 or not (0 <= sides[0] < sides[2] <= 1 and 0 <= sides[1] < sides[3] <= 1):
        raise UsageError(
            f"{option} {text!r} is no region: write its left, top, right and bottom in shares of "
            "the picture, as in 0.3,0,0.7,0.4."
        )
    return sides[0], sides[1], sides[2], sides[3]


def parse_batch(text: str) -> int | None:
    """A number of views, or None for "auto"."""
    if text == "auto":
        return None
    if not re.fullmatch(r"[1-9]\d{0,4}", text, re.ASCII):
        raise UsageError(f"--batch {text!r} is not a number of views: write auto or 1 or more.")
    return int(text)


def parse_file(text: str, suffix: str) -> Path:
    """The name of a file to write."""
    path = Path(text)
    if path.suffix.lower() != suffix:
        raise UsageError(f"-o {text!r} is not the name of a {suffix} file: end it in {suffix}.")
    return path


def is_folder(text: str, suffix: str) -> bool:
    """Whether files go into a folder of this name; otherwise it is one file with the suffix."""
    path = Path(text)
    if text and (text.endswith(("/", os.sep)) or path.is_dir()):
        return True
    if path.suffix.lower() == suffix:
        return False
    if path.suffix or not text or path.name.startswith("."):
        raise UsageError(
            f"-o {text!r} is neither a {suffix} file nor a folder: "
            f"end it in {suffix}, or in / for a folder."
        )
    return True


def _numbers(text: str) -> list[float]:
    """Finite numbers separated by commas; none at all if one is wrong."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
