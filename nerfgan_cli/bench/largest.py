"""The largest batch within a limit: doubled until it no longer fits, then bisected.

On a GPU every batch in question is drawn, and the allocator refuses what is too much. On a CPU a
batch is drawn, and its resident memory measured, as long as that is affordable; beyond, a straight
line through what was measured answers, and the result says so. It also says so where the machine,
not the limit, was the end: a GPU that is smaller or busy, a process that the system ended.
"""

from collections.abc import Callable
from typing import NamedTuple

from nerfgan_cli.bench.fits import fit_straight
from nerfgan_cli.bench.memory import size_text

MOST = 1 << 16  # pictures in a batch
FEWEST = 3  # points from which a line is drawn


class Largest(NamedTuple):
    batch: int  # 0: not even one picture fits
    measured: bool  # it was drawn, and so was the next one, which is too large
    at_least: bool = False  # the next one is too large for this machine, perhaps not for the limit
    free: int | None = None  # bytes of the GPU before the first was drawn

    @property
    def caveat(self) -> str | None:
        """What the number does not tell."""
        if self.at_least and self.free is not None:
            return f"as only {size_text(self.free)} of the GPU were free"
        if self.at_least:
            return "as this machine had no memory for more"
        return None if self.measured else "by the line through what was measured"


def largest_that(fits: Callable[[int], bool], most: int = MOST) -> int:
    """The largest number from 1 to `most` that fits, if all smaller ones do; 0: none."""
    good, bad = 0, 1
    while bad <= most and fits(bad):
        good, bad = bad, min(2 * bad, most + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def largest_batch(
    measure: Callable[[int], int | None],  # bytes of a batch; None: it is too much for the machine
    known: dict[int, int],  # bytes by batch that are measured already; more are added
    limit: int,  # bytes
    affordable: Callable[[int], bool],
    enforced: bool = False,  # what `measure` refuses is beyond the limit, not beyond the machine
) -> Largest:
    """By drawing where that is affordable, else by the line through the drawn ones."""
    drawn = {batch: size <= limit for batch, size in known.items()}
    refused = set()

    def fits(batch: int) -> bool:
        if batch in drawn:
            return drawn[batch]
        if len(known) < FEWEST or affordable(batch):
            size = measure(batch)
            if size is None:
                refused.add(batch)
            else:
                known[batch] = size
            drawn[batch] = size is not None and size <= limit
            return drawn[batch]
        return fit_straight(list(known), list(known.values())).at(batch) <= limit

    batch = largest_that(fits)
    measured = (batch in drawn or not batch) and batch + 1 in drawn
    return Largest(batch, measured, at_least=batch + 1 in refused and not enforced)
