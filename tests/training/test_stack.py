"""Members whose steps are made together: each as alone but for rounding, whatever becomes of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from training.test_conductor import Training, all_ended
from training.test_member import CASES, Case, assert_same, expected, member, perceptron

from genbench.base.values import StopReason
from genbench.training.outcome import Outcome
from genbench.training.stack import Stack, StackedSteps, chain, why_not_stackable
from genbench.training.stacking import StackingConductor

CPU = torch.device("cpu")
STACKED = {"make_steps": StackedSteps}


def of(**protocol: Any) -> Case:
    return Case(protocol={"max_epochs": 3, **protocol})


def rated(rate: float, **protocol: Any) -> Case:
    return of(learning_rate=rate, **protocol)


def together(*cases: Case, at_once: int = 64) -> list[Any]:
    works = [Training(str(place), case, how=STACKED) for place, case in enumerate(cases)]
    ended = all_ended(StackingConductor(CPU, at_once), *works)
    return [ended[each.name] for each in works]


def assert_close(found: Outcome, wanted: Outcome) -> None:
    """The same but for rounding: weights and losses to 1e-4, counts and reasons exactly."""
    assert (found.stop_reason, found.steps, found.epochs) == (wanted.stop_reason, wanted.steps, wanted.epochs)
    torch.testing.assert_close(found.final_state, wanted.final_state, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.initial_state, wanted.initial_state, rtol=0, atol=0)
    for column in ("epoch", "step", "train_loss", "train_error", "learning_rate"):
        assert found.history[column] == pytest.approx(wanted.history[column], rel=1e-4)
    assert found.history["batch_loss"][1:] == pytest.approx(wanted.history["batch_loss"][1:], rel=1e-4)
    for (step, state), (other, kept) in zip(found.snapshots, wanted.snapshots, strict=True):
        assert step == other
        torch.testing.assert_close(state, kept, rtol=1e-4, atol=1e-6)


ALIKE = {
    "rates": [rated(0.05), rated(0.01), rated(0.1)],
    "no momentum": [rated(each, momentum=0.0) for each in (0.05, 0.1)],
    "nesterov and decay": [
        rated(0.05, nesterov=True, weight_decay=0.1), rated(0.02, nesterov=True), rated(0.02),
    ],
    "schedules": [
        of(schedule="cosine", warmup_epochs=0.6), of(schedule="step", decay_epochs=(1, 2)), of(),
    ],
    "one batch": [rated(each, batch_size=100) for each in (0.05, 0.1)],
    "regression": [replace(rated(each), regression=True) for each in (0.05, 0.1)],
    "decay of a regularizer": [replace(of(), stack=("weight-decay",)), of()],
    "kept": [replace(rated(each), given={"snapshots": 3, "trajectory": 4}) for each in (0.05, 0.1)],
    "closest": [rated(each, target_loss=1.0, target_rule="closest") for each in (0.01, 0.05)],
}  # fmt: skip


@pytest.mark.parametrize("cases", ALIKE.values(), ids=ALIKE)
def test_each_of_a_stack_is_what_it_is_alone(cases):
    assert not any(why_not_stackable(each.assignment(each.objects())) for each in cases)
    for found, case in zip(together(*cases), cases, strict=True):
        assert_close(found, expected(case))


def test_steps_are_made_together(monkeypatch):
    rows = []
    step = Stack.step
    monkeypatch.setattr(Stack, "step", lambda stack: (rows.append(len(stack.rows)), step(stack)))
    together(rated(0.05), rated(0.01), rated(0.1), rated(0.02, batch_size=9))
    assert sorted(rows) == [1] * 9 + [3] * 12


def test_one_that_is_over_leaves_the_others_as_they_are():
    cases = [rated(each, target_loss=1.0, max_epochs=12) for each in (0.2, 0.01, 0.002)]
    found = together(*cases)
    assert [each.stop_reason for each in found] == [
        StopReason.TARGET,
        StopReason.TARGET,
        StopReason.MAX_EPOCHS,
    ]
    assert len({each.epochs for each in found}) == 3
    for ours, case in zip(found, cases, strict=True):
        assert_close(ours, expected(case))


def test_one_that_diverges_stays_where_it_was_and_the_others_go_on():
    cases = [rated(0.05), rated(1e30), rated(0.1)]
    found = together(*cases)
    wanted = expected(cases[1])
    assert (found[1].stop_reason, found[1].steps) == (StopReason.DIVERGED, wanted.steps)
    for place in (0, 2):
        assert_close(found[place], expected(cases[place]))


def test_one_whose_time_is_over_moves_no_further():
    cases = [rated(0.05), replace(rated(0.1), given={"max_seconds": 0.0})]
    found = together(*cases)
    assert (found[1].stop_reason, found[1].steps) == (StopReason.TIMEOUT, 0)
    assert_close(found[0], expected(cases[0]))
    torch.testing.assert_close(found[1].final_state, found[1].initial_state, rtol=0, atol=0)


def test_one_that_fails_fails_alone():
    rows = []

    def on_epoch(row):
        rows.append(row)
        if len(rows) == 2:
            raise OSError("no room for a row")

    broken = replace(rated(0.1), given={"on_epoch": on_epoch})
    found = together(rated(0.05), broken)
    assert isinstance(found[1], OSError)
    assert_close(found[0], expected(rated(0.05)))


def test_a_place_that_becomes_free_is_taken_between_epochs():
    cases = [rated(each, max_epochs=epochs) for each, epochs in ((0.05, 1), (0.02, 4), (0.1, 2), (0.01, 3))]
    for found, case in zip(together(*cases, at_once=2), cases, strict=True):
        assert_close(found, expected(case))


def test_those_that_cannot_be_stacked_train_beside_to_the_bits_of_alone():
    works = [
        Training("alone", CASES["mixup"]),
        Training("stacked", rated(0.05), how=STACKED),
        Training("too", rated(0.1), how=STACKED),
    ]
    found = all_ended(StackingConductor(CPU, 8), *works)
    assert_same(found["alone"], expected(CASES["mixup"]))
    assert_close(found["too"], expected(rated(0.1)))


def test_a_stack_has_no_more_rows_than_memory_allows(monkeypatch):
    steps = member(of(), **STACKED).phase.steps
    monkeypatch.setattr("genbench.training.stack.BYTES", 3 * steps.bytes)
    assert Stack.most(steps) == 3
    monkeypatch.setattr("genbench.training.stack.BYTES", 1)
    assert Stack.most(steps) == 1
    for found, rate in zip(together(rated(0.05), rated(0.1)), (0.05, 0.1), strict=True):
        assert_close(found, expected(rated(rate)))


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (CASES["adam"], "the optimizer is not SGD"),
        (CASES["clip"], "gradients are clipped"),
        (CASES["flips"], "there is augmentation"),
        (CASES["pretrained"], "it pretrains"),
        (CASES["bfloat16"], "precision is bfloat16"),
        (CASES["mixup"], "regularizer 'mixup' takes part in each step"),
        (CASES["sam by example"], "regularizer 'sharpness-aware' takes part in each step"),
        (CASES["normalized"], "the network is no chain of plain linear layers"),
        (CASES["early-stopping"], ""),
        (CASES["plain"], ""),
    ],
)
def test_what_cannot_be_stacked_says_why(case, why):
    assert why_not_stackable(case.assignment(case.objects())) == why


class Twice(nn.Module):
    """A layer that is used twice, a sum of two, a weight beside the layers: by what `how` says."""

    def __init__(self, how: str):
        super().__init__()
        self.how = how
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        if how == "beside":
            self.beside = nn.Parameter(torch.ones(4))

    def forward(self, inputs):
        once = self.first(inputs)
        if self.how == "twice":
            return self.second(self.first(once))
        return once + self.second(once) if self.how == "sum" else self.second(once)


@pytest.mark.parametrize("how", ["twice", "sum", "beside"])
def test_other_networks_are_no_chains(how):
    assert chain(Twice(how), torch.zeros(1, 4)) == []


def test_a_chain_has_its_layers_in_their_order():
    model = perceptron(CASES["plain"].assignment([]).task)
    assert [type(each) for each in chain(model, torch.zeros(1, 3, 4, 4))] == [
        nn.Linear, nn.ReLU, nn.Linear, nn.Tanh, nn.Linear,
    ]  # fmt: skip
    assert len(chain(Twice("plain"), torch.zeros(1, 4))) == 2
