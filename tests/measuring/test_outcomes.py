"""What becomes of numbers, of what is no number, of missing roots and of errors."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import genbench
from genbench.base.values import Status, Value
from genbench.measuring.engine import as_number

measure = genbench.measure(family="test", direction="?")


def test_missing_roots_and_not_applicable_probes_say_why(plugin):
    @genbench.probe
    def distance(model, initial_model):
        return 0

    @genbench.probe
    def margin(task):
        raise genbench.NotApplicable("defined for classification only")

    @measure
    def one(distance):
        return 0

    @measure
    def two(margin):
        return 0

    values = plugin(distance, margin, one, two).compute({"model": nn.Linear(1, 1), "task": "t"})
    assert (values["one"].status, values["one"].reason) == (
        Status.NOT_APPLICABLE,
        "needs initial_model, which was not given",
    )
    assert (values["two"].status, values["two"].reason) == (
        Status.NOT_APPLICABLE,
        "defined for classification only",
    )
    assert math.isnan(float(values["two"]))


def test_an_error_in_a_probe_names_the_probe_and_costs_only_the_measures_above(plugin):
    @genbench.probe
    def bad(model):
        raise KeyError("weight")

    @measure
    def above(bad):
        return 0

    @measure
    def beside(model):
        return 4

    @measure
    def exits(model):
        raise SystemExit(3)

    values = plugin(bad, above, beside, exits).compute({"model": nn.Linear(1, 1)})
    assert values["above"].status is Status.ERROR
    assert values["above"].reason == "probe bad raised KeyError: 'weight'"
    assert "raise KeyError" in values["above"].detail
    assert values["exits"].status is Status.ERROR
    assert values["beside"].value == 4


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (3, 3.0),
        (True, 1.0),
        (np.float32(2.5), 2.5),
        (np.array([[7]]), 7.0),
        (torch.tensor([1.5]), 1.5),
        (torch.tensor(2, dtype=torch.bfloat16), 2.0),
        (math.inf, math.inf),
        (torch.tensor(-math.inf), -math.inf),
    ],
)
def test_numbers_of_all_kinds_are_taken(returned, expected):
    assert as_number(returned) == expected


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "returned a NoneType"),
        ("0.3", "returned a str"),
        (1j, "returned a complex"),
        (torch.tensor(1j), "returned a complex"),
        (torch.zeros(2), r"a tensor of shape \(2,\)"),
        (np.zeros((1, 2)), r"an array of shape \(1, 2\)"),
        (10**400, "too large"),
        ([1.0], "returned a list"),
    ],
)
def test_what_is_not_one_real_number_is_an_error(returned, said, plugin):
    @measure
    def odd(model):
        return returned

    value = plugin(odd).compute({"model": nn.Linear(1, 1)})["odd"]
    assert value.status is Status.ERROR
    assert value.value is None
    with pytest.raises((TypeError, ValueError, OverflowError), match=said):
        as_number(returned)


def test_nan_is_a_status_of_its_own(plugin):
    @measure
    def undefined(model):
        return torch.tensor(math.nan)

    value = plugin(undefined).compute({"model": nn.Linear(1, 1)})["undefined"]
    assert (value.status, value.value) == (Status.NAN, None)


def test_a_result_that_holds_itself_costs_only_its_own_measures(plugin):
    @genbench.probe
    def endless(model):
        circle = []
        circle.append(circle)
        return circle

    @measure
    def above(endless):
        return 0

    @measure
    def beside(model):
        return 1

    values = plugin(endless, above, beside).compute({"model": nn.Linear(1, 1)})
    assert values["above"].status is Status.ERROR
    assert "probe endless" in values["above"].reason
    assert values["beside"].value == 1


def test_values_are_floats():
    assert float(Value("a", 2.0, Status.OK)) == 2.0
    assert math.isnan(float(Value("a", None, Status.ERROR)))
    assert Status.CRASHED.is_fault
    assert not Status.NOT_APPLICABLE.is_fault
