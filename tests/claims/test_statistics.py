"""Every statistic of the vocabulary, against a loop that does what its definition says."""

import itertools

import numpy as np
import pytest
from scipy.stats import kendalltau, linregress

from genbench.claims.statistics import Untestable, per_seed

SEEDS = range(5)


@pytest.fixture
def grid(evidence):
    """Two arms of a noise axis over two widths and three rates, five seeds."""
    draws = np.random.default_rng(0)
    return evidence(
        [
            (
                seed,
                {"protocol.noise": noise, "model.width": width, "protocol.learning_rate": rate},
                {
                    "test_error": float(draws.uniform(0.1, 1)),
                    "x": float(draws.normal()),
                    "z": float(draws.normal()),
                },
            )
            for seed, noise, width, rate in itertools.product(SEEDS, (0.0, 1.0), (8, 16), (0.1, 0.2, 0.4))
        ]
    )


def rows(grid, seed, **levels):
    """Numbers of the fits of a seed at some levels."""
    return [
        row
        for row in range(len(grid.seeds))
        if grid.seeds[row] == seed
        and all(grid.coordinates[grid.axis(name)][row] == level for name, level in levels.items())
    ]


@pytest.mark.parametrize("statistic", ["difference", "ratio"])
def test_arms_are_paired_over_the_other_axes(grid, claim, statistic):
    found = per_seed(
        claim(statistic=statistic, arm={"noise": 1.0}, against={"noise": 0.0}), grid, "test_error"
    )
    error = grid.columns["test_error"]
    for seed in SEEDS:
        differences = []
        for width, rate in itertools.product((8, 16), (0.1, 0.2, 0.4)):
            one, other = (
                error[rows(grid, seed, noise=noise, width=width, learning_rate=rate)[0]]
                for noise in (1.0, 0.0)
            )
            differences.append(one - other if statistic == "difference" else np.log(one / other))
        assert found[seed] == pytest.approx(np.mean(differences), rel=1e-12)


def test_a_fit_without_a_value_leaves_out_its_pair(grid, claim):
    given = claim(statistic="difference", arm={"noise": 1.0}, against={"noise": 0.0}, where={"width": 8})
    missing = rows(grid, 0, noise=1.0, width=8, learning_rate=0.1)[0]
    grid.columns["test_error"][missing] = np.nan
    error = grid.columns["test_error"]
    kept = [
        error[rows(grid, 0, noise=1.0, width=8, learning_rate=rate)[0]]
        - error[rows(grid, 0, noise=0.0, width=8, learning_rate=rate)[0]]
        for rate in (0.2, 0.4)
    ]
    assert per_seed(given, grid, "test_error")[0] == pytest.approx(np.mean(kept))


def test_order_is_the_mean_tau_along_an_axis_among_fits_that_agree_on_the_others(grid, claim):
    given = claim(statistic="order", axis="learning_rate", levels=[0.4, 0.1, 0.2])
    found = per_seed(given, grid, "test_error")
    for seed in SEEDS:
        taus = []
        for noise, width in itertools.product((0.0, 1.0), (8, 16)):
            values = [
                grid.columns["test_error"][rows(grid, seed, noise=noise, width=width, learning_rate=rate)[0]]
                for rate in (0.4, 0.1, 0.2)
            ]
            taus.append(kendalltau(range(3), values).statistic)
        assert found[seed] == pytest.approx(np.mean(taus))


@pytest.mark.parametrize("statistic", ["slope", "intercept", "r2", "rmse", "rank_correlation"])
def test_lines_and_rank_correlations_are_those_of_scipy_within_each_seed(grid, claim, statistic):
    found = per_seed(claim(statistic=statistic, on="x"), grid, "test_error")
    for seed in SEEDS:
        mine = rows(grid, seed)
        x, y = grid.columns["x"][mine], grid.columns["test_error"][mine]
        line = linregress(x, y)
        expected = {
            "slope": line.slope,
            "intercept": line.intercept,
            "r2": line.rvalue**2,
            "rmse": np.sqrt(np.mean((y - line.intercept - line.slope * x) ** 2)),
            "rank_correlation": kendalltau(x, y).statistic,
        }[statistic]
        assert found[seed] == pytest.approx(expected)


def test_a_partial_correlation_follows_from_the_three_plain_ones(grid, claim):
    found = per_seed(claim(statistic="partial_correlation", on="x", given="z"), grid, "test_error")
    for seed in SEEDS:
        mine = rows(grid, seed)
        xy, xz, yz = (
            np.corrcoef(grid.columns[one][mine], grid.columns[other][mine])[0, 1]
            for one, other in (("x", "test_error"), ("x", "z"), ("test_error", "z"))
        )
        assert found[seed] == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))


def test_a_rank_gain_is_how_much_better_one_column_orders_than_another(grid, claim):
    found = per_seed(claim(statistic="rank_gain", on="x", given="1/z"), grid, "test_error")
    for seed in SEEDS:
        mine = rows(grid, seed)
        sizes = [
            abs(kendalltau(grid.columns["test_error"][mine], other).statistic)
            for other in (grid.columns["x"][mine], 1 / grid.columns["z"][mine])
        ]
        assert found[seed] == pytest.approx(sizes[0] - sizes[1])


def test_what_is_linear_in_the_third_column_has_no_partial_correlation(grid, claim):
    grid.columns["test_error"][:] = 3 * grid.columns["z"] - 1
    with pytest.raises(Untestable, match="values enough for the partial_correlation"):
        per_seed(claim(statistic="partial_correlation", on="x", given="z"), grid, "test_error")


def test_an_axis_with_numbers_may_stand_for_a_column(grid, claim):
    found = per_seed(claim(statistic="slope", on="learning_rate", where={"noise": 0.0}), grid, "test_error")
    mine = rows(grid, 2, noise=0.0)
    rates = np.array(grid.coordinates["protocol.learning_rate"])[mine]
    assert found[2] == pytest.approx(linregress(rates, grid.columns["test_error"][mine]).slope)


@pytest.mark.parametrize(
    ("bound", "inside"),
    [({"above": 0.5}, lambda y, x: y > 0.5), ({"below": "x"}, lambda y, x: y < x)],
)
def test_a_fraction_is_of_the_fits_beyond_a_number_or_a_column(grid, claim, bound, inside):
    found = per_seed(claim(statistic="fraction", **bound), grid, "test_error")
    for seed in SEEDS:
        mine = rows(grid, seed)
        values = inside(grid.columns["test_error"][mine], grid.columns["x"][mine])
        assert found[seed] == pytest.approx(np.mean(values))


def test_the_mean_is_of_the_fits_that_the_claim_is_about(grid, claim):
    found = per_seed(claim(where={"width": [8], "noise": 0.0}), grid, "test_error")
    assert found[1] == pytest.approx(np.mean(grid.columns["test_error"][rows(grid, 1, width=8, noise=0.0)]))


@pytest.fixture
def tuned(evidence):
    """A regularizer of two strengths, one better on validation and the other on test data, and none."""
    fits = []
    for seed, width in itertools.product(SEEDS, (8, 16)):
        shared = {"model.width": width}
        fits.append((seed, {**shared, "regularizers": "none"}, {"test_error": 0.5, "val_error": 0.5}))
        for strength, test, validation in ((0.1, 0.2, 0.4), (1.0, 0.3, 0.1 + 0.5 * (seed == 0))):
            levels = {**shared, "regularizers": "jacobian", "regularizers.jacobian.strength": strength}
            fits.append((seed, levels, {"test_error": test, "val_error": validation}))
    return evidence(fits)


ARMS = {"arm": {"regularizers": "jacobian"}, "against": {"regularizers": "none"}}


def test_hyperparameters_that_only_one_arm_has_are_averaged_over(tuned, claim):
    found = per_seed(claim(statistic="difference", **ARMS), tuned, "test_error")
    assert found == pytest.approx([-0.25] * 5)


def test_hyperparameters_are_chosen_by_validation_over_all_seeds(tuned, claim):
    given = claim(statistic="difference", choose=["strength"], **ARMS)
    assert per_seed(given, tuned, "test_error") == pytest.approx([-0.2] * 5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"where": {"width": 99}}, "no fit that the claim is about"),
        ({"column": "val_gap"}, "no column 'val_gap'"),
        ({"statistic": "difference", **ARMS, "arm": {"regularizers": "gld"}}, "no fit of 'arm'"),
        ({"where": {"depth": 99}}, "unknown axis 'depth'"),
        (
            {"statistic": "difference", "arm": {"width": 8}, "against": {"width": 16}, "where": {}},
            None,
        ),
    ],
)
def test_what_a_run_lacks_is_said(tuned, claim, changes, reason):
    given = claim(**changes)
    if reason is None:
        assert per_seed(given, tuned, given.column) == pytest.approx([0.0] * 5)
    else:
        with pytest.raises(Untestable, match=reason):
            per_seed(given, tuned, given.column)


def test_arms_that_differ_on_another_axis_too_are_paired_only_if_told_so(evidence, claim):
    fits = evidence(
        [
            (seed, {"protocol.noise": noise, "protocol.epochs": 10 + 90 * noise}, {"test_error": 1.0 + noise})
            for seed, noise in itertools.product(SEEDS, (0, 1))
        ]
    )
    arms = {"statistic": "difference", "arm": {"noise": 1}, "against": {"noise": 0}}
    with pytest.raises(Untestable, match="agrees with one of the other on all other axes"):
        per_seed(claim(**arms), fits, "test_error")
    assert per_seed(claim(**arms, ignore=["epochs"]), fits, "test_error") == pytest.approx([1.0] * 5)


def test_values_that_are_not_positive_have_no_ratio(tuned, claim):
    tuned.columns["test_error"][0] = 0.0
    with pytest.raises(Untestable, match="not positive"):
        per_seed(claim(statistic="ratio", **ARMS), tuned, "test_error")
