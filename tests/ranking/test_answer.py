"""The sentences that a ranking is told in, on rankings made up for each case."""

import dataclasses

import numpy as np
import pytest
from ranking.tables import planted

import genbench.ranking as ranking
from genbench.ranking.answer import answer, answer_across, leaders
from genbench.ranking.board import Board
from genbench.ranking.uncertainty import Covariance, Uncertainty


def row(name, score, ranks=(None, None), direction="+"):
    sign = -1 if direction == "-" else 1
    return {
        "measure": name, "direction": direction, "held_out": False, "psi": sign * score,
        "psi_low": sign * score - 0.05, "psi_high": sign * score + 0.05,
        "rank_low": ranks[0], "rank_high": ranks[1],
    }  # fmt: skip


def made_up(rows, alone=None, error=0.05, apart=3, ceiling=None):
    """A board of these rows; all scores have this standard error, independent of each other."""
    controls = [] if alone is None else [row("hyperparameters", alone)]
    names = tuple(each["measure"] for each in (*rows, *controls))
    count = len(rows)
    return Board(
        rows=rows,
        controls=controls,
        target="test_error",
        rank_by="psi",
        axes={},
        summary={
            "pairs": {"all": count * (count - 1) // 2, "apart": None if error is None else apart},
        },
        null_band={"psi": (-0.1, 0.1)},
        ceiling=ceiling or {},
        uncertainty=None
        if error is None
        else Uncertainty(alone=Covariance(np.diag(np.full(len(names), error**2)), None, 1000.0)),
        columns=names,
    )


def test_one_winner_that_beats_the_hyperparameters():
    rows = [row("a", 0.8, (1, 1), "-"), row("b", 0.4, (2, 3)), row("c", 0.35, (2, 3))]
    board = made_up(rows, alone=0.5, apart=2, ceiling={"test_set": {"psi": 0.9}})
    assert answer(board) == [
        "a predicts the test error best of 3 measures, with psi +0.80, and is told apart from every other.",
        "a surely beats the hyperparameters alone (+0.50), a predictor that sees the settings of the grid "
        "and no network.",
        "The noise of the test set sets a ceiling of +0.90; the best reaches 89 % of it.",
        "Of 3 pairs of measures 2 (67 %) are told apart.",
    ]


def test_many_that_are_not_told_apart_are_five_names_and_a_count():
    rows = [row(f"m{place}", 0.5 - place / 100, (1, 9)) for place in range(8)] + [row("z", 0.1, (9, 9))]
    first, second, *_ = answer(made_up(rows, alone=0.48, apart=8))
    assert first == (
        "8 of 9 measures share the first place for predicting the test error and cannot be told apart: "
        "m0 (psi +0.50), m1 (+0.49), m2 (+0.48), m3 (+0.47), m4 (+0.46) and 3 more."
    )
    assert second == "m0 and m1 stand above the hyperparameters alone (+0.48), but not surely."


@pytest.mark.parametrize(
    ("alone", "end"),
    [
        (0.52, "no network cannot be told apart from the best of them."),
        (0.9, "no network is surely better than the best of them."),
    ],
)
def test_nothing_beats_the_hyperparameters(alone, end):
    second = answer(made_up([row("a", 0.5, (1, 1)), row("b", 0.2, (2, 2))], alone=alone))[1]
    assert second.startswith(f"No measure beats the hyperparameters alone ({alone:+.2f}): ")
    assert second.endswith(end)


def test_without_intervals_nothing_is_called_sure():
    board = made_up([row("a", 0.5, (1, 1)), row("b", 0.2, (2, 2))], alone=0.6, error=None)
    assert answer(board) == [
        "Of 2 measures the best scores for the test error are those of a (psi +0.50) and b (+0.20); without "
        "intervals nobody knows which can be told apart.",
        "No measure beats the hyperparameters alone (+0.60), a predictor that sees the settings of the grid "
        "and no network.",
        "How much could be reached is not known: it takes the size of the test set, or several seeds.",
        "How many of the pairs of measures are told apart is not known (1 in all).",
    ]


def test_one_seed_is_said():
    board = made_up([row("a", 0.5, (1, 1)), row("b", 0.2, (2, 2)), row("c", 0.1, (2, 3))])
    board = dataclasses.replace(board, uncertainty=Uncertainty(configurations=board.uncertainty.alone))
    assert answer(board)[-1] == (
        "Of 3 pairs of measures 3 (100 %) are told apart. One seed does not tell what another training would "
        "change; train two or more."
    )


def test_repeats_that_no_column_calls_seeds_are_not_said_to_be_one():
    table = planted(seeds=2).drop(columns="seed")
    board = ranking.rank(table, axes=["a0", "a1", "a2", "a3"], statistics=["psi"], bootstrap=2)
    assert board.summary["interval"] == "retraining"
    assert not any("One seed" in sentence for sentence in answer(board))


def test_a_table_that_tells_nothing_apart_is_too_small_and_the_best_is_chance():
    rows = [row(f"m{place}", 0.04 - place / 100, (1, 7)) for place in range(7)]
    first, second, _, last = answer(made_up(rows, apart=1))
    assert first == (
        "No measure is seen to predict the test error better than chance: the best of 7, m0, has psi +0.04."
    )
    assert second.startswith("What the hyperparameters alone would predict is not known here")
    assert last == "The table is too small to rank: of 21 pairs of measures 1 (5 %) are told apart."


@pytest.mark.parametrize(
    ("ceiling", "sentence"),
    [
        (
            {"seeds": {"psi": 0.4}},
            "What knows the configuration and not the seed would score +0.40; the best is at it.",
        ),
        (
            {"seeds": {"psi": 0.6}, "test_set": {"psi": 1.0}},
            "The noise of the test set sets a ceiling of +1.00; the best reaches 50 % of it. What knows the "
            "configuration and not the seed would score +0.60.",
        ),
        (
            {"test_set": {"psi": -0.1}},
            "The noise of the test set sets a ceiling of -0.10; the best has +0.50.",
        ),
    ],
)
def test_ceilings(ceiling, sentence):
    assert answer(made_up([row("a", 0.5, (1, 1))], ceiling=ceiling))[2] == sentence


def test_a_single_measure_has_no_pairs_and_none_has_one_sentence():
    assert len(answer(made_up([row("a", 0.5, (1, 1))]))) == 3
    assert answer(made_up([])) == ["No measure has a rank: none has both a direction and a score."]


def test_a_real_ranking_names_the_winner_that_was_planted():
    table = planted(seeds=3)
    board = ranking.rank(table, axes=["a0", "a1", "a2", "a3"], directions={"opposite": "-"}, bootstrap=2)
    assert {each["measure"] for each in leaders(board)} == {"perfect", "opposite"}
    first, second, *_ = answer(board)
    assert "perfect (psi +1.00) and opposite (+1.00)" in first or "opposite (psi +1.00) and perfect" in first
    assert "surely beat the hyperparameters alone" in second


@pytest.mark.parametrize("rank_by", ["tau", "r2", "sign_error_unweighted", "regret"])
def test_every_column_that_a_board_is_ranked_by_has_an_answer(rank_by):
    board = ranking.rank(planted(), axes=["a0", "a1", "a2", "a3"], rank_by=rank_by, bootstrap=2)
    assert len(answer(board)) == 4


def test_several_suites_have_an_answer_of_their_own():
    boards = {
        name: ranking.rank(
            planted(seed=place), ["perfect", "noise"], axes=["a0", "a1", "a2", "a3"],
            statistics=["psi"],
        )
        for place, name in enumerate(("one", "two", "three"))
    }  # fmt: skip
    across = ranking.rank_across(boards)
    assert answer_across(across) == [
        "Over 3 suites perfect predicts the gap best: mean psi +1.00.",
        "Above the hyperparameters alone stand in every suite: perfect.",
        "The two measures are told apart.",
    ]
    nowhere = dataclasses.replace(across, rows=[{**each, "beats": 0} for each in across.rows])
    assert answer_across(nowhere)[1] == "In no suite does a measure stand above the hyperparameters alone."
