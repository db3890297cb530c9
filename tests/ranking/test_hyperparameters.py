"""What a measure adds to the hyperparameters: planted proxies add nothing, planted signals do."""

import numpy as np
import pytest
from ranking.tables import planted

from genbench.ranking.design import design_from_codes
from genbench.ranking.hyperparameters import axis_share, cross_fit, gain_over_axes
from genbench.ranking.regression import configuration_folds
from genbench.ranking.ridge import PENALTIES, AxesRidge, Moments, axes_features


def _model(table):
    axes = {name: table[name].to_numpy() for name in table if name.startswith("a")}
    design = design_from_codes(axes, table["seed"].to_numpy())
    target = table["gap"].to_numpy()
    return design, target, cross_fit(target, design, configuration_folds(design.configuration, 5))


@pytest.mark.parametrize("seed", range(5))
def test_planted_proxies_gain_nothing_and_planted_signals_do(seed):
    table = planted((4, 3, 2, 2), 3, seed=seed)
    _, target, model = _model(table)
    matrix = model.features.matrix
    table["twin"] = matrix @ np.random.default_rng(seed).normal(size=matrix.shape[1])
    found = gain_over_axes(table[["proxy", "twin", "noise", "signal", "perfect"]].to_numpy(), target, model)
    proxy, twin, noise, signal, perfect = found.gain()
    left = 1 - ((target - model.prediction) ** 2).sum() / ((target - model.baseline) ** 2).sum()
    assert abs(proxy) < 1e-6
    assert twin < 0.01
    assert abs(noise) < 0.03
    assert signal > 0.2
    assert perfect > signal
    assert perfect == pytest.approx(1 - left, abs=0.02)  # all that the axes leave


def test_a_function_of_the_axes_is_predicted_by_them():
    table = planted()
    _, target, model = _model(table)
    found = gain_over_axes(table[["proxy", "noise"]].to_numpy(), target, model)
    assert found.explained[0] > 0.999
    assert found.explained[1] < 0.1


def test_a_constant_measure_gains_exactly_nothing():
    """Its quantiles differ by rounding alone, which must not be taken for a signal."""
    _, target, model = _model(planted((3, 2, 3), 2))
    found = gain_over_axes(np.full((len(target), 1), 0.1), target, model)
    assert found.gain()[0] == 0


@pytest.mark.parametrize("columns", [3, 12])
def test_ridge_agrees_with_one_system_of_equations(columns):
    """Against the augmented least-squares problem: levels free, pairs of levels penalized."""
    random = np.random.default_rng(columns)
    design = design_from_codes({"a": random.integers(0, 3, 60), "b": random.integers(0, 4, 60)})
    features = axes_features(design)
    target = random.normal(size=(60, columns)) + features.matrix[:, 7:] @ random.normal(size=(12, columns))
    everywhere = np.ones(60, dtype=bool)
    ridge = AxesRidge(features.moments(everywhere), features.main)
    centred = target - target.mean(axis=0)
    found = ridge.solve(features.cross(everywhere, centred), (centred**2).sum(axis=0))
    z = features.matrix - features.matrix.mean(axis=0)
    fits = ridge.predict(features, everywhere, found)
    for column in range(columns):
        scores, fitted = [], []
        for penalty in PENALTIES:
            bottom = np.hstack([np.zeros((12, 7)), np.sqrt(penalty) * np.eye(12)])
            stacked = np.vstack([z, bottom])
            hat = (stacked @ np.linalg.pinv(stacked, rcond=1e-12))[:60, :60]
            fitted.append(hat @ centred[:, column])
            error = ((centred[:, column] - fitted[-1]) ** 2).sum()
            scores.append(error / (59 - np.trace(hat)) ** 2)
        np.testing.assert_allclose(fits[:, column], fitted[int(np.argmin(scores))], atol=1e-6)


def test_moments_of_fewer_rows_come_by_subtraction():
    rows = np.random.default_rng(0).integers(0, 2, (20, 4)).astype(float)
    once = np.ones(20, dtype=np.int64)
    less = Moments.of(rows, once) - Moments.of(rows[15:], once[15:])
    direct = Moments.of(rows[:15], once[:15])
    assert less.count == 15
    np.testing.assert_array_equal(less.sums, direct.sums)
    np.testing.assert_array_equal(less.products, direct.products)
    np.testing.assert_array_equal(direct.products, rows[:15].T @ rows[:15])


def test_rows_of_equal_configurations_are_counted_together():
    random = np.random.default_rng(0)
    design = design_from_codes({"a": random.integers(0, 3, 90), "b": random.integers(0, 4, 90)})
    features, sides = axes_features(design), random.normal(size=(90, 5))
    assert features.distinct.shape == (12, 7 + 12)
    for axis, levels in enumerate((slice(0, 3), slice(3, 7))):
        np.testing.assert_array_equal(features.matrix[:, levels].argmax(axis=1), design.codes[:, axis])
    rows = (random.random(90) < 0.5) & (design.configuration != 4)
    matrix, moments = features.matrix[rows], features.moments(rows)
    assert moments.count == rows.sum()
    np.testing.assert_array_equal(moments.sums, matrix.sum(axis=0))
    np.testing.assert_array_equal(moments.products, matrix.T @ matrix)
    np.testing.assert_allclose(features.cross(rows, sides[rows]), matrix.T @ sides[rows], atol=1e-12)
    assert features.cross(np.zeros(90, dtype=bool), sides[:0]).tolist() == np.zeros((19, 5)).tolist()


def test_what_is_equal_stays_equal_to_the_bit():
    """Fits of one configuration with one value tie in what the axes leave, which ranks must not tell apart."""
    table = planted((5, 4, 3), 4)
    design, target, model = _model(table)
    values = np.column_stack([table["proxy"], np.round(table["signal"], 1)])
    found = gain_over_axes(values, target, model)
    pairs = design.configuration[:, None] == design.configuration
    for place in range(2):
        equal = pairs & (values[:, place, None] == values[:, place])
        assert equal.sum() > len(values)
        left = found.residual[:, place]
        assert (left[:, None] == left)[equal].all()
    assert (model.prediction[:, None] == model.prediction)[pairs].all()


def test_missing_values_have_their_own_fit():
    table = planted()
    _, target, model = _model(table)
    values = table[["signal", "signal"]].to_numpy(copy=True)
    rows = np.random.default_rng(0).random(len(table)) < 0.8
    values[~rows, 1] = np.nan
    found = gain_over_axes(values, target, model)
    assert np.isnan(found.with_[~rows, 1]).all()
    assert found.gain()[1] == pytest.approx(found.gain()[0], abs=0.1)


def test_features_are_bounded():
    random = np.random.default_rng(0)
    design = design_from_codes({f"a{axis}": random.integers(0, 30, 2000) for axis in range(4)})
    assert axes_features(design, 400).matrix.shape == (2000, 80)
    assert axes_features(design, 600).matrix.shape == (2000, 480)
    assert (axes_features(design).matrix[:, :80].sum(axis=1) == 4).all()
    small = design_from_codes({f"a{axis}": random.integers(0, 3, 2000) for axis in range(4)})
    assert axes_features(small, 600).matrix.shape == (2000, 12 + 6 * 9)


def test_share_of_one_axis():
    table = planted((5, 2, 2), 2)
    design, _, _ = _model(table)
    shares = axis_share(np.column_stack([np.exp(table["a0"]), table["noise"]]), design)
    assert shares[0, 0] == pytest.approx(1)
    assert shares[1:, 0].max() < 1e-12
    assert shares[:, 1].max() < 0.3


def test_an_axis_of_as_many_levels_as_fits_explains_nothing():
    random = np.random.default_rng(0)
    design = design_from_codes({"drawn": np.arange(40), "depth": np.arange(40) % 4})
    shares = axis_share(random.random((40, 1)), design)
    assert np.isnan(shares[0, 0])
    assert shares[1, 0] < 0.3
