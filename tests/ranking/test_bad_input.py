"""What cannot be ranked says so in one line that tells what to do."""

import numpy as np
import pandas as pd
import pytest
from ranking.tables import planted

import genbench.ranking as ranking
from genbench.ranking import RankingError
from genbench.ranking.from_elsewhere import OrientedStatistic

AXES = ["a0", "a1", "a2", "a3"]


def _fails(table, words, measures=("noise",), **options):
    options.setdefault("axes", AXES)
    with pytest.raises(RankingError) as caught:
        ranking.rank(table, measures, **options)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text
    assert isinstance(caught.value, ValueError)


def test_unknown_names_come_with_the_nearest_word():
    _fails(planted(), ["measure", "'nosie'", "did you mean 'noise'"], ["nosie"])
    _fails(planted(), ["axis", "'A1'", "did you mean 'a1'"], axes=["a0", "A1"])
    _fails(planted(), ["target", "'gapp'", "did you mean 'gap'"], target="gapp")
    _fails(planted(), ["seed", "did you mean 'seed'"], seed_column="sead")
    _fails(planted(), ["statistic", "did you mean 'spearman'"], statistics=["sperman"])
    taken = OrientedStatistic("family", lambda values, rows, weights: [0.0] * len(weights))
    _fails(planted(), ["'family'", "rename"], statistics=["psi", taken])
    _fails(planted(), ["rank by", "did you mean 'psi'"], rank_by="psy")
    _fails(planted(), ["test_size"], test_size="n_test")
    _fails(planted(), ["converged"], converged="convergd")


def test_all_unknown_measures_are_named_at_once():
    _fails(planted(), ["'one'", "'two'"], ["one", "noise", "two"])


def test_a_target_that_could_be_computed_names_its_parts():
    _fails(planted(), ["test_loss", "train_loss"], target="loss_gap")


def test_columns_that_hold_no_numbers():
    table = planted()
    table["words"] = ["high"] * len(table)
    _fails(table, ["'words'", "not numeric", "'high'"], ["words"])
    table["dates"] = pd.Timestamp("2020-01-01")
    _fails(table, ["'dates'", "not numeric"], ["dates"])


def test_numbers_kept_as_objects_are_numbers():
    table = planted()
    board = ranking.rank(table.astype({"noise": object}), ["noise"], axes=AXES, bootstrap=0)
    assert board["noise"]["tau"] == ranking.rank(table, ["noise"], axes=AXES, bootstrap=0)["noise"]["tau"]


def test_tables_with_nothing_to_compare():
    _fails(planted().iloc[:0], ["empty", "two rows"])
    _fails(planted().iloc[:1], ["single fit", "two rows"])
    _fails(planted().assign(gap=0.25), ["0.25", "every fit", "another target"])
    _fails(planted().assign(gap=np.nan), ["0 values"])
    _fails("table.csv", ["DataFrame", "str"])


def test_one_converged_fit_is_not_enough():
    table = planted()
    table["converged"] = np.arange(len(table)) == 3
    _fails(table, ["only 1 fit", "converged"], converged="converged")
    _fails(table.assign(converged=False), ["no fit converged"], converged="converged")


def test_duplicated_columns():
    table = pd.concat([planted(), planted()[["noise"]]], axis=1)
    _fails(table, ["duplicated", "noise"])
    _fails(planted(), ["named twice", "noise"], ["noise", "noise"])


@pytest.mark.parametrize("bootstrap", [-1, 2.5, True, "many"])
def test_bootstrap_counts(bootstrap):
    _fails(planted(), ["bootstrap"], bootstrap=bootstrap)


@pytest.mark.parametrize("seed", [-1, 0.5, True, 1 << 61])
def test_seeds_of_the_draws(seed):
    _fails(planted(), ["seed", repr(seed)], seed=seed)


@pytest.mark.parametrize("names", [("low",), ("high",), ("se",), ("tau_b",), ("rate", "rate_low")])
def test_axes_whose_scores_have_no_column_of_their_own(names):
    table = planted().rename(columns=dict(zip(AXES, names, strict=False)))
    axes = [*names, *AXES[len(names) :]]
    _fails(table, [f"'{names[-1]}'", f"'psi_{names[-1]}'", "rename"], axes=axes)


@pytest.mark.parametrize("size", [0, -5, True, [3]])
def test_test_sizes(size):
    _fails(planted(), ["test_size"], test_size=size)


def test_directions():
    _fails(planted(), ["direction", "'noise': 'up'"], directions={"noise": "up"})


def test_converged_of_the_wrong_length_or_kind():
    _fails(planted(), ["converged", "108"], converged=[True, False])
    table = planted()
    table["state"] = "fine"
    _fails(table, ["'state'", "true and false"], converged="state")


def test_axes_and_measures_that_cannot_be_told_apart():
    with pytest.raises(RankingError, match="axes="):
        ranking.rank(planted())
    with pytest.raises(RankingError, match="measures="):
        ranking.rank(planted()[["gap", "a0", "seed"]], axes=["a0"])


def test_flips_need_two_targets():
    with pytest.raises(RankingError, match="at least two"):
        ranking.rank_flips(planted(), ["gap"], axes=AXES)
