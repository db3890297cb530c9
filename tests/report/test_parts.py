"""Correlations, endings, levels and curves of a report, against slow loops."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from genbench.planning.axes import ABSENT
from genbench.report.correlation import FEWEST, correlation
from genbench.report.fits import axis_columns, curves, endings
from genbench.report.sections import claims_section, regularizers_section


@pytest.fixture
def measured():
    random = np.random.default_rng(3)
    base = random.normal(size=30)
    frame = pd.DataFrame(
        {
            "a": base,
            "b": random.normal(size=30),
            "twin": np.exp(base),
            "opposite": -base + 0.3 * random.normal(size=30),
            "constant": 1.0,
            "rare": base,
        }
    )
    frame.loc[3:, "rare"] = np.nan
    frame.loc[:5, "b"] = np.nan
    frame.loc[int(base.argmax()), "a"] = np.inf
    return frame


def test_correlations_are_those_of_each_pair_times_both_directions(measured):
    directions = dict.fromkeys(measured, "+") | {"opposite": "-"}
    found = correlation(measured, directions)
    assert sorted(found["measures"]) == ["a", "b", "opposite", "rare", "twin"]
    for row, name in enumerate(found["measures"]):
        assert len(found["rho"][row]) == row
        for column, other in enumerate(found["measures"][:row]):
            pair = measured[[name, other]].dropna()
            sign = math.prod(-1 if directions[each] == "-" else 1 for each in (name, other))
            expected = sign * spearmanr(pair[name], pair[other]).statistic if len(pair) >= FEWEST else None
            kept = found["rho"][row][column]
            assert kept == (None if expected is None else pytest.approx(100 * expected, abs=0.51))


def test_measures_that_say_the_same_stand_together(measured):
    found = correlation(measured.drop(columns="rare"), dict.fromkeys(measured.drop(columns="rare"), "+"))
    assert [sorted(each) for each in found["groups"]] == [["a", "twin"]]
    places = [found["measures"].index(name) for name in ("a", "twin")]
    assert abs(places[0] - places[1]) == 1


@pytest.mark.parametrize("columns", [[], ["a"], ["constant"]])
def test_fewer_than_two_measures_have_no_correlation(measured, columns):
    assert correlation(measured, dict.fromkeys(columns, "+"))["groups"] == []


def test_levels_are_sorted_as_numbers_with_the_absent_first():
    found = axis_columns({"depth": [10, ABSENT, 2, 10], "name": ["b", "a", "b", "b"]})
    assert found[0] == {"axis": "depth", "levels": ["-", "2", "10"], "codes": [2, 0, 1, 2]}
    assert found[1]["levels"] == ["a", "b"]


ENDS = st.sampled_from(["target", "diverged", "max_epochs", "failed"])


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), ENDS), min_size=1, max_size=40))
def test_endings_count_every_trial_once_on_every_axis(trials):
    ended = [end for _, end in trials]
    found = endings({"depth": [level for level, _ in trials]}, ended)
    assert found["reasons"][0] == "target"
    assert dict(zip(found["reasons"], found["total"], strict=True)) == {
        reason: ended.count(reason) for reason in found["reasons"]
    }
    assert set(ended) <= set(found["reasons"])
    for level in found["axes"][0]["levels"]:
        there = [end for at, end in trials if str(at) == level["level"]]
        assert level["counts"] == [there.count(reason) for reason in found["reasons"]]
        assert level["trials"] == len(there)


@pytest.mark.parametrize(("fits", "points"), [(1, 60), (400, 60), (1000, 24), (5000, 12)])
def test_curves_are_thinned_the_more_the_more_there_are(fits, points):
    history = {name: [float(each) for each in range(300)] for name in ("epoch", "train_loss", "train_error")}
    found = curves([history] * fits)
    assert {len(each) for each in found["train_loss"]} == {points}
    assert found["epoch"][0][0] == 0
    assert found["epoch"][0][-1] == 299


def test_a_fit_without_a_history_has_an_empty_curve():
    found = curves([{}, {"epoch": [0, 1], "train_loss": [math.nan, 1.0], "train_error": [1.0, 0.5]}])
    assert found == {"epoch": [[], [0, 1]], "train_loss": [[], [None, 1]], "train_error": [[], [1, 0.5]]}


@pytest.mark.parametrize("section", [claims_section, regularizers_section])
def test_a_further_table_is_nothing_without_rows(section):
    assert section([]) is None
    found = section([{"what": "a", "value": 0.123456}, {"what": "b", "value": math.nan}])
    assert found["columns"] == ["what", "value"]
    assert found["rows"] == [["a", 0.1235], ["b", None]]
