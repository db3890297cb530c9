"""The first screen: a scale that holds what it must, and lines in the order of their scores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports import report

from genbench.report.glance import MOST, Scale, glance, glance_across, scale_of


@given(st.lists(st.one_of(st.none(), st.just("inf"), st.floats(-1, 1)), max_size=8))
def test_a_scale_holds_all_values_and_0(values):
    scale = scale_of(values)
    assert -1 <= scale.low <= 0 <= scale.high <= 1
    assert scale.low < scale.high
    for value in (each for each in values if isinstance(each, float)):
        inside = scale.low + scale.at(value) / 100 * (scale.high - scale.low)
        assert inside == pytest.approx(value, abs=2e-3)


def test_a_value_beyond_an_end_stands_at_that_end():
    assert (Scale(-0.2, 0.8).at(-1.0), Scale(-0.2, 0.8).at(0.0), Scale(-0.2, 0.8).at(5.0)) == (0, 20, 100)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [(-1.0, 1.0, [-1.0, 0.0, 1.0]), (-0.2, 0.8, [0.0, 0.5, 0.8]), (-0.8, 1.0, [-0.8, 0.0, 0.5, 1.0])],
)
def test_ticks_are_0_and_the_ends_and_do_not_touch(low, high, labels):
    assert [value for value, _ in Scale(low, high).ticks] == labels


def test_the_best_measures_stand_among_what_judges_them():
    board = report().standings["gap"]
    lines = glance(board)
    measures = [line["name"] for line in lines if line["kind"] == "measure"]
    ranked = [row["measure"] for row in board["rows"] if row["group"] == "ranked"]
    assert measures == ranked[:MOST]
    assert {line["name"] for line in lines if line["kind"] == "judge"} == {
        "hyperparameters",
        "ceiling: seeds",
    }
    assert lines[-1] == {
        "name": "random, 95 %", "kind": "random", "place": None, "score": None,
        "low": board["band"][0], "high": board["band"][1],
    }  # fmt: skip
    scores = [line["score"] for line in lines[:-1]]
    assert scores == sorted(scores, reverse=True)


def test_over_suites_a_judge_is_drawn_from_its_lowest_to_its_highest():
    row = {"measure": "m", "rank_low": 1, "mean": 0.3, "mean_low": -0.1, "mean_high": 0.7}
    found = glance_across(
        {"rows": [row], "judges": [{"name": "hyperparameters", "scores": [0.4, 0.8]}], "band": [None, None]}
    )
    assert [(line["name"], line["low"], line["high"]) for line in found] == [
        ("hyperparameters", 0.4, 0.8),
        ("m", -0.1, 0.7),
    ]
    assert found[0]["score"] == pytest.approx(0.6)
