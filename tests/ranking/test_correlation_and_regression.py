"""Spearman, Pearson and straight lines against scipy, numpy and loops over folds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking.tables import random_columns
from scipy import stats

from genbench.ranking.correlation import midranks, pearson, spearman, spearman_replicates
from genbench.ranking.regression import configuration_folds, linear_fit


@given(random_columns(fewest=3))
@settings(max_examples=60, deadline=None)
def test_spearman_agrees_with_pearson_of_midranks(columns):
    values, target, _, _ = columns
    if len(set(values)) == 1 or len(set(target)) == 1:
        assert np.isnan(spearman(values, target))
    else:
        expected = np.corrcoef(stats.rankdata(values), stats.rankdata(target))[0, 1]
        assert spearman(values, target) == pytest.approx(expected, abs=1e-12)


@given(random_columns(fewest=3), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_whole_weights_are_the_same_as_repeated_rows(columns, seed):
    values, target, _, _ = columns
    weights = np.random.default_rng(seed).integers(0, 4, (len(values), 66))
    found = spearman_replicates(values[:, None], target, weights)[0]
    for lane in (0, 65):
        x, y = np.repeat(values, weights[:, lane]), np.repeat(target, weights[:, lane])
        if len(set(x)) < 2 or len(set(y)) < 2:
            assert np.isnan(found[lane])
        else:
            expected = np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1]
            assert found[lane] == pytest.approx(expected, abs=1e-12)


def test_midranks_with_unit_weights_are_those_of_scipy_less_one_half():
    values = np.array([3.0, 1.0, 3.0, np.inf, -np.inf])
    assert (midranks(values, np.ones((5, 1)))[:, 0] + 0.5).tolist() == stats.rankdata(values).tolist()


@given(st.integers(0, 2**32), st.floats(-8, 8), st.floats(1e-9, 1e9))
@settings(max_examples=60, deadline=None)
def test_pearson_agrees_with_numpy_far_from_zero_and_at_any_scale(seed, offset, scale):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=20), random.normal(size=20)
    assert pearson(scale * (x + offset), y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)


def test_pearson_survives_values_near_the_largest_number():
    assert pearson(np.array([1e308, -1e308, 0.0]), np.array([1.0, -1.0, 0.0])) == pytest.approx(1)


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=30, deadline=None)
def test_lines_agree_with_least_squares_fold_by_fold(seed, weighted):
    random = np.random.default_rng(seed)
    configuration = np.repeat(np.arange(12), 2)
    x, y = random.normal(size=24), random.normal(size=24)
    y += x
    weights = random.integers(1, 4, 24) if weighted else np.ones(24, dtype=int)
    folds = configuration_folds(configuration, 5)
    fit = linear_fit(x, y, weights, folds)
    a, b = np.repeat(x, weights), np.repeat(y, weights)
    part = np.repeat(folds, weights)
    line = np.polyfit(a, b, 1)
    r2 = 1 - ((b - np.polyval(line, a)) ** 2).sum() / ((b - b.mean()) ** 2).sum()
    assert fit.r2[0, 0] == pytest.approx(r2, abs=1e-12)
    assert fit.r2_adjusted[0, 0] == pytest.approx(1 - (1 - r2) * 23 / 22, abs=1e-12)
    error = baseline = 0.0
    for fold in range(5):
        kept = part != fold
        line = np.polyfit(a[kept], b[kept], 1)
        error += ((b[~kept] - np.polyval(line, a[~kept])) ** 2).sum()
        baseline += ((b[~kept] - b[kept].mean()) ** 2).sum()
    assert fit.r2_cv[0, 0] == pytest.approx(1 - error / baseline, abs=1e-11)


def test_infinities_and_missing_values_are_left_out_of_lines_and_counted():
    values = np.array([[1.0, 2.0], [2.0, np.nan], [np.inf, 1.0], [4.0, 4.0], [5.0, 7.0]])
    target = np.array([1.0, 2.0, 9.0, 4.0, 5.0])
    fit = linear_fit(values, target)
    assert fit.n.tolist() == [4, 4]
    assert fit.r2[0, 0] == pytest.approx(1)
    rows = [0, 2, 3, 4]
    assert fit.pearson[1, 0] == pytest.approx(np.corrcoef(values[rows, 1], target[rows])[0, 1], abs=1e-12)


def test_a_constant_measure_explains_nothing():
    fit = linear_fit(np.full(6, 0.1), np.arange(6.0), folds=np.arange(6) % 3)
    assert np.isnan(fit.pearson[0, 0])
    assert fit.r2[0, 0] == 0
    assert fit.r2_cv[0, 0] == 0


def test_folds_keep_seeds_of_a_configuration_together_and_are_nearly_equal():
    configuration = np.repeat(np.arange(23), 3)
    folds = configuration_folds(configuration)
    assert all(len(set(folds[configuration == point])) == 1 for point in range(23))
    assert set(np.bincount(folds[::3])) <= {2, 3}
