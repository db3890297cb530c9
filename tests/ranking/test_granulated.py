"""Granulated tau against loops over groups and pairs, and on cases known by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking import slow_references as slow
from ranking.tables import grid, random_columns

from genbench.ranking.compat import granulated_tau_b
from genbench.ranking.design import design_from_codes
from genbench.ranking.granulated import granulated_covariance, granulated_tau


def _check(found, values, target, axes, seed, weights=None):
    psi, groups = slow.granulated(values, target, axes, seed, weights)
    for place, axis in enumerate(axes):
        assert found.axes[place, 0] == pytest.approx(psi[axis], abs=1e-12, nan_ok=True)
        assert found.groups[place, 0] == groups[axis]
    known = [each for each in psi.values() if not np.isnan(each)]
    assert found.mean[0] == pytest.approx(np.mean(known) if known else np.nan, abs=1e-12, nan_ok=True)


@given(random_columns(missing=True))
@settings(max_examples=100, deadline=None)
def test_agrees_with_loops_over_groups_and_pairs(columns):
    values, target, axes, seed = columns
    design = design_from_codes(axes, seed)
    used = {name: axes[name] for name in design.names}
    _check(granulated_tau(values, target, design), values, target, used, seed)
    _check(granulated_tau(values, target, design_from_codes(axes)), values, target, used, 0 * seed)


@given(random_columns(missing=True), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_weights_agree_with_loops(columns, generator):
    values, target, axes, seed = columns
    design = design_from_codes(axes, seed)
    weights = np.random.default_rng(generator).integers(0, 3, len(values)).astype(float)
    used = {name: axes[name] for name in design.names}
    _check(granulated_tau(values, target, design, weights), values, target, used, seed, weights)


def test_many_measures_are_each_as_alone():
    random = np.random.default_rng(1)
    table = grid([3, 2, 4], 2)
    design = design_from_codes({name: table[name].to_numpy() for name in ("a0", "a1", "a2")}, table["seed"])
    values, target = random.normal(size=(len(table), 7)), random.normal(size=len(table))
    values[random.random(values.shape) < 0.1] = np.nan
    together = granulated_tau(values, target, design)
    for column in range(7):
        alone = granulated_tau(values[:, column], target, design)
        assert together.axes[:, column].tolist() == alone.axes[:, 0].tolist()
        assert together.mean[column] == alone.mean[0]


def test_axes_with_one_level_are_skipped_and_not_averaged_as_zero():
    table = grid([3, 1])
    design = design_from_codes({"a0": table["a0"].to_numpy(), "a1": table["a1"].to_numpy()})
    assert design.names == ("a0",)
    assert design.skipped == ("a1",)
    assert granulated_tau(np.arange(3.0), np.arange(3.0), design).mean[0] == 1


def test_a_measure_that_changes_along_one_axis_only_scores_zero_on_the_others():
    table = grid([3, 3])
    design = design_from_codes({"a0": table["a0"].to_numpy(), "a1": table["a1"].to_numpy()})
    target = table["a0"] + 10.0 * table["a1"]
    found = granulated_tau(table["a0"].to_numpy(float), target.to_numpy(), design)
    assert found.axes[:, 0].tolist() == [1.0, 0.0]
    assert found.mean[0] == 0.5


def test_tau_b_per_group_forgets_the_groups_in_which_a_measure_is_constant():
    table = grid([2, 4])
    design = design_from_codes({"a0": table["a0"].to_numpy(), "a1": table["a1"].to_numpy()})
    target = np.arange(8.0)
    values = np.where(table["a1"] == 0, target, 0.0)  # moves along a0 in one group of four
    ours, theirs = granulated_tau(values, target, design), granulated_tau_b(values, target, design)
    assert ours.axes[0, 0] == pytest.approx(0.25)
    assert theirs.axes[0, 0] == 1.0
    assert (ours.groups[0, 0], theirs.groups[0, 0]) == (4, 1)
    three = design_from_codes({"a0": np.arange(3)})
    tied = granulated_tau_b(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]), three)
    assert tied.mean[0] == pytest.approx(0.8165, abs=1e-4)


def test_variance_of_pairs_that_share_nothing_is_that_of_independent_terms():
    """On one axis with two levels every configuration is in one pair: the variance of a plain mean."""
    random = np.random.default_rng(2)
    table = grid([2, 50])
    design = design_from_codes({"a0": table["a0"].to_numpy(), "a1": table["a1"].to_numpy()})
    values, target = random.normal(size=100), random.normal(size=100)
    found = granulated_tau(values, target, design)
    _, over = granulated_covariance(values, target, design, found)
    first = table["a0"].to_numpy() == 0
    terms = np.sign(values[~first] - values[first]) * np.sign(target[~first] - target[first])
    assert over.axes[0].variance[0] == pytest.approx(terms.var(ddof=1) / 50)


def test_covariance_does_not_depend_on_how_pairs_are_chunked(monkeypatch):
    random = np.random.default_rng(3)
    table = grid([3, 4, 2], 2)
    design = design_from_codes({name: table[name].to_numpy() for name in ("a0", "a1", "a2")}, table["seed"])
    values, target = random.normal(size=(len(table), 3)), random.normal(size=len(table))
    found = granulated_tau(values, target, design)
    whole = granulated_covariance(values, target, design, found)
    monkeypatch.setattr("genbench.ranking.granulated.PAIRS_AT_ONCE", 5)
    parts = granulated_covariance(values, target, design, found)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.mean.first, other.mean.first, rtol=0, atol=1e-15)
        np.testing.assert_allclose(one.mean.second, other.mean.second, rtol=0, atol=1e-15)


def test_variance_over_seeds_of_independent_fits_is_that_between_seeds():
    """Without anything in common both estimates of the variance over seeds have the same mean."""
    random = np.random.default_rng(4)
    table = grid([3, 3, 2], 40)
    axes = {name: table[name].to_numpy() for name in ("a0", "a1", "a2")}
    design = design_from_codes(axes, table["seed"].to_numpy())
    target = random.normal(size=len(table)) + design.codes.sum(axis=1)
    values = random.normal(size=(len(table), 60)) + 0.5 * target[:, None]
    found = granulated_tau(values, target, design)
    alone, _ = granulated_covariance(values, target, design, found)
    each = [
        granulated_tau(
            values[design.seed == seed], target[design.seed == seed], design.take(design.seed == seed)
        )
        for seed in range(40)
    ]
    between = np.array([one.mean for one in each]).var(axis=0, ddof=1) / 40
    assert (between / alone.mean.variance).mean() == pytest.approx(1, abs=0.1)
