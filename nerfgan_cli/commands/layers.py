"""`--layers`: which layers of a generator are meant, by number or by what they draw."""

import re

from nerfgan_cli.editing.mixing import PARTS, layers_of
from nerfgan_cli.errors import UsageError

EXAMPLE = "write 0-3, coarse, middle, fine, or several of these with commas"


def parse_layers(text: str, count: int) -> list[int]:
    """ "0-3,8" or "middle,fine", of `count` layers in all; none at all if empty."""
    numbers: set[int] = set()
    for part in (part.strip() for part in text.split(",") if text.strip()):
        if part in PARTS:
            numbers.update(layers_of(part, count))
            continue
        match = re.fullmatch(r"(\d{1,4})(?:\s*-\s*(\d{1,4}))?", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last:
            raise UsageError(f"--layers {text!r} are no layers: {EXAMPLE}.")
        if last >= count:
            raise UsageError(
                f"--layers {text!r}: this model has layers 0 to {count - 1} only: name some of "
                "these."
            )
        numbers.update(range(first, last + 1))
    return sorted(numbers)


def parse_range(text: str | None, count: int) -> tuple[int, int]:
    """Layers without a gap, from the first to before the second; all of them if not given."""
    numbers = parse_layers(text, count) if text is not None else list(range(count))
    if not numbers or numbers[-1] - numbers[0] + 1 != len(numbers):
        raise UsageError(
            f"--layers {text!r}: the layers of a direction have no gap: write one range."
        )
    return numbers[0], numbers[-1] + 1
