"""One answer across suites: the random-effects summary against slow formulas, ranks, missing measures."""

import numpy as np
import pytest
from ranking.tables import planted
from scipy.optimize import brentq
from scipy.stats import t as student

import genbench.ranking as ranking
from genbench.ranking.random_effects import summarize


def board_of(seed, measures=("perfect", "signal", "proxy", "noise"), **options):
    table = planted(seed=seed, seeds=3)
    given = {"axes": ["a0", "a1", "a2", "a3"], "bootstrap": 50, "statistics": ["psi"], **options}
    return ranking.rank(table, list(measures), **given)


def test_a_summary_agrees_with_the_equations_solved_one_by_one():
    random = np.random.default_rng(0)
    estimates = random.normal(size=(5, 30)) * random.uniform(0.1, 2, size=30)
    variances = random.uniform(0.1, 0.5, size=(5, 30))
    found = summarize(estimates, variances)
    for place in range(30):
        values, own = estimates[:, place], variances[:, place]

        def squares(between, values=values, own=own):
            weights = 1 / (own + between)
            mean = (weights * values).sum() / weights.sum()
            return (weights * (values - mean) ** 2).sum() - 4, mean, weights

        between = brentq(lambda each: squares(each)[0], 0, 100) if squares(0.0)[0] > 0 else 0.0
        over, mean, weights = squares(between)
        reach = student.ppf(0.975, 4) * np.sqrt(max((over + 4) / 4, 1) / weights.sum())
        assert found.between[place] == pytest.approx(np.sqrt(between), abs=1e-5)
        assert found.mean[place] == pytest.approx(mean, abs=1e-6)
        assert found.high[place] - found.mean[place] == pytest.approx(reach, rel=1e-4)


def test_studies_without_an_estimate_are_left_out_and_one_alone_has_no_interval():
    estimates = np.array([[1.0, 2.0], [3.0, np.nan], [np.nan, np.nan]])
    found = summarize(estimates, np.full((3, 2), 0.1))
    assert found.mean == pytest.approx([2.0, 2.0])
    assert np.isnan(found.low[1])
    assert np.isnan(found.between[1])


def test_intervals_of_a_summary_hold_the_mean_of_the_population_of_studies():
    random = np.random.default_rng(1)
    truth = 0.3 * random.normal(size=(4, 4000))
    own = random.uniform(0.01, 0.1, size=(4, 4000))
    found = summarize(truth + np.sqrt(own) * random.normal(size=truth.shape), own)
    assert 0.94 <= np.mean((found.low <= 0) & (found.high >= 0)) <= 0.985


def test_measures_of_several_suites_have_one_order():
    boards = {"one": board_of(0), "two": board_of(1), "three": board_of(2)}
    found = ranking.rank_across(boards)
    first = found.rows[0]
    assert first["measure"] == "perfect"
    assert first["rank_low"] == 1
    assert first["scores"] == {name: board["perfect"]["psi"] for name, board in boards.items()}
    assert (first["beats"], first["suites"]) == (3, 3)
    row = next(row for row in found.rows if row["measure"] == "noise")
    assert row["worst"] == min(board["noise"]["psi"] for board in boards.values())
    assert boards[row["worst_suite"]]["noise"]["psi"] == row["worst"]
    assert found.pairs["all"] == 6
    for text in (found.to_markdown(), found.to_csv(), found.to_json()):
        assert "perfect" in text


def test_intervals_end_where_the_statistic_does():
    rows = ranking.rank_across({"one": board_of(0), "two": board_of(1)}).rows
    assert all(-1 <= row["mean_low"] <= row["mean_high"] <= 1 for row in rows)
    signal = next(row for row in rows if row["measure"] == "signal")
    assert signal["mean"] < signal["mean_high"] == 1  # two suites tell next to nothing of a mean


def test_a_direction_claimed_turns_the_scores():
    boards = {
        str(seed): board_of(seed, ("perfect", "opposite"), directions={"perfect": "+", "opposite": "-"})
        for seed in range(3)
    }
    row = next(each for each in ranking.rank_across(boards).rows if each["measure"] == "opposite")
    assert row["mean"] == pytest.approx(1)


def test_a_measure_that_a_suite_lacks_says_so_and_has_no_rank():
    found = ranking.rank_across({"one": board_of(0), "two": board_of(1, ("perfect", "noise"))})
    row = next(row for row in found.rows if row["measure"] == "signal")
    assert row["missing"] == ["two"]
    assert row["rank_low"] is None
    assert row["scores"]["two"] is None
    assert "missing" in found.to_markdown()
    assert any("a suite lacks them" in note for note in found.notes)


def test_suites_of_the_same_data_weigh_as_one():
    boards = {"one": board_of(0), "two": board_of(1), "again": board_of(1)}
    found = ranking.rank_across(boards, [["two", "again"]])
    assert found.weighed_as_one == [["two", "again"]]
    plain = ranking.rank_across({name: boards[name] for name in ("one", "two")})
    for row in found.rows:
        other = next(each for each in plain.rows if each["measure"] == row["measure"])
        # The noise of the mean of two is less than that of one of them, so weights differ a little.
        assert row["mean"] == pytest.approx(other["mean"], abs=0.05)
    assert found.notes[0] == "Of the same data, weighed as one: two, again."


def test_bad_input_is_one_line():
    one = board_of(0)
    with pytest.raises(ranking.RankingError, match="needs two of them"):
        ranking.rank_across({"one": one})
    other = board_of(1, target="signal", measures=("perfect", "proxy", "noise"))
    with pytest.raises(ranking.RankingError, match="'two' is ranked by psi of signal, 'one' by psi of gap"):
        ranking.rank_across({"one": one, "two": other})
    with pytest.raises(ranking.RankingError, match="no suite 'tow'"):
        ranking.rank_across({"one": one, "two": board_of(1)}, [["tow", "one"]])
