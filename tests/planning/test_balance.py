"""The order of configurations: every beginning of it speaks for the whole grid."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from genbench.planning.balance import balanced_order, level_counts

GRIDS = [(2,) * 5, (3, 3, 2, 4), (4, 4, 4), (5, 2, 2), (2, 2, 2, 2, 2, 3)]


def grid(sizes: tuple[int, ...]) -> list[dict[str, int]]:
    return [dict(zip("abcdef", point, strict=False)) for point in itertools.product(*map(range, sizes))]


def furthest(part: list[dict[str, int]], whole: list[dict[str, int]]) -> float:
    """By how many configurations a level is away from its share, at most."""
    return max(
        abs(sum(each[axis] == level for each in part) - len(part) * count / len(whole))
        for axis in whole[0]
        for level, count in Counter(each[axis] for each in whole).items()
    )


def pairs(part: list[dict[str, int]], axis: str) -> int:
    """Pairs that differ in one axis alone."""
    return sum(
        all((one[name] != other[name]) == (name == axis) for name in one)
        for one, other in itertools.combinations(part, 2)
    )


@pytest.mark.parametrize("sizes", GRIDS)
def test_in_every_beginning_each_level_has_its_share_to_one_configuration(sizes):
    points = grid(sizes)
    order = balanced_order(points)
    assert sorted(order) == list(range(len(points)))
    for count in range(1, len(points) + 1):
        assert furthest([points[each] for each in order[:count]], points) <= 1


@pytest.mark.parametrize("sizes", GRIDS)
def test_half_a_grid_has_pairs_on_every_axis_no_fewer_than_a_random_half(sizes):
    points = grid(sizes)
    half = [points[each] for each in balanced_order(points)[: len(points) // 2]]
    drawn = [random.Random(seed).sample(points, len(half)) for seed in range(10)]
    ours = min(pairs(half, axis) for axis in points[0])
    assert ours > 0
    assert ours >= 0.9 * sum(min(pairs(each, axis) for axis in points[0]) for each in drawn) / len(drawn)


def test_what_is_there_comes_first_and_counts():
    points = grid((2, 2, 2))
    there = [place for place, each in enumerate(points) if each["a"] == 0][:3]
    order = balanced_order(points, there)
    assert order[:3] == there
    assert [points[each]["a"] for each in order[3:6]] == [1, 1, 1], "they make up for what is there"


def test_the_order_depends_on_the_configurations_and_not_on_their_order():
    points = grid((3, 2, 2))
    shuffled = random.Random(0).sample(points, len(points))
    assert [points[each] for each in balanced_order(points)] == [
        shuffled[each] for each in balanced_order(shuffled)
    ]


def test_a_level_that_few_have_gets_its_share_only():
    points = [{"a": a, "b": b} for a in "xy" for b in range(6)] + [{"a": "z", "b": 0}]
    order = balanced_order(points)
    for count in range(1, len(points) + 1):
        assert furthest([points[each] for each in order[:count]], points) <= 1.5


def test_a_grid_of_one_configuration_and_one_of_one_axis():
    assert balanced_order([{"a": 1}]) == [0]
    assert sorted(balanced_order([{"a": 1, "b": 2}, {"a": 2, "b": 2}])) == [0, 1]
    assert level_counts([{"a": 1, "b": 2}, {"a": 2, "b": 2}]) == {"a": {1: 1, 2: 1}}
