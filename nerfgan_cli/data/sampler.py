"""The order in which training visits its pictures (EG3D, after StyleGAN2-ADA; eg3d.md 9.7)."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

DEFAULT_WINDOW = 0.5  # fraction of the data set
CHUNK = 1 << 16  # visits whose random numbers are drawn at once: one by one takes 8 times as long


class InfiniteSampler(Sampler[int]):
    """Visits all items over and over, reshuffling each within a window behind the visit.

    The ranks of a distributed run take turns in one common order, so the items of a global batch
    do not depend on how many processes share it. `start` skips that many items of this rank, for
    resuming: each swap builds on those before, so they are made again, a million in 0.3 s.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        rank: int = 0,
        replicas: int = 1,
        window: float = DEFAULT_WINDOW,
        start: int = 0,
    ) -> None:
        self.length = length
        self.seed = seed
        self.rank = rank
        self.replicas = replicas
        self.window = int(np.rint(length * window))  # in items
        self.start = start

    def __iter__(self) -> Iterator[int]:
        random = np.random.RandomState(self.seed)
        shuffled = np.arange(self.length)
        random.shuffle(shuffled)
        order: list[int] = shuffled.tolist()
        first = self.start * self.replicas
        visit = 0
        for places in self._chunks():
            for place, other in zip(places, self._partners(places, random), strict=True):
                if visit >= first and visit % self.replicas == self.rank:
                    yield order[place]
                order[place], order[other] = order[other], order[place]
                visit += 1

    def _chunks(self) -> Iterator[range]:
        """All places, pass after pass."""
        while True:
            for start in range(0, self.length, CHUNK):
                yield range(start, min(start + CHUNK, self.length))

    def _partners(self, places: range, random: np.random.RandomState) -> Sequence[int]:
        """The place with which each of these is swapped; its own where there is no window."""
        if self.window < 2:
            return places
        backs = random.randint(self.window, size=len(places))
        others: list[int] = ((np.arange(places.start, places.stop) - backs) % self.length).tolist()
        return others
