"""Intervals against what training the same grid again really gives: 64 configurations of digits, twenty seeds."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import genbench.ranking as ranking

SHARED = Path(os.environ.get("GENBENCH_SHARED", Path(__file__).parents[3] / "shared"))
TABLE = SHARED / "data" / "retrained" / "digits-20-seeds.csv"
SEEDS = 20
GROUPS = (2, 3, 5, 10)
COLUMNS = ("psi", "tau", "spearman")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TABLE.exists(), reason="the table of twenty seeds is not at hand"),
]


@cache
def board_of(first: int, seeds: int):
    table = pd.read_csv(TABLE)
    part = table[table["seed"].between(first, first + seeds - 1)]
    return ranking.rank(part, statistics=["tau", "psi", "spearman"], bootstrap=200)


def groups_of(seeds: int):
    return [board_of(first, seeds) for first in range(0, SEEDS - seeds + 1, seeds)]


def column_of(board, column: str) -> np.ndarray:
    """A column of the measures, in one order for all boards."""
    return np.array([board[name][column] for name in sorted(row["measure"] for row in board.rows)])


def held(board, column: str, seeds: int) -> np.ndarray:
    """Whether intervals hold the value of all twenty seeds.

    The interval is for the value of endlessly many seeds, from which the mean of k differs by the variance of
    one seed times 1/k. From the mean of all K, among which the k are, it differs by that variance times
    1/k − 1/K: the interval's reach is multiplied by √(1 − k/K).
    """
    estimate, low, high = (column_of(board, f"{column}{end}") for end in ("", "_low", "_high"))
    reach = np.maximum(estimate - low, high - estimate) * np.sqrt(1 - seeds / SEEDS)
    return np.abs(column_of(board_of(0, SEEDS), column) - estimate) <= reach + 1e-12


@pytest.mark.parametrize("column", COLUMNS)
def test_intervals_hold_the_value_of_twenty_seeds(column):
    every = np.concatenate([[held(board, column, seeds) for board in groups_of(seeds)] for seeds in GROUPS])
    assert 0.92 <= every.mean() <= 0.99
    assert every.mean(axis=0).min() >= 0.8


@pytest.mark.parametrize("column", COLUMNS)
def test_claimed_standard_errors_are_the_real_ones(column):
    """The real ones: between the values of single seeds left out of all twenty, 19 degrees of freedom."""
    real = column_of(board_of(0, SEEDS), f"{column}_se") * np.sqrt(SEEDS)
    ratios = [
        column_of(board, f"{column}_se") / (real / np.sqrt(seeds))
        for seeds in GROUPS
        for board in groups_of(seeds)
    ]
    assert 0.9 <= np.mean(ratios) <= 1.3


def test_no_interval_is_without_width():
    for board in (board_of(0, 2), board_of(0, SEEDS)):
        for column in COLUMNS:
            assert (column_of(board, f"{column}_high") > column_of(board, f"{column}_low")).all()


def test_ranks_of_two_seeds_hold_those_of_twenty():
    order = [row["measure"] for row in board_of(0, SEEDS).rows]
    shares = []
    for board in groups_of(2):
        ranks = {row["measure"]: (row["rank_low"], row["rank_high"]) for row in board.rows}
        shares.append(np.mean([ranks[n][0] <= place <= ranks[n][1] for place, n in enumerate(order, 1)]))
    assert np.mean(shares) >= 0.92


def test_the_winner_of_two_seeds_is_nearer_to_what_is_expected_of_it():
    truth = board_of(0, SEEDS)
    raw, expected = [], []
    for board in groups_of(2):
        winner = board.rows[0]
        raw.append(abs(winner["psi"] - truth[winner["measure"]]["psi"]))
        expected.append(abs(winner["expected"] - truth[winner["measure"]]["psi"]))
    assert np.mean(expected) < np.mean(raw)


def test_probabilities_of_being_best_are_what_they_say():
    """Over the groups the Brier score of the probability of the top five is far below that of five in all."""
    top = {row["measure"] for row in board_of(0, SEEDS).rows[:5]}
    scores, base = [], []
    for board in groups_of(2):
        assert sum(row["p_best"] for row in board.rows) == pytest.approx(1)
        assert sum(row["p_top5"] for row in board.rows) == pytest.approx(5)
        for row in board.rows:
            scores.append((row["p_top5"] - (row["measure"] in top)) ** 2)
            base.append((5 / len(board.rows) - (row["measure"] in top)) ** 2)
    assert np.mean(scores) < np.mean(base) / 2
