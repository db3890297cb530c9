"""Sign-error against loops over environments and pairs, its filter and its quantiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking import slow_references as slow
from ranking.tables import grid, random_columns

from genbench.ranking.design import design_from_codes
from genbench.ranking.kernels import pair_weight
from genbench.ranking.sign_error import environment_losses, resampled_quantile, upper_quantile


def _by_configurations(environments, axes, design):
    point = {}
    for row in range(design.n):
        point[int(design.configuration[row])] = tuple(axes[name][row] for name in axes)
    return {
        frozenset((point[int(a)], point[int(b)])): (loss, sample)
        for (a, b), loss, sample in zip(
            environments.nodes, environments.loss[:, 0], environments.effective, strict=True
        )
    }


@given(random_columns(missing=True), st.sampled_from([None, 100, 3000]))
@settings(max_examples=80, deadline=None)
def test_agrees_with_loops_over_environments_and_pairs(columns, size):
    values, target, axes, _ = columns
    design = design_from_codes(axes)
    used = {name: axes[name] for name in design.names}
    sizes = None if size is None else size + np.arange(len(values))
    expected = slow.sign_errors(values, target, used, sizes)
    found = _by_configurations(environment_losses(values[:, None], target, design, sizes, 0.0), used, design)
    for pair, (loss, _) in found.items():
        if pair in expected:
            assert loss == pytest.approx(expected[pair][0], abs=1e-12)
        else:
            assert np.isnan(loss)
    assert set(expected) <= set(found)


def test_environments_with_a_small_effective_sample_are_left_out():
    table = grid([2, 2], 4)
    axes = {name: table[name].to_numpy() for name in ("a0", "a1")}
    design = design_from_codes(axes)
    target = np.random.default_rng(0).random(len(table)) * 0.1 + 0.3 * table["a0"].to_numpy()
    sizes = np.full(len(table), 2000.0)
    expected = slow.sign_errors(target, target, axes, sizes)
    kept = environment_losses(target[:, None], target, design, sizes)
    assert kept.count[0] == sum(sample >= 12 for _, sample in expected.values())
    assert 0 < kept.count[0] < len(expected)
    three = grid([2, 2], 3)
    few = design_from_codes({name: three[name].to_numpy() for name in ("a0", "a1")})
    assert environment_losses(np.ones((12, 1)), np.arange(12.0), few).count[0] == 0


def test_ties_count_one_half_and_a_reversed_measure_one():
    design = design_from_codes({"a": np.array([0, 1])})
    target = np.array([0.1, 0.2])
    losses = environment_losses(np.array([[0.0, 5.0, 1.0], [1.0, 5.0, 0.0]]), target, design, None, 0.0).loss
    assert losses.tolist() == [[0.0, 0.5, 1.0]]


def test_weight_needs_two_points_of_difference_on_ten_thousand_examples():
    assert pair_weight(0.0195, 10_000.0, 10_000.0) == 0
    assert pair_weight(0.0197, 10_000.0, 10_000.0) > 0
    assert pair_weight(0.2, 10_000.0, 10_000.0) == pytest.approx(0.5, abs=1e-9)


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_quantile_and_maximum_agree_with_numpy(seed):
    random = np.random.default_rng(seed)
    design = design_from_codes({"a": np.arange(12) % 4, "b": np.arange(12) // 4})
    values = random.integers(0, 4, (12, 3)).astype(float)
    values[random.random(values.shape) < 0.1] = np.nan
    environments = environment_losses(values, random.random(12), design, None, 0.0)
    weights = random.integers(0, 3, (12, 70))
    quantile, maximum = resampled_quantile(environments, weights)
    plain = upper_quantile(environments)
    ones = resampled_quantile(environments, np.ones((12, 1)))
    np.testing.assert_array_equal(plain[0], ones[0][:, 0])
    np.testing.assert_array_equal(plain[1], ones[1][:, 0])
    for measure in range(3):
        for lane in (0, 5, 69):
            weight = weights[environments.nodes[:, 0], lane] * weights[environments.nodes[:, 1], lane]
            kept = ~np.isnan(environments.loss[:, measure]) & (weight > 0)
            if not kept.any():
                assert np.isnan(quantile[measure, lane])
                continue
            losses = environments.loss[kept, measure]
            assert maximum[measure, lane] == losses.max()
            expected = np.quantile(losses, 0.9, method="inverted_cdf", weights=weight[kept])
            assert quantile[measure, lane] == expected
