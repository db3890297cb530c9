"""One vocabulary of outcomes, and the ranking's own beside it, which imports nothing of genbench."""

from genbench.base import outcomes
from genbench.ranking import targets


def test_the_ranking_derives_the_same_targets():
    assert targets.DERIVED == outcomes.GAPS


def test_the_ranking_takes_no_outcome_for_a_measure():
    assert {*outcomes.COLUMNS} - {"epochs", "steps"} <= targets.OUTCOMES


def test_targets_are_columns_and_gaps_are_made_of_results():
    assert {*outcomes.TARGETS} <= {*outcomes.COLUMNS}
    assert {part for parts in outcomes.GAPS.values() for part in parts} == {
        *outcomes.RESULTS,
        *outcomes.NORMALIZED_LOSSES,
    }
