"""Conditional mutual information against loops over pairs and cells, and on cases known by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking import slow_references as slow
from ranking.tables import grid, random_columns

from genbench.ranking.compat import pgdl_score
from genbench.ranking.design import design_from_codes
from genbench.ranking.information_kernels import MOST_RUNS, SHORT
from genbench.ranking.mutual_information import PairCounter, conditional_information, conditioning_sets


def _check(found, values, target, axes, weights=None):
    expected = slow.information(values, target, axes, weights)
    assert found.names == tuple(expected)
    ratios = []
    for place, (mutual, entropy, covariance) in enumerate(expected.values()):
        if entropy > 1e-12:
            ratios.append(mutual / entropy)
            assert found.normalized[place] == pytest.approx(ratios[-1], abs=1e-12)
            assert found.covariance[place] == pytest.approx(covariance, abs=1e-12)
        else:
            assert np.isnan(found.normalized[place])
    assert found.minimum == pytest.approx(min(ratios) if ratios else np.nan, abs=1e-12, nan_ok=True)


@given(random_columns())
@settings(max_examples=70, deadline=None)
def test_agrees_with_loops_over_pairs_and_cells(columns):
    values, target, axes, _ = columns
    design = design_from_codes(axes)
    used = {name: axes[name] for name in design.names}
    _check(conditional_information(values, target, design), values, target, used)


@given(random_columns(fewest=4, most=14), st.integers(0, 2**32), st.booleans())
@settings(max_examples=50, deadline=None)
def test_weights_agree_with_loops(columns, seed, whole):
    values, target, axes, _ = columns
    random = np.random.default_rng(seed)
    weights = random.integers(0, 3, len(values)).astype(float) if whole else random.random(len(values))
    design = design_from_codes(axes)
    used = {name: axes[name] for name in design.names}
    if (weights > 0).sum() > 1:
        _check(conditional_information(values, target, design, weights), values, target, used, weights)


def test_all_twenty_nine_sets_of_seven_axes():
    table = grid([2] * 7)
    design = design_from_codes({f"a{axis}": table[f"a{axis}"].to_numpy() for axis in range(7)})
    assert len(conditioning_sets(design).names) == 29


def test_a_perfect_measure_has_one_and_its_negative_minus_one():
    table = grid([3, 3], 4)
    design = design_from_codes({"a0": table["a0"].to_numpy(), "a1": table["a1"].to_numpy()})
    target = np.random.default_rng(0).normal(size=len(table))
    assert conditional_information(np.exp(target), target, design).signed == pytest.approx(1)
    opposite = conditional_information(-target, target, design)
    assert (opposite.minimum, opposite.signed) == (pytest.approx(1), pytest.approx(-1))


def test_a_constant_measure_has_zero():
    table = grid([3, 3], 2)
    design = design_from_codes({"a0": table["a0"].to_numpy(), "a1": table["a1"].to_numpy()})
    target = np.random.default_rng(0).normal(size=len(table))
    assert conditional_information(np.ones(len(table)), target, design).minimum == 0


def test_a_function_of_one_axis_says_nothing_once_that_axis_is_known():
    table = grid([4, 3], 3)
    design = design_from_codes({"a0": table["a0"].to_numpy(), "a1": table["a1"].to_numpy()})
    target = table["a0"] + 0.1 * np.random.default_rng(0).normal(size=len(table))
    found = conditional_information(np.exp(table["a0"].to_numpy(float)), target.to_numpy(), design)
    assert found.normalized[found.names.index(())] > 0.3
    assert found.minimum == pytest.approx(0, abs=1e-12)


def test_cells_are_not_told_apart_by_their_text():
    """1|11 and 11|1 are two cells, whatever their values look like written one after the other."""
    axes = {"a": np.array([1, 11, 1, 11, 1, 11]), "b": np.array([11, 1, 11, 1, 1, 11])}
    sets = conditioning_sets(design_from_codes(axes))
    assert sets.folded[sets.names.index(("a", "b"))] == 4


@pytest.mark.parametrize("rows", [SHORT + 1, 2 * SHORT * MOST_RUNS + 1])
@pytest.mark.parametrize("tied", [False, True], ids=["no ties", "ties"])
def test_pairs_of_many_rows_agree_with_a_matrix_of_all(rows, tied):
    random = np.random.default_rng(rows)
    values, target = random.normal(size=(2, rows))
    if tied:
        values, target = values.round(1), target.round(1)
    sets = conditioning_sets(design_from_codes({"a": random.integers(0, 3, rows), "b": np.arange(rows) % 2}))
    weights = random.integers(0, 4, (rows, 3)).astype(np.int16)
    (lanes,) = sets.lanes(weights)
    found = PairCounter(values, target, sets).concordant(lanes)
    larger = (values[:, None] > values) & (target[:, None] > target)
    inside = np.eye(sets.sizes[0])[sets.cells[:, 0]]
    for lane, weight in enumerate(weights.T.astype(float)):
        expected = inside.T @ (larger * np.outer(weight, weight)) @ inside
        np.testing.assert_array_equal(found[:, lane], expected.ravel())


def test_single_precision_is_for_what_it_holds_exactly():
    random = np.random.default_rng(0)
    rows = 3000
    values, target = random.normal(size=(2, rows))
    sets = conditioning_sets(design_from_codes({"a": np.arange(rows) % 4}))
    weights = random.integers(0, 3, (rows, 2)).astype(np.int16)
    heavy = np.where(np.arange(rows) == 0, 5000, weights.T).T.astype(np.int16)  # alone more than 2^12
    counter = PairCounter(values, target, sets)
    for each, precision in ((weights, np.float32), (heavy, np.float64)):
        (lanes,) = sets.lanes(each)
        assert lanes.dtype == precision
        short = counter.information(counter.weighting(lanes))
        double = counter.information(counter.weighting(each.astype(float)))
        np.testing.assert_array_equal(short.normalized, double.normalized)
        np.testing.assert_array_equal(short.covariance, double.covariance)


def test_sets_with_too_many_cells_are_left_out_and_named(monkeypatch):
    monkeypatch.setattr("genbench.ranking.mutual_information.MOST_CELLS", 6)
    axes = {"a": np.arange(12) % 3, "b": np.arange(12) % 4, "c": np.arange(12) % 2}
    sets = conditioning_sets(design_from_codes(axes))
    assert ("a", "b") in sets.left_out
    assert ("a", "c") in sets.names
    values, target = np.arange(12.0) % 5, np.arange(12.0)
    expected = slow.information(values, target, axes)
    found = conditional_information(values, target, design_from_codes(axes))
    for name, ratio in zip(found.names, found.normalized, strict=True):
        assert ratio == pytest.approx(expected[name][0] / expected[name][1], abs=1e-12)


@pytest.mark.parametrize("values", [
    [0.1, 0.5, 0.2, 0.9, 0.3, 0.7, 0.4, 0.8],
    [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0],
    [5.0] * 8,
])  # fmt: skip
def test_pgdl_score_agrees_with_loops(values):
    table = grid([2, 2, 2])
    axes = {f"a{axis}": table[f"a{axis}"].to_numpy() for axis in range(3)}
    target = np.array([0.10, 0.30, 0.25, 0.20, 0.40, 0.15, 0.15, 0.35])
    expected = slow.pgdl(values, target, axes)
    found = pgdl_score(np.array(values), target, design_from_codes(axes))
    assert found == pytest.approx(expected, abs=1e-9)


def test_pgdl_score_of_a_hand_made_case():
    """Two binary axes: every cell of two fits holds one pair, and nothing is left to predict."""
    axes = {"a": np.array([0, 0, 1, 1]), "b": np.array([0, 1, 0, 1])}
    assert pgdl_score(np.arange(4.0), np.arange(4.0), design_from_codes(axes)) == pytest.approx(0, abs=1e-6)
    assert np.isnan(pgdl_score(np.arange(4.0), np.arange(4.0), design_from_codes({"a": axes["a"]})))
