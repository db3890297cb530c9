"""All measures on the zoo: where there is a value, why there is none elsewhere, and twins that agree."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache

import pytest
import torch
from torch import nn
from zoo import document, table
from zoo.animal import measured
from zoo.networks import ZOO

import genbench
from genbench import Value
from genbench.base.errors import UsageError

QUICK = ("mlp", "disordered", "residual", "residual in place")

# Whoever draws at random draws for weights and units in their order, which twins may have differently.
DRAWN = {
    "avg_sharpness", "flatness_radius", "hessian_effective_dimension", "hessian_negative_share",
    "hessian_outliers", "hessian_trace", "local_volume", "mc_dropout_variance", "perturbation_robustness",
    "ww_maxdist", "ww_num_rand_spikes", "ww_rand_distance", "ww_softrank",
}  # fmt: skip


def animals() -> list:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ZOO]


def twins() -> list:
    pairs = [(name, animal.twin) for name, animal in ZOO.items() if animal.twin]
    return [pytest.param(*pair, marks=[] if set(pair) <= set(QUICK) else pytest.mark.slow) for pair in pairs]


@cache
def values(name: str) -> Mapping[str, Value]:
    return measured(ZOO[name])


@pytest.mark.parametrize("name", animals())
def test_measures_have_a_value_or_the_reason_that_the_table_says(name):
    assert table.steady(table.outcomes(values(name))) == table.steady(table.read()[name])


@pytest.mark.parametrize("name", animals())
def test_no_measure_fails(name):
    assert not {each.name: each.reason for each in values(name).values() if each.status.is_fault}


class Returning(nn.Module):
    """Two layers, and outputs in the form of choice."""

    def __init__(self, form):
        super().__init__()
        self.body, self.head, self.form = nn.Linear(4, 5), nn.Linear(5, 3), form

    def forward(self, x):
        hidden = self.body(x).relu()
        return self.form(self.head(hidden), hidden)


@pytest.mark.parametrize(
    ("form", "what", "part"),
    [
        (lambda outputs, hidden: (outputs, hidden), "tuple", "0"),
        (lambda outputs, hidden: [outputs], "list", "0"),
        (lambda outputs, hidden: {"loss": 0.0, "logits": outputs}, "dict", "'logits'"),
        (lambda outputs, hidden: {"loss": 0.0}, "dict", ""),
        (lambda outputs, hidden: outputs[:, 0], "(2,)", ""),
        (lambda outputs, hidden: outputs.unsqueeze(2), "(2, 3, 1)", ""),
        (lambda outputs, hidden: outputs.sum(0, keepdim=True), "(1, 3)", ""),
    ],
)
def test_what_is_no_row_of_outputs_for_each_example_is_refused_in_a_line(form, what, part):
    with pytest.raises(UsageError) as refused:
        genbench.evaluate(Returning(form), torch.randn(6, 4), torch.arange(6) % 3)
    assert str(refused.value) == (
        f"model: the network returns {what}, not one row of outputs for each example"
        + (f"; output={part} would take one part of it" if part else "")
    )


@pytest.mark.parametrize("fault", [AssertionError("Input size (8) doesn't match\nmodel (16)"), KeyError("x")])
def test_what_a_network_raises_is_a_line(fault):
    def failing(outputs, hidden):
        raise fault

    with pytest.raises(UsageError, match=r"^model: it does not take the inputs: ") as refused:
        genbench.evaluate(Returning(failing), torch.randn(6, 4), torch.arange(6) % 3)
    assert "\n" not in str(refused.value)


def test_the_table_is_that_of_these_networks():
    assert list(table.read()) == list(ZOO)


def test_the_guide_shows_the_table():
    assert document.FILE.read_text(encoding="utf-8") == document.document()


def test_reasons_are_one_line_that_says_what_is_missing():
    kinds = {kind for of_one in table.read().values() for kind in of_one}
    for reason in (kind.removeprefix("not_applicable: ") for kind in kinds if kind.startswith("not_app")):
        assert 15 < len(reason) < 200, reason
        assert " " in reason, reason
        assert reason[0].islower() or reason[0] in "N'", reason
        assert not reason.endswith("."), reason
        assert not re.search(r"Error|Traceback|aten::|\n|object at", reason), reason


@pytest.mark.parametrize(("name", "other"), twins())
def test_twins_have_equal_values(name, other):
    found, expected = values(name), values(other)
    unlike = {
        measure: (float(value), float(expected[measure]))
        for measure, value in found.items()
        if value.status == expected[measure].status == "ok"
        and not math.isclose(
            float(value), float(expected[measure]), rel_tol=ZOO[name].tolerance, abs_tol=1e-6
        )
    }
    assert not unlike.keys() - DRAWN - ZOO[name].differs, unlike
