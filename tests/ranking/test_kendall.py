"""tau-a and tau-b against a loop over pairs, against scipy, and on cases known by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking import slow_references as slow
from ranking.tables import random_columns

from genbench.ranking.kendall import pair_counts, tau_a, tau_b


@given(random_columns())
@settings(max_examples=80, deadline=None)
def test_agrees_with_a_loop_over_pairs(columns):
    values, target, _, _ = columns
    assert tau_a(values, target) == pytest.approx(slow.tau_a(values, target), abs=1e-12)
    assert tau_b(values, target) == pytest.approx(slow.tau_b(values, target), abs=1e-12, nan_ok=True)


@given(random_columns(), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_weights_agree_with_a_loop_over_pairs(columns, seed):
    values, target, _, _ = columns
    weights = np.random.default_rng(seed).integers(0, 4, (len(values), 70))  # more than one chunk of lanes
    counts = pair_counts(values, target, weights)
    for lane in (0, 1, 69):
        expected = slow.pair_sums(values, target, weights[:, lane])
        for name, sum_ in expected.items():
            assert getattr(counts, name)[lane] == sum_


@given(random_columns(fewest=3), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_weights_that_are_no_whole_numbers(columns, seed):
    values, target, _, _ = columns
    weights = np.random.default_rng(seed).random(len(values))
    assert tau_a(values, target, weights) == pytest.approx(slow.tau_a(values, target, weights), abs=1e-12)


def test_agrees_with_scipy_on_thousands_of_rows():
    scipy_stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(0)
    for values in (random.normal(size=3001), random.integers(0, 40, 3001).astype(float)):
        target = np.round(values + 20 * random.normal(size=3001), 1)
        assert tau_b(values, target) == pytest.approx(
            scipy_stats.kendalltau(values, target).statistic, abs=1e-12
        )


def test_two_pairs_agree_and_one_ties():
    values, target = np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0])
    assert tau_a(values, target) == pytest.approx(2 / 3)
    assert tau_b(values, target) == pytest.approx(2 / np.sqrt(6))


def test_constant_measure():
    assert tau_a(np.ones(5), np.arange(5.0)) == 0
    assert np.isnan(tau_b(np.ones(5), np.arange(5.0)))


def test_infinities_are_ordered_and_tie_with_each_other():
    values = np.array([-np.inf, 0.0, np.inf, np.inf])
    assert tau_a(values, np.arange(4.0)) == pytest.approx(5 / 6)


def test_a_single_row_has_no_pair():
    assert np.isnan(tau_a(np.array([1.0]), np.array([2.0])))


def test_weights_are_not_copies():
    """Copied rows tie with each other, and a perfect measure then falls short of 1; weighted ones do not."""
    values = np.arange(6.0)
    weights = np.array([0, 3, 1, 2, 0, 1])
    assert tau_a(values, values, weights) == 1
    assert tau_a(np.repeat(values, weights), np.repeat(values, weights)) < 1


@given(random_columns())
@settings(max_examples=40, deadline=None)
def test_odd_in_the_measure_symmetric_and_unchanged_by_the_order_of_rows(columns):
    values, target, _, _ = columns
    order = np.random.default_rng(0).permutation(len(values))
    assert tau_a(-values, target) == -tau_a(values, target)
    assert tau_a(target, values) == tau_a(values, target)
    assert tau_a(values[order], target[order]) == tau_a(values, target)
