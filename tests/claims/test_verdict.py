"""Verdicts rest on the interval over seeds, never on the mean."""

import math

import numpy as np
import pytest
from scipy.stats import t

from genbench.claims.table import as_markdown, tally
from genbench.claims.verdict import interval, judge


@pytest.fixture
def of_seeds(evidence):
    """A run with one fit for each seed."""
    return lambda values, **more: evidence(
        [
            (seed, {}, {"test_error": value, **{name: each[seed] for name, each in more.items()}})
            for seed, value in enumerate(values)
        ]
    )


STEADY = [1.0, 1.1, 0.9, 1.05, 0.95]  # mean 1, interval 1 ± 0.098
WILD = [5.0, -1.0, 4.0, -2.0, 4.0]  # mean 2, interval across 0


@pytest.mark.parametrize(
    ("values", "given", "verdict"),
    [
        (STEADY, {"than": 0.0}, "reproduced"),
        (WILD, {"than": 0.0}, "not reproduced"),
        (STEADY, {"than": 0.95}, "not reproduced"),
        (STEADY, {"than": 2.0}, "not reproduced"),
        (STEADY, {"than": 2.0, "expect": "lower"}, "reproduced"),
        (STEADY, {"than": 0.0, "published": 1.15, "tolerance": 0.1}, "reproduced"),
        (STEADY, {"than": 0.0, "published": 3.0, "tolerance": 0.1}, "direction only"),
        (STEADY, {"than": 0.0, "differs": "other data"}, "direction only"),
        (STEADY, {"than": 2.0, "differs": "other data"}, "not reproduced"),
        (STEADY, {"than": 1.0, "expect": "same", "tolerance": 0.2}, "reproduced"),
        (STEADY, {"published": 1.0, "expect": "same", "tolerance": 0.2}, "reproduced"),
        (STEADY, {"than": 1.0, "expect": "same", "tolerance": 0.05}, "not reproduced"),
        (STEADY, {"than": 1.0, "expect": "same", "tolerance": 0.2, "differs": "size"}, "direction only"),
        (STEADY[:4], {"than": 0.0}, "not tested here"),
        (STEADY[:4], {"than": 0.0, "seeds": 4}, "reproduced"),
        (STEADY, {"than": 0.0, "column": "gap"}, "not tested here"),
    ],
)
def test_verdict(of_seeds, claim, values, given, verdict):
    found = judge(claim(**given), of_seeds(values))
    assert found.verdict == verdict
    assert found.reason


def test_the_interval_is_students_over_the_seeds(of_seeds, claim):
    found = judge(claim(than=0.0), of_seeds(STEADY))
    reach = t.ppf(0.975, 4) * np.std(STEADY, ddof=1) / math.sqrt(5)
    assert (found.estimate, found.low, found.high) == pytest.approx((1.0, 1 - reach, 1 + reach))
    assert found.seeds == 5


def test_the_interval_of_a_ratio_is_that_of_its_logarithm(claim):
    logarithms = np.log([2.0, 3.0, 4.0])
    reach = t.ppf(0.975, 2) * np.std(logarithms, ddof=1) / math.sqrt(3)
    found = interval(claim(statistic="ratio"), logarithms)
    assert found == pytest.approx(tuple(np.exp(logarithms.mean() + reach * sign) for sign in (0, -1, 1)))


@pytest.mark.parametrize(("share", "low"), [(1.0, 0.5655), (0.6, 0.2307)])
def test_a_share_on_which_all_seeds_agree_is_not_certain(claim, share, low):
    """The lower ends are those of Wilson's table for 5 and 3 of 5."""
    found = interval(claim(statistic="fraction", above=0.0), np.full(5, share))
    assert found[1] == pytest.approx(low, abs=1e-4)


def test_intervals_end_where_the_statistic_does(claim):
    found = interval(claim(statistic="rank_correlation"), np.array([1.0, 0.5, 1.0, 0.6, 1.0]))
    assert found[2] == 1.0


def test_the_best_epoch_stands_beside_the_last_and_moves_no_verdict(of_seeds, claim):
    run = of_seeds(STEADY, best_test_error=[each - 5 for each in STEADY])
    found = judge(claim(than=0.0), run)
    assert found.best == pytest.approx(-4.0)
    assert found.best_low < found.best < found.best_high
    assert found.verdict == "reproduced"


def test_fits_that_diverged_are_counted_in_the_reason(of_seeds, claim):
    run = of_seeds([*STEADY, math.nan])
    run.diverged[5] = True
    found = judge(claim(than=0.0), run)
    assert found.verdict == "reproduced"
    assert found.reason.endswith("; 1 of 6 fits diverged and are left out")


def test_one_seed_has_no_interval(of_seeds, claim):
    found = judge(claim(than=0.0, seeds=1), of_seeds([1.0]))
    assert found.verdict == "not tested here"
    assert found.estimate == 1.0
    assert math.isnan(found.low)


def test_the_table_has_claim_number_ours_verdict_and_reason(of_seeds, claim):
    given = [
        claim(id="first", than=0.0, published=3.0, tolerance=0.1),
        claim(id="second", than=0.0, column="gap"),
    ]
    found = [judge(each, of_seeds(STEADY)) for each in given]
    text = as_markdown(found)
    assert "| 3 ± 0.1 | 1 [0.9018, 1.098] | – | 5 | direction only |" in text
    assert "| – | – | – | 0 | not tested here | the run has no column 'gap' |" in text
    assert tally(found) == "2 claims: 1 direction only, 1 not tested here"
