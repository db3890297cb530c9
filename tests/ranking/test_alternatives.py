"""The table of alternatives, against loops over its pairs."""

import itertools
import json
import math

import numpy as np
import pytest
from scipy.stats import t

from genbench.ranking.alternatives import compare_alternatives
from genbench.ranking.errors import RankingError

EFFECTS = {"none": 0.0, "decay": -0.1, "noise": 0.3}


def made(places: int, seeds: int, spread: float = 0.02):
    """Alternatives, places, seeds and errors of a full grid; the places differ much more than the effects."""
    draws = np.random.default_rng(1)
    fits = list(itertools.product(EFFECTS, range(places), range(seeds)))
    errors = [EFFECTS[name] + 10.0 * place + spread * draws.normal() for name, place, _ in fits]
    names, where, seed = zip(*fits, strict=True)
    return names, where, seed, np.array(errors)


def by_hand(data, name: str, other: str, places: int, seeds: int, unit: str):
    names, where, seed, errors = data
    value = {
        key: error for *key, error in zip(names, where, seed, errors, strict=True) for key in [tuple(key)]
    }
    cells = list(itertools.product(range(places), range(seeds)))
    differences = {cell: value[name, *cell] - value[other, *cell] for cell in cells}
    index = 0 if unit == "configurations" else 1
    units = [
        np.mean([each for cell, each in differences.items() if cell[index] == level])
        for level in range(places if index == 0 else seeds)
    ]
    reach = t.ppf(0.975, len(units) - 1) * np.std(units, ddof=1) / math.sqrt(len(units))
    return np.mean(units), np.mean(units) - reach, np.mean(units) + reach


@pytest.mark.parametrize(
    ("places", "seeds", "unit"),
    [(4, 2, "configurations"), (2, 5, "seeds"), (1, 3, "seeds"), (3, 1, "configurations")],
)
def test_differences_are_paired_and_their_interval_is_students(places, seeds, unit):
    data = made(places, seeds)
    found = compare_alternatives(*data[:3], {"test_error": data[3]}, baseline="none")
    assert [row["alternative"] for row in found.rows] == ["decay", "none", "noise"]
    for row in found.rows:
        if row["alternative"] == "none":
            assert row["difference"] == 0
            assert math.isnan(row["low"])
            continue
        expected = by_hand(data, row["alternative"], "none", places, seeds, unit)
        assert (row["difference"], row["low"], row["high"]) == pytest.approx(expected)
        assert (row["over"], row["pairs"]) == (unit, places * seeds)


def test_alternatives_that_cannot_be_told_apart_share_a_rank():
    names, where, seeds, errors = made(6, 1)
    errors = np.where(np.array(names) == "decay", np.roll(errors, 0) + 0.1, errors)  # now like none
    found = {
        row["alternative"]: row
        for row in compare_alternatives(names, where, seeds, {"gap": errors}, baseline="none").rows
    }
    assert (found["none"]["rank_low"], found["none"]["rank_high"]) == (1, 2)
    assert (found["decay"]["rank_low"], found["decay"]["rank_high"]) == (1, 2)
    assert (found["noise"]["rank_low"], found["noise"]["rank_high"]) == (3, 3)


def test_without_a_baseline_each_is_compared_with_the_mean_of_all():
    data = made(4, 1, spread=0.0)
    found = compare_alternatives(*data[:3], {"test_error": data[3]})
    mean = np.mean(list(EFFECTS.values()))
    for row in found.rows:
        assert row["difference"] == pytest.approx(EFFECTS[row["alternative"]] - mean)


def test_fits_without_a_value_or_a_partner_are_left_out_and_said():
    names, where, seeds, errors = made(3, 1)
    errors = np.where(np.array(names) == "noise", np.nan, errors)
    errors[1] = np.nan  # of none
    found = compare_alternatives(names, where, seeds, {"gap": errors}, baseline="none")
    rows = {row["alternative"]: row for row in found.rows}
    assert rows["decay"]["pairs"] == 2
    assert math.isnan(rows["noise"]["difference"])
    assert "gap: no fit to compare with: noise." in found.notes
    assert json.loads(found.to_json())["rows"][-1]["difference"] is None


def test_the_order_of_fits_does_not_matter():
    names, where, seeds, errors = made(3, 2)
    order = np.random.default_rng(0).permutation(len(names))
    first = compare_alternatives(names, where, seeds, {"gap": errors}, "none")
    second = compare_alternatives(
        *([each[row] for row in order] for each in (names, where, seeds)), {"gap": errors[order]}, "none"
    )
    assert first.to_json() == second.to_json()


def test_markdown_has_a_table_for_each_target():
    data = made(3, 1)
    text = compare_alternatives(*data[:3], {"gap": data[3], "test_error": data[3]}, "none").to_markdown()
    assert text.count("| alternative | rank | mean | against none | 95 % | pairs |") == 2
    assert text.startswith("gap\n\n")


def test_there_must_be_something_to_compare():
    with pytest.raises(RankingError, match="one alternative only"):
        compare_alternatives(["none"], [0], [0], {"gap": np.zeros(1)})
    with pytest.raises(RankingError, match="no alternative is called 'nothing'"):
        compare_alternatives(["none", "a"], [0, 0], [0, 0], {"gap": np.zeros(2)}, "nothing")
