"""The infinite sampler: complete, shared among ranks, resumable."""

import time
from itertools import islice

import numpy as np
import pytest

from nerfgan_cli.data import sampler
from nerfgan_cli.data.sampler import InfiniteSampler


def first(count: int, **options: int) -> list[int]:
    return list(islice(InfiniteSampler(10, seed=1, **options), count))


def test_without_a_window_every_pass_visits_everything_in_one_order() -> None:
    order = list(islice(InfiniteSampler(10, seed=1, window=0), 20))
    assert sorted(order[:10]) == list(range(10))
    assert order[:10] == order[10:]


def test_everything_is_visited_about_as_often() -> None:
    counts = [first(2000).count(index) for index in range(10)]
    assert min(counts) > 150
    assert max(counts) < 250


def test_ranks_share_one_order() -> None:
    alone = first(30)
    ranks = [first(10, rank=rank, replicas=3) for rank in range(3)]
    assert [index for turn in zip(*ranks, strict=True) for index in turn] == alone


@pytest.mark.parametrize("replicas", [1, 2])
def test_resumes_where_it_stopped(replicas: int) -> None:
    whole = first(40, replicas=replicas)
    assert first(25, replicas=replicas, start=15) == whole[15:]


def test_passes_differ() -> None:
    order = first(20)
    assert order[:10] != order[10:]


@pytest.mark.parametrize(("length", "window"), [(10, 0.5), (7, 1.0), (3, 0.5), (2, 0.5), (1, 0.5)])
def test_random_numbers_may_be_drawn_in_any_number(
    monkeypatch: pytest.MonkeyPatch, length: int, window: float
) -> None:
    """The release draws one for each visit."""
    random = np.random.RandomState(4)
    order, expected, width = np.arange(length), [], round(length * window)
    random.shuffle(order)
    for visit in range(60):
        place = visit % length
        expected.append(order[place])
        if width >= 2:
            other = (place - random.randint(width)) % length
            order[[place, other]] = order[[other, place]]
    for chunk in (1, 4, sampler.CHUNK):
        monkeypatch.setattr(sampler, "CHUNK", chunk)
        assert list(islice(InfiniteSampler(length, 4, window=window), 60)) == expected


def test_a_long_run_resumes_soon() -> None:
    """A million pictures on, in a fraction of the time that drawing one by one would take."""
    random, start = np.random.RandomState(0), time.process_time()
    for _ in range(100_000):
        random.randint(35_000)
    one_by_one = 10 * (time.process_time() - start)
    start = time.process_time()
    next(iter(InfiniteSampler(70_000, seed=0, start=1_000_000)))
    assert time.process_time() - start < one_by_one / 2
