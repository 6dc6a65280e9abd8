"""The infinite sampler: complete, shared among ranks, resumable."""

from itertools import islice

import pytest

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
