"""Spread across generator seeds against spread across models."""

import math
import statistics

import numpy as np
import pytest

from genbench.auditing.repeatability import audit, drawing, spreads
from genbench.base.errors import InvalidInput, UsageError
from genbench.host.selection import select


def slow_spreads(rows):
    """The analysis of variance in loops."""
    count, repeats = len(rows), len(rows[0])
    means = [sum(row) / repeats for row in rows]
    grand = sum(means) / count
    within = sum((x - mean) ** 2 for row, mean in zip(rows, means, strict=True) for x in row)
    within /= count * (repeats - 1)
    between = repeats * sum((mean - grand) ** 2 for mean in means) / (count - 1)
    models = max(0.0, (between - within) / repeats)
    icc = (between - within) / (between + (repeats - 1) * within)
    return math.sqrt(within), math.sqrt(models), icc


@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e200])
def test_against_loops(scale):
    random = np.random.default_rng(0)
    rows = (random.normal(size=(9, 1)) + 0.3 * random.normal(size=(9, 4))).tolist()
    within, between, icc = slow_spreads(rows)
    found = spreads([[scale * x for x in row] for row in rows])
    assert found["fits"] == 9
    assert found["within"] == pytest.approx(scale * within, rel=5e-3)
    assert found["between"] == pytest.approx(scale * between, rel=5e-3)
    assert found["ratio"] == pytest.approx(within / between, rel=5e-3)
    assert found["icc"] == pytest.approx(icc, rel=5e-3)


def test_known_spreads_are_found():
    random = np.random.default_rng(1)
    rows = 5 * random.normal(size=(4000, 1)) + 2 * random.normal(size=(4000, 3))
    found = spreads(rows.tolist())
    assert found["within"] == pytest.approx(2, rel=0.05)
    assert found["between"] == pytest.approx(5, rel=0.05)
    assert found["icc"] == pytest.approx(25 / 29, rel=0.02)


def test_without_chance_the_ratio_is_zero_and_without_models_there_is_none():
    assert spreads([[1.0, 1.0], [3.0, 3.0]]) == {
        "fits": 2, "within": 0.0, "between": pytest.approx(statistics.stdev([1, 3]), rel=5e-3), "ratio": 0.0, "icc": 1.0,
    }  # fmt: skip
    same = spreads([[1.0, 1.0], [1.0, 1.0]])
    assert (same["ratio"], same["icc"], same["within"]) == (None, None, 0.0)


def test_infinite_values_are_left_out_and_too_few_rows_say_nothing():
    assert spreads([[1.0, 2.0], [math.inf, 1.0]])["fits"] == 1
    assert spreads([[1.0, 2.0], [math.inf, 1.0]])["ratio"] is None
    assert spreads([])["fits"] == 0


def test_a_run_is_measured_again_and_the_first_seed_gives_its_own_values(finished, host):
    battery = drawing(select("random,train_loss,param_norm", host))
    assert [each.spelling for each in battery.requests] == ["random"]
    about, found = audit(finished, battery, host, repeats=2)
    assert about["fits"] == found["random"]["fits"] == 4
    assert about["repeats"] == 2
    assert found["random"]["within"] > 0
    assert audit(finished, battery, host, repeats=2) == (about, found)


def test_measures_that_never_draw_and_folders_without_fits_are_refused(host, tmp_path):
    with pytest.raises(UsageError, match="none of these measures draws at random"):
        drawing(select("param_norm,train_loss", host))
    with pytest.raises(InvalidInput, match="is not a run folder"):
        audit(tmp_path, drawing(select("random", host)), host)
