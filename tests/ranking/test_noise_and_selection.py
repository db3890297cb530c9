"""Oracles, random draws, ceilings, and the choice of one network."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking.tables import planted

import genbench.ranking as ranking
from genbench.ranking.kendall import tau_a
from genbench.ranking.noise import keyed_normal, oracle, oracle_tau, row_keys, seed_variance, shrunken
from genbench.ranking.selection import choose_best


@pytest.mark.parametrize("deviation", [0.01, 0.02, 0.05])
def test_an_oracle_scores_what_the_formula_says(deviation):
    keys = row_keys([str(row) for row in range(20_000)])
    target = 0.0415 * keyed_normal(keys, 77, 1)[:, 0]
    found = tau_a(oracle(target, keys, deviation), target)
    assert found == pytest.approx(oracle_tau(0.0415, deviation), abs=0.012)


def test_published_oracle_rows_agree_on_the_spread_of_the_gap():
    """tau 0.714 at noise 0.02 and 0.438 at 0.05 (Jiang et al. 2020) belong to one spread of about 0.041."""
    assert oracle_tau(0.0415, 0.02) == pytest.approx(0.714, abs=0.003)
    assert oracle_tau(0.0411, 0.05) == pytest.approx(0.438, abs=0.003)


def test_draws_are_normal_and_follow_the_row():
    keys = row_keys([str(row) for row in range(5000)])
    draws = keyed_normal(keys, 3, 20)
    assert abs(draws.mean()) < 0.01
    assert draws.std() == pytest.approx(1, abs=0.01)
    assert np.abs(np.corrcoef(draws.T) - np.eye(20)).max() < 0.07
    assert (keyed_normal(keys[[4, 9]], 3, 20) == draws[[4, 9]]).all()
    assert (keyed_normal(keys, 3, 5, first=7) == draws[:, 7:12]).all()
    assert (keyed_normal(keys, 4, 20) != draws).all()


def test_repeats_of_one_identity_have_different_keys():
    assert len(set(row_keys(["a", "b", "a", "a"]).tolist())) == 4


def test_seed_variance_is_that_within_configurations():
    target = np.array([1.0, 2.0, 5.0, 9.0, 4.0])
    configuration = np.array([0, 0, 1, 1, 2])
    assert seed_variance(target, configuration) == pytest.approx((0.5 + 8) / 2)
    assert np.isnan(seed_variance(target, np.arange(5)))


def test_shrinking_takes_the_noise_out_of_the_spread():
    target = np.random.default_rng(0).normal(0, 2, 500)
    assert shrunken(target, 1.0).var(ddof=1) == pytest.approx(target.var(ddof=1) - 1)
    assert (shrunken(target, 100.0) == target.mean()).all()


def test_ceilings_lie_below_one_and_rise_with_the_test_set():
    table = planted((3, 3, 2), 3)
    few = ranking.rank(table, ["noise"], axes=["a0", "a1", "a2"], bootstrap=0, test_size=500).ceiling
    many = ranking.rank(table, ["noise"], axes=["a0", "a1", "a2"], bootstrap=0, test_size=50_000).ceiling
    assert 0 < few["test_set"]["tau"] < many["test_set"]["tau"] < 1
    assert few["seeds"] == many["seeds"]
    assert few["seeds"]["psi"] < 1


def test_the_ceiling_of_the_test_set_is_what_the_truth_scores():
    """Against a table whose truth is known: the tau between truth and a noisy observation of it."""
    random = np.random.default_rng(1)
    table = planted((5, 5, 4), 5)
    truth = 0.25 + 0.03 * random.normal(size=len(table))
    table["gap"] = random.binomial(400, truth) / 400
    board = ranking.rank(table, ["noise"], axes=["a0", "a1", "a2"], bootstrap=0, test_size=400)
    assert board.ceiling["test_set"]["tau"] == pytest.approx(tau_a(truth, table["gap"].to_numpy()), abs=0.04)


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
@pytest.mark.slow
def test_choice_agrees_with_sorting_repeated_rows(seed):
    random = np.random.default_rng(seed)
    values, target = random.integers(0, 4, 12).astype(float), random.random(12)
    values[random.random(12) < 0.1] = np.nan
    weights = random.integers(0, 3, (12, 4))
    found = choose_best(values, target, weights)
    for lane in range(4):
        times = np.where(np.isnan(values), 0, weights[:, lane])
        v, g = np.repeat(values, times), np.repeat(target, times)
        if not len(v):
            assert np.isnan(found.hit_rate[0, lane])
            continue
        chosen = g[v == v.min()]
        good = np.sort(g)[max(int(np.ceil(0.1 * len(g) - 1e-9)) - 1, 0)]
        assert found.hit_rate[0, lane] == pytest.approx((chosen <= good).mean())
        if g.mean() > g.min():
            assert found.regret[0, lane] == pytest.approx((chosen.mean() - g.min()) / (g.mean() - g.min()))


def test_choosing_by_the_target_has_no_regret_and_choosing_blindly_has_one():
    target = np.arange(10.0)
    assert choose_best(target, target).regret[0, 0] == 0
    assert choose_best(np.ones(10), target).regret[0, 0] == pytest.approx(1)


@pytest.mark.parametrize("known", [0, 1])
def test_there_is_no_choice_among_fewer_than_two_networks(known):
    values = np.full(10, np.nan)
    values[:known] = 1.0
    found = choose_best(values, np.arange(10.0))
    assert np.isnan(found.hit_rate[0, 0])
    assert np.isnan(found.regret[0, 0])
