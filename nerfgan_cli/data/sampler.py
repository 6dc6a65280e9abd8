"""The order in which training visits its pictures (EG3D, after StyleGAN2-ADA; eg3d.md 9.7)."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

DEFAULT_WINDOW = 0.5  # fraction of the data set


class InfiniteSampler(Sampler[int]):
    """Visits all items over and over, reshuffling each within a window behind the visit.

    The ranks of a distributed run take turns in one common order, so the items of a global batch
    do not depend on how many processes share it. `start` skips that many items of this rank, for
    resuming.
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
        order = np.arange(self.length)
        random.shuffle(order)
        first = self.start * self.replicas
        visit = 0
        while True:
            place = visit % self.length
            if visit >= first and visit % self.replicas == self.rank:
                yield int(order[place])
            if self.window >= 2:
                other = (place - random.randint(self.window)) % self.length
                order[place], order[other] = order[other], order[place]
            visit += 1
