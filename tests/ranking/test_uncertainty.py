"""Weights, variances and their parts, ranks and pairs told apart, and a perfect measure's interval."""

import numpy as np
import pytest
from ranking.tables import grid, planted

import genbench.ranking as ranking
from genbench.ranking.design import design_from_codes
from genbench.ranking.dyads import DyadicSums
from genbench.ranking.kendall import pair_counts
from genbench.ranking.panel import Panel
from genbench.ranking.rank_ranges import rank_bounds, surely_better
from genbench.ranking.resampling import INTERVALS, configuration_weights, resampling, seed_weights
from genbench.ranking.scoring import choose_statistics, score
from genbench.ranking.uncertainty import OWN_SPREAD, Covariance, Uncertainty, student_interval


def design_of(levels, seeds):
    table = grid(levels, seeds)
    axes = {name: table[name].to_numpy() for name in table if name != "seed"}
    return design_from_codes(axes, table["seed"].to_numpy())


def plain(variance, freedom=np.inf):
    return Uncertainty(configurations=Covariance(np.asarray(variance, dtype=float), None, freedom))


def test_weights_draw_as_many_configurations_as_there_are():
    weights = configuration_weights(17, 50, seed=3)
    assert weights.shape == (17, 50)
    assert (weights.sum(axis=0) == 17).all()
    assert (weights == configuration_weights(17, 50, seed=3)).all()
    assert (weights != configuration_weights(17, 50, seed=4)).any()


def test_weights_of_seeds_draw_as_many_fits_of_every_configuration_as_it_has():
    configuration = np.array([2, 0, 1, 0, 2, 2])
    weights = seed_weights(configuration, 40, seed=1)
    for place, fits in enumerate((2, 1, 3)):
        assert (weights[configuration == place].sum(axis=0) == fits).all()
    assert len(np.unique(weights[configuration == 2], axis=1).T) > 5


def test_a_mean_has_the_variances_of_the_textbook():
    """Two crossed factors: the variances of a mean over seeds, and over both, from sums of squares."""
    design = design_of([6, 5], 4)
    values = np.random.default_rng(0).normal(size=design.n) + 0.7 * design.seed
    by_cell = np.empty((design.n_configurations, 4))
    by_cell[design.configuration, design.seed] = values

    def means(weights):
        return (values @ weights / weights.sum(axis=0))[None]

    drawn = resampling(design, "retraining", 4000)
    found = drawn.uncertainty(means(drawn.weights))
    cells = by_cell.shape[0]
    assert found.alone.variance[0] == pytest.approx(by_cell.var(axis=1, ddof=1).mean() / cells / 4, rel=0.05)
    assert found.together.variance[0] == pytest.approx(by_cell.mean(axis=0).var(ddof=1) / 4)
    assert found.variance[0] == pytest.approx(by_cell.mean(axis=0).var(ddof=1) / 4)  # it has no company
    assert found.freedom[0] == 3
    drawn = resampling(design, "configurations", 4000)
    both = drawn.uncertainty(means(drawn.weights))
    of_configurations = by_cell.mean(axis=1).var() / cells
    assert both.configurations.variance[0] == pytest.approx(of_configurations, rel=0.05)
    assert both.variance[0] == pytest.approx(
        max(of_configurations, both.alone.variance[0]) + found.variance[0] - found.alone.variance[0], rel=0.1
    )


def test_seeds_that_are_not_paired_are_nested():
    design = design_of([4, 3], 3)
    drawn = resampling(design, "retraining", 500, paired=False)
    assert drawn.left_out == 0
    found = drawn.uncertainty(np.random.default_rng(0).normal(size=(1, drawn.sets)))
    assert found.freedom[0] == 24
    assert found.variance[0] == found.alone.variance[0]


def test_more_seeds_than_blocks_are_left_out_in_blocks():
    design = design_of([2, 2], 50)
    drawn = resampling(design, "retraining", 3)
    assert drawn.left_out == 20
    assert (drawn.without_seeds == 0).sum() == design.n


def test_variances_of_few_seeds_lean_on_those_of_all_measures():
    """The formulas of the class, written out for three uncorrelated measures and two seeds."""
    alone, together = np.array([1.0, 2.0, 4.0]), np.array([6.0, 1.0, 8.0])
    found = Uncertainty(Covariance(np.diag(alone)), Covariance(np.diag(together), None, 1.0))
    common = 1 / (1 / OWN_SPREAD + 1 / 3)  # a pool of three independent ratios
    ratio = (6 + 0.5 + 2) / 3
    expected = (common * ratio * alone + together) / (common + 1)
    np.testing.assert_allclose(found.variance, np.maximum(expected, alone))
    np.testing.assert_allclose(found.freedom, (common + 1) ** 2 / (common + 1 + 2 * common / 3))


@pytest.mark.parametrize("freedom", [1.0, 4.0, 30.0])
def test_standard_errors_are_right_on_average(freedom):
    variances = np.random.default_rng(0).chisquare(freedom, 200_000) / freedom
    found = Uncertainty(configurations=Covariance(np.diag(variances[:1]), None, freedom)).standard_error
    assert np.mean(found[0] / np.sqrt(variances[0]) * np.sqrt(variances)) == pytest.approx(1, abs=0.01)


def test_degrees_of_freedom_of_a_moderated_variance_are_those_of_its_own_spread():
    """Simulated: the relative variance of the estimate is 2 over its degrees of freedom."""
    random = np.random.default_rng(0)
    together = random.chisquare(2, (20_000, 5)) / 2
    found = [
        Uncertainty(Covariance(np.eye(5) / 1e9), Covariance(np.diag(each), None, 2.0)) for each in together
    ]
    # The five ratios have one mean here, no spread of their own.
    spread = np.var([each.variance[0] for each in found[:2000]])
    common = 1 / (1 / OWN_SPREAD + 1 / 10)
    weight = common / (common + 2)
    assert spread == pytest.approx(
        weight**2 * 2 / 10 + (1 - weight) ** 2 * 2 / 2 + 2 * weight * (1 - weight) * 2 / 10, rel=0.1
    )
    of_own = weight**2 * 2 / OWN_SPREAD
    assert 2 / found[0].freedom[0] == pytest.approx(
        weight**2 * 2 / 10 + (1 - weight) ** 2 + 4 * weight * (1 - weight) / 10 + of_own
    )


def test_a_measure_whose_seeds_agree_by_chance_keeps_a_width():
    found = Uncertainty(Covariance(np.eye(1)), Covariance(np.zeros((1, 1)), None, 1.0))
    assert found.variance[0] == 1
    assert found.freedom[0] == 1


def test_a_difference_of_two_sums_is_never_below_half_of_the_first():
    first, second = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0, 0.0], [0.0, 0.5]])
    found = Covariance(first, second)
    np.testing.assert_allclose(found.variance, [1.0, 1.5])
    np.testing.assert_allclose(found.of_differences, [[0, 1], [1, 0]])  # 2 - 3.5, not below 2/2


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


def test_draws_without_a_value_are_left_out_and_too_many_leave_no_variance():
    design = design_of([3, 3], 1)
    drawn = resampling(design, "configurations", 4)
    values = np.array([[0.0, 1.0, np.nan, 0.5], [np.nan, np.nan, np.nan, 1.0]])
    found = drawn.uncertainty(values)
    assert found.variance[0] == pytest.approx(np.var([0.0, 1.0, 0.5], ddof=1))
    assert np.isnan(found.variance[1])


def test_student_interval_is_wider_with_few_degrees_of_freedom():
    few, _ = student_interval(np.zeros(1), np.full(1, 0.01), np.array([3.0]))
    many, _ = student_interval(np.zeros(1), np.full(1, 0.01))
    assert few[0] == pytest.approx(-0.318, abs=1e-3)
    assert many[0] == pytest.approx(-0.196, abs=1e-3)


def test_measures_that_cannot_be_told_apart_share_ranks():
    low, high = rank_bounds(surely_better(np.array([1.0, 1.01, 0.0]), plain(0.01 * np.eye(3)))[0])
    assert low.tolist() == [1, 1, 3]
    assert high.tolist() == [2, 2, 3]


def test_paired_differences_tell_apart_what_overlapping_intervals_do_not():
    covariance = np.ones((2, 2)) + 1e-6 * np.eye(2)
    low, high = rank_bounds(surely_better(np.array([0.5, 0.4]), plain(covariance, np.full(2, 30.0)))[0])
    assert (low.tolist(), high.tolist()) == ([1, 2], [1, 2])


def test_without_uncertainty_equal_scores_share_a_rank():
    low, high = rank_bounds(surely_better(np.array([0.5, 0.2, 0.5]))[0])
    assert (low.tolist(), high.tolist()) == ([1, 3, 1], [2, 3, 2])


@pytest.mark.parametrize(("deviation", "apart"), [(0.01, (1, 1)), (0.075, (0, 1)), (0.2, (0, 0))])
def test_with_four_times_the_fits_intervals_are_half_as_wide(deviation, apart):
    covariance = deviation**2 / 2 * np.eye(2)  # of two scores whose difference has this deviation
    better, with_four_times = surely_better(np.array([0.5, 0.4]), plain(covariance))
    assert (better.sum(), with_four_times.sum()) == apart


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
    found = sums.covariance()
    np.testing.assert_allclose(found.first - found.second, expected, atol=1e-14)


def test_without_intervals_nothing_is_said_to_be_told_apart():
    board = ranking.rank(planted(), axes=["a0", "a1", "a2", "a3"], bootstrap=0)
    assert board.summary["pairs"]["apart"] is None
    assert board.summary["pairs"]["apart_with_four_times"] is None
    assert board.summary["interval"] is None
    assert np.isnan(board.rows[0]["expected"])


def test_one_seed_has_intervals_over_configurations_and_says_so():
    table = planted(seeds=1)
    board = ranking.rank(table, axes=["a0", "a1", "a2", "a3"], bootstrap=50)
    assert board.summary["interval"] == "configurations"
    assert any(note.startswith("One seed:") for note in board.notes)
    with pytest.raises(ranking.RankingError, match="need two seeds or more"):
        ranking.rank(table, axes=["a0", "a1", "a2", "a3"], bootstrap=50, interval="retraining")
    with pytest.raises(ranking.RankingError, match=r"not 'retrain'.*did you mean 'retraining'"):
        ranking.rank(table, axes=["a0", "a1", "a2", "a3"], interval="retrain")


def test_seeds_missing_at_some_configurations_are_told():
    table = planted(seeds=3)
    table = table.drop(table.index[[0, 1, 5]])
    board = ranking.rank(table, axes=["a0", "a1", "a2", "a3"], bootstrap=50)
    assert "Configurations have 1 to 3 fits; 1 of 36 configurations have one alone." in board.notes
    assert board["signal"]["psi_low"] < board["signal"]["psi"] < board["signal"]["psi_high"]


def test_variances_over_configurations_are_not_smaller_than_over_retraining():
    design = design_of([3, 3, 2], 4)
    random = np.random.default_rng(0)
    target = random.normal(size=design.n) + design.codes.sum(axis=1)
    panel = Panel(
        tuple("abc"), random.normal(size=(design.n, 3)) + target[:, None], np.ones(3), target, design
    )
    chosen = choose_statistics(["tau", "psi", "spearman"])
    seeds, both = (score(panel, chosen, resampling(design, each, 300)) for each in INTERVALS)
    for column in ("tau", "psi", "spearman"):
        assert (both.uncertainty[column].variance >= seeds.uncertainty[column].alone.variance).all()
        wider = both.uncertainty[column].variance - seeds.uncertainty[column].variance
        assert (wider > -1e-12).all()


def test_seeds_may_be_texts():
    table = planted(seeds=3)
    named = table.assign(seed=table["seed"].map({0: "one", 1: "three", 2: "two"}))
    boards = [ranking.rank(each, axes=["a0", "a1", "a2", "a3"], bootstrap=20) for each in (table, named)]
    for row in boards[0].rows:
        for column in ("psi", "psi_se"):
            assert boards[1][row["measure"]][column] == pytest.approx(row[column])
