"""What more seeds and configurations can be expected to do, against grids that have them."""

import os
from pathlib import Path

import pandas as pd
import pytest
from ranking.tables import planted

import genbench.ranking as ranking
from genbench.ranking.outlook import expected_apart, outlook

SHARED = Path(os.environ.get("GENBENCH_SHARED", Path(__file__).parents[3] / "shared"))
TABLE = SHARED / "data" / "retrained" / "digits-20-seeds.csv"


def rank(table, **options):
    return ranking.rank(table, statistics=["psi"], bootstrap=2, **options)


@pytest.mark.skipif(not TABLE.exists(), reason="the table of twenty seeds is not at hand")
def test_what_is_expected_of_more_seeds_is_what_they_bring():
    table = pd.read_csv(TABLE)
    two = [rank(table[table["seed"].between(first, first + 1)]) for first in (0, 4, 8, 12)]
    for seeds in (4, 8):
        found = [rank(table[table["seed"].between(first, first + seeds - 1)]) for first in (0, 8)]
        brought = sum(board.summary["pairs"]["apart"] for board in found) / 2
        expected = sum(expected_apart(board, seeds / 2, 1.0) for board in two) / 4
        assert expected == pytest.approx(brought, rel=0.15)


@pytest.mark.skipif(not TABLE.exists(), reason="the table of twenty seeds is not at hand")
def test_what_is_expected_of_half_the_grid_with_twice_the_seeds_is_what_it_brings():
    table = pd.read_csv(TABLE)
    two = [rank(table[table["seed"].between(first, first + 1)]) for first in (0, 4, 8, 12)]
    halves = []
    for axis in ("model.depth", "protocol.batch_size", "dataset.train_size"):
        for level in table[axis].unique():
            halves.append(rank(table[(table[axis] == level) & table["seed"].between(4, 7)]))
    brought = sum(board.summary["pairs"]["apart"] for board in halves) / len(halves)
    expected = sum(expected_apart(board, 2.0, 0.5) for board in two) / 4
    assert expected == pytest.approx(brought, rel=0.15)


def test_more_of_either_never_tells_fewer_apart():
    table = planted(seeds=4)
    for interval in ("retraining", "configurations"):
        board = rank(table, axes=["a0", "a1", "a2", "a3"], interval=interval)
        by_design = {row["design"]: row["apart"] for row in outlook(board)}
        assert by_design["as it is"] <= by_design["twice the seeds"] <= by_design["four times the seeds"]
        assert by_design["as it is"] <= by_design["twice the configurations"]
        assert by_design["twice the configurations"] <= by_design["four times the configurations"]


def test_one_seed_and_no_intervals_are_one_line_each():
    axes = ["a0", "a1", "a2", "a3"]
    with pytest.raises(ranking.RankingError, match="one seed does not tell"):
        outlook(rank(planted(seeds=1), axes=axes))
    board = ranking.rank(planted(), axes=axes, statistics=["psi"], bootstrap=0)
    with pytest.raises(ranking.RankingError, match="without intervals"):
        outlook(board)
    with pytest.raises(ranking.RankingError, match="fewer than two measures"):
        outlook(rank(planted(), axes=axes, measures=["signal"]))
    with pytest.raises(ranking.RankingError, match="fewer than two measures"):
        outlook(rank(planted().assign(a0=0), axes=["a0"], measures=["signal", "noise"]))


def test_fits_that_no_column_calls_seeds_are_seeds():
    axes = ["a0", "a1", "a2", "a3"]
    table = planted(seeds=2)
    named = [row["design"] for row in outlook(rank(table, axes=axes))]
    assert [row["design"] for row in outlook(rank(table.drop(columns="seed"), axes=axes))] == named
    assert "as it is" in named
