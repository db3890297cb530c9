"""Bootstrap weights, intervals, intervals of ranks, and a perfect measure's interval."""

import numpy as np
import pytest
from ranking.tables import planted

import genbench.ranking as ranking
from genbench.ranking.bootstrap import (
    configuration_weights,
    percentile_interval,
    rank_bounds,
    student_interval,
    surely_better,
)
from genbench.ranking.dyads import DyadicSums, Uncertainty
from genbench.ranking.kendall import pair_counts

STRAIGHT = ["tau", "spearman", "pearson"]
"""Columns whose bootstrap is neither recentred nor one-sided."""


def test_weights_draw_as_many_configurations_as_there_are():
    weights = configuration_weights(17, 50, seed=3)
    assert weights.shape == (17, 50)
    assert (weights.sum(axis=0) == 17).all()
    assert (weights == configuration_weights(17, 50, seed=3)).all()
    assert (weights != configuration_weights(17, 50, seed=4)).any()


def test_intervals_of_a_perfect_measure_contain_one():
    table = planted()
    board = ranking.rank(table, ["perfect", "opposite"], axes=["a0", "a1", "a2", "a3"], bootstrap=200)
    for column in ("tau", "tau_b", "psi", "psi_a0", "cmi", "spearman"):
        row = board["perfect"]
        assert row[column] == pytest.approx(1)
        assert row[f"{column}_low"] <= 1 <= row[f"{column}_high"] + 1e-12
        assert board["opposite"][column] == pytest.approx(-1)
        assert board["opposite"][f"{column}_low"] <= -1 + 1e-12


def test_copying_rows_would_exclude_one():
    """What weights are for: resampled copies tie, and the interval of a perfect measure then ends below 1."""
    random = np.random.default_rng(0)
    values = random.normal(size=60)
    taus = []
    for _ in range(200):
        rows = random.integers(0, 60, 60)
        taus.append(pair_counts(values[rows], values[rows]).tau_a[0])
    assert np.quantile(taus, 0.975) < 1


def test_mean_over_replicates_is_near_the_estimate():
    table = planted((3, 3, 2, 2), 3)
    random = np.random.default_rng(5)
    for strength in (0.0, 0.5, 2.0):
        table[f"m{strength}"] = random.normal(size=len(table)) + strength * table["gap"] / table["gap"].std()
    from genbench.ranking.panel import Panel
    from genbench.ranking.scoring import choose_statistics, score
    from genbench.ranking.table import read_table

    measures = [name for name in table if name.startswith("m")]
    study = read_table(table, measures, "gap", ["a0", "a1", "a2", "a3"])
    panel = Panel(study.measures, study.values, np.ones(3), study.target, study.design)
    scores = score(panel, choose_statistics(["tau", "spearman", "r2"]), 1000)
    for column in STRAIGHT:
        width = scores.high[column] - scores.low[column]
        assert (np.abs(scores.replicates[column].mean(axis=1) - scores.estimate[column]) < width / 10).all()


def test_percentiles_leave_out_replicates_without_a_value():
    replicates = np.array([[0.0, 1.0, np.nan, 0.5], [np.nan, np.nan, np.nan, 1.0]])
    low, high = percentile_interval(np.array([0.5, 0.5]), replicates)
    assert (low[0], high[0]) == (pytest.approx(0.025), pytest.approx(0.975))
    assert np.isnan(low[1])
    moved, _ = percentile_interval(np.array([0.7, 0.5]), replicates, recentred=True)
    assert moved[0] == pytest.approx(0.225)


def test_student_interval_is_wider_with_few_degrees_of_freedom():
    few, _ = student_interval(np.zeros(1), np.full(1, 0.01), np.array([3.0]))
    many, _ = student_interval(np.zeros(1), np.full(1, 0.01))
    assert few[0] == pytest.approx(-0.318, abs=1e-3)
    assert many[0] == pytest.approx(-0.196, abs=1e-3)


def test_measures_that_cannot_be_told_apart_share_ranks():
    random = np.random.default_rng(0)
    common = random.normal(size=500)
    replicates = np.stack(
        [1 + 0.1 * random.normal(size=500), 1.01 + 0.1 * random.normal(size=500), 0.1 * common]
    )
    low, high = rank_bounds(surely_better(np.array([1.0, 1.01, 0.0]), replicates)[0])
    assert low.tolist() == [1, 1, 3]
    assert high.tolist() == [2, 2, 3]


def test_paired_differences_tell_apart_what_overlapping_intervals_do_not():
    common = np.random.default_rng(0).normal(size=500)
    low, high = rank_bounds(surely_better(np.array([0.5, 0.4]), np.stack([0.5 + common, 0.4 + common]))[0])
    assert (low.tolist(), high.tolist()) == ([1, 2], [1, 2])
    covariance = np.array([[1.0, 1.0], [1.0, 1.0]]) + 1e-6 * np.eye(2)
    low, high = rank_bounds(
        surely_better(np.array([0.5, 0.4]), uncertainty=Uncertainty(covariance, np.full(2, 30.0)))[0]
    )
    assert (low.tolist(), high.tolist()) == ([1, 2], [1, 2])


def test_without_uncertainty_equal_scores_share_a_rank():
    low, high = rank_bounds(surely_better(np.array([0.5, 0.2, 0.5]))[0])
    assert (low.tolist(), high.tolist()) == ([1, 3, 1], [2, 3, 2])


@pytest.mark.parametrize(("deviation", "apart"), [(0.01, (1, 1)), (0.075, (0, 1)), (0.2, (0, 0))])
def test_with_four_times_the_configurations_intervals_are_half_as_wide(deviation, apart):
    covariance = deviation**2 / 2 * np.eye(2)  # of two scores whose difference has this deviation
    uncertainty = Uncertainty(covariance, np.full(2, np.inf))
    better, with_four_times = surely_better(np.array([0.5, 0.4]), uncertainty=uncertainty)
    assert (better.sum(), with_four_times.sum()) == apart
    random = np.random.default_rng(0).normal(size=4000)
    replicates = np.stack([0.5 + deviation * (random - random.mean()), np.full(4000, 0.4)])
    assert tuple(each.sum() for each in surely_better(np.array([0.5, 0.4]), replicates)) == apart


def test_dyadic_sums_agree_with_a_loop_over_pairs_of_pairs():
    random = np.random.default_rng(0)
    nodes = np.array([[0, 1], [0, 2], [1, 2], [3, 4], [2, 4]])
    residuals = random.normal(size=(5, 2))
    expected = np.zeros((2, 2))
    for d in range(5):
        for e in range(5):
            if set(nodes[d]) & set(nodes[e]):
                expected += np.outer(residuals[d], residuals[e])
    sums = DyadicSums(5, 2)
    sums.add(residuals[:2], nodes[:2])
    sums.add(residuals[2:], nodes[2:])
    np.testing.assert_allclose(sums.covariance(), expected, atol=1e-14)
