"""Do 95 % intervals hold what they should in 95 of 100 tables? Simulations, minutes rather than seconds."""

import numpy as np
import pytest
from ranking.tables import grid

from genbench.ranking.bootstrap import configuration_weights, percentile_interval, student_interval
from genbench.ranking.correlation import spearman_replicates
from genbench.ranking.design import design_from_codes
from genbench.ranking.granulated import granulated_covariance, granulated_tau
from genbench.ranking.jit import one_thread_each
from genbench.ranking.kendall import pair_counts
from genbench.ranking.regression import linear_fit
from genbench.ranking.sign_error import environment_losses, mean_uncertainty

SIMULATIONS = 1000
GRIDS = [([4, 4, 3], 3), ([5, 5, 4], 1), ([2, 2, 2, 2, 3], 3), ([5, 5, 5, 3], 1)]


def _design(levels, seeds):
    table = grid(levels, seeds)
    return design_from_codes(
        {name: table[name].to_numpy() for name in table if name != "seed"}, table["seed"]
    )


def _target(design, random):
    return 0.5 * design.codes.sum(axis=1) + random.normal(size=design.n)


def _share(low, high, truth):
    return float(np.mean((low <= truth) & (truth <= high)))


@pytest.mark.slow
@pytest.mark.parametrize(("levels", "seeds"), GRIDS)
def test_bootstrap_intervals_of_a_random_measure_hold_zero(levels, seeds):
    design, random = _design(levels, seeds), np.random.default_rng(1)
    target = _target(design, random)
    weights = configuration_weights(design.n_configurations, 400, 2)[design.configuration]
    found = {"tau": [], "spearman": [], "pearson": []}
    with one_thread_each():
        for _ in range(SIMULATIONS):
            values = random.normal(size=design.n)
            found["tau"].append(pair_counts(values, target, weights).tau_a)
            found["spearman"].append(spearman_replicates(values[:, None], target, weights)[0])
            found["pearson"].append(linear_fit(values, target, weights).pearson[0])
    for name, replicates in found.items():
        low, high = percentile_interval(np.zeros(SIMULATIONS), np.array(replicates))
        assert 0.93 <= _share(low, high, 0.0) <= 0.97, name


@pytest.mark.slow
@pytest.mark.parametrize(("levels", "seeds"), GRIDS)
@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_analytic_intervals_of_a_random_measure_hold_zero(levels, seeds, shared):
    """`shared` is the part of the measure's variance that the seeds of a configuration have in common."""
    if shared and seeds == 1:
        pytest.skip("one seed has nothing to share")
    design, random = _design(levels, seeds), np.random.default_rng(1)
    target = _target(design, random)
    together = random.normal(size=(design.n_configurations, SIMULATIONS))[design.configuration]
    alone = random.normal(size=(design.n, SIMULATIONS))
    values = np.sqrt(shared) * together + np.sqrt(1 - shared) * alone
    with one_thread_each():
        found = granulated_tau(values, target, design)
        whole, axes = granulated_covariance(values, target, design, found)
        environments = environment_losses(values, target, design, None, 0.0)
        signs = mean_uncertainty(environments, design)
    assert 0.93 <= _share(*student_interval(found.mean, whole.variance, whole.freedom), 0.0) <= 0.97
    low, high = student_interval(environments.mean, signs.variance, signs.freedom, (0.0, 1.0))
    assert 0.93 <= _share(low, high, 0.5) <= 0.97
    for axis, uncertainty in enumerate(axes):
        low, high = student_interval(found.axes[axis], uncertainty.variance, uncertainty.freedom)
        assert 0.92 <= _share(low, high, 0.0) <= 0.98


@pytest.mark.slow
def test_a_bootstrap_of_the_granulated_tau_would_be_too_wide():
    """Why ψ has an analytic interval: on axes of two levels product weights more than double its variance."""
    design, random = _design([2, 2, 2, 2, 3], 3), np.random.default_rng(1)
    target = _target(design, random)
    weights = configuration_weights(design.n_configurations, 200, 2)[design.configuration].astype(float)
    ratios = []
    for _ in range(40):
        values = random.normal(size=(design.n, 1))
        found = granulated_tau(values, target, design)
        _, axes = granulated_covariance(values, target, design, found)
        drawn = [granulated_tau(values, target, design, weights[:, b]).axes[:, 0] for b in range(200)]
        ratios.append(np.var(drawn, axis=0) / [each.variance[0] for each in axes])
    two, three = np.mean(ratios, axis=0)[[0, 4]]
    assert two > 1.5
    assert three > 1.2


@pytest.mark.slow
def test_analytic_intervals_of_a_real_signal_hold_its_score():
    """The truth is the mean of Ψ over many tables; half a signal, half noise, on a common design."""
    design, random = _design([4, 4, 3], 3), np.random.default_rng(3)
    scores, lows, highs = [], [], []
    for _ in range(300):
        target = _target(design, random)
        values = (target + random.normal(size=design.n))[:, None]
        found = granulated_tau(values, target, design)
        whole, _ = granulated_covariance(values, target, design, found)
        low, high = student_interval(found.mean, whole.variance, whole.freedom)
        scores.append(found.mean[0])
        lows.append(low[0])
        highs.append(high[0])
    assert 0.91 <= _share(np.array(lows), np.array(highs), np.mean(scores)) <= 0.99
