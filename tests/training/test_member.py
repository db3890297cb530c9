"""Members against the training loop as it was before them, bit by bit: alone, replayed, and in company."""

from __future__ import annotations

import gc
import sys
import weakref
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from regularizers.problems import regularizer, small_convnet
from torch import nn
from training.frozen.loop import train as frozen_train
from training.frozen.regularizers import frozen
from training.problems import SEEDS, same_states

from genbench.base.data import Split, Task
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer
from genbench.networks.replayed import Replayed
from genbench.regularizers import robust_mean
from genbench.training import phase, replays
from genbench.training.device_steps import CannotCapture
from genbench.training.member import Assignment, Member
from genbench.training.network import build_network
from genbench.training.optimizer import make_optimizer
from genbench.training.outcome import Outcome
from genbench.training.tape import Tape

CPU = torch.device("cpu")
SEEDS = {**SEEDS, "noise": 5}


def perceptron(task: Task) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(48, 6), nn.ReLU(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, task.outputs)
    )


def normalized(task: Task) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, task.outputs),
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A training of 27 pictures in batches of 8, 8, 8 and 3, for four epochs."""

    stack: tuple[str, ...] = ()
    build: Any = perceptron
    protocol: dict[str, Any] = field(default_factory=dict)
    given: dict[str, Any] = field(default_factory=dict)
    regression: bool = False

    @property
    def planned(self) -> Protocol:
        return Protocol(**{"learning_rate": 0.05, "batch_size": 8, "max_epochs": 4, **self.protocol})

    def objects(self) -> list[Regularizer]:
        return [regularizer(each) for each in self.stack]

    def assignment(self, stack: list[Regularizer]) -> Assignment:
        generator = torch.Generator().manual_seed(3)
        labels = torch.arange(27) % 3
        inputs = torch.randn(27, 3, 4, 4, generator=generator) + labels[:, None, None, None]
        task = Task("regression" if self.regression else "classification", (3, 4, 4), 3)
        targets = torch.eye(3)[labels] if self.regression else labels
        return Assignment(
            model=build_network(self.build, task, stack, self.planned, 0),
            task=task, inputs=inputs, targets=targets, clean_targets=targets.flip(0), protocol=self.planned,
            regularizers=stack, seeds=SEEDS, validation=Split(inputs[:5].flip(0), targets[:5].flip(0)),
            **self.given,
        )  # fmt: skip


def pick(stack: str, **changed: Any) -> Case:
    return Case((stack,), **changed)


CASES = {
    "plain": Case(),
    "normalized": Case(build=normalized),
    "regression": Case(regression=True),
    "one batch": Case(protocol={"batch_size": 100}),
    "batches alike": Case(protocol={"batch_size": 9}),
    "last example joins": Case(protocol={"batch_size": 13}),
    "nesterov": Case(protocol={"nesterov": True, "weight_decay": 0.01}),
    "no momentum": Case(protocol={"momentum": 0.0}),
    "adam": Case(protocol={"optimizer": "adam", "learning_rate": 0.01}),
    "adamw": Case(protocol={"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1}),
    "rmsprop": Case(protocol={"optimizer": "rmsprop", "learning_rate": 0.001}),
    "clip": Case(protocol={"gradient_clip": 0.1}),
    "cosine": Case(protocol={"schedule": "cosine", "warmup_epochs": 0.6}),
    "steps": Case(protocol={"schedule": "step", "decay_epochs": (1, 2)}),
    "crops": Case(build=normalized, protocol={"augmentation": "crop-flip"}),
    "flips": Case(protocol={"augmentation": "flip"}),
    "bfloat16": Case(build=normalized, protocol={"precision": "bfloat16"}),
    "tf32": Case(protocol={"precision": "tf32"}),
    "early": Case(protocol={"target_loss": 1.0, "max_epochs": 40}),
    "closest": Case(protocol={"target_loss": 1.0, "target_rule": "closest"}),
    "pretrained": Case(build=normalized, protocol={"pretrain_epochs": 3}),
    "kept": Case(given={"snapshots": 3, "trajectory": 4}),
    "out of time": Case(given={"max_seconds": 0.0}),
    "weight-decay": pick("weight-decay"),
    "dropout": pick("dropout[rate=0.3]"),
    "label-smoothing": pick("label-smoothing"),
    "gl": pick("gl[slow_after=1]"),
    "gld": pick("gld"),
    "jacobian": pick("jacobian", build=small_convnet),
    "batch-norm": pick("batch-norm"),
    "layer-norm": pick("layer-norm"),
    "group-norm": pick("group-norm"),
    "sgdl": pick("sgdl"),
    "fading noise": pick("sgdl[schedule=inverse,noise=0.01]"),
    "wgd": pick("wgd[level=20]", protocol={"batch_size": 100}),
    "wsgd": pick("wgd[level=20]"),
    "wgd in groups": pick("wgd[level=20,group=2]", build=normalized),
    "median-of-means": pick("median-of-means[groups=2]"),
    "geometric-complexity": pick("geometric-complexity"),
    "gradient-norm": pick("gradient-norm"),
    "spectral-norm": pick("spectral-norm"),
    "spectral-product": pick("spectral-product[strength=0.001]"),
    "path-norm": pick("path-norm", build=small_convnet),
    "label-noise": pick("label-noise"),
    "sam": pick("sam", build=normalized),
    "sam by example": pick("sam[per_example=true]"),
    "mixup": pick("mixup"),
    "mixup by example": pick("mixup[per_example=true]"),
    "early-stopping": pick("early-stopping[patience=1]"),
    "many": Case(("mixup", "sam", "sgdl", "jacobian", "dropout[rate=0.2]"), build=small_convnet),
}  # fmt: skip


# Who takes part makes numbers on the host, or acts behind an update.
NOT_REPLAYED = ["out of time", "gl", "sgdl", "fading noise", "mixup", "mixup by example", "many"]

# Who takes part looks at values where it is on the CPU.
CALLED_ON_THE_CPU = ["wgd", "wsgd", "wgd in groups", "median-of-means"]

# Of a rate or deviation that is a tensor the product is rounded before it is added.
ROUNDED_OTHERWISE = ["rmsprop", "sgdl", "fading noise", "many"]


def expected(case: Case) -> Outcome:
    given = case.assignment([frozen(each) for each in case.objects()])
    return frozen_train(
        given.model, given.task, given.inputs, given.targets, given.clean_targets, given.protocol,
        given.regularizers, given.seeds, device="cpu", validation=given.validation, **case.given,
    )  # fmt: skip


def member(case: Case, **how: Any) -> Member:
    return Member(case.assignment(case.objects()), CPU, **how)


def assert_same(found: Outcome, wanted: Outcome) -> None:
    assert found.history == wanted.history
    plain = ("stop_reason", "stop_note", "steps", "epochs", "train_loss", "train_error", "train_error_clean")
    assert [getattr(found, each) for each in plain] == [getattr(wanted, each) for each in plain]
    assert same_states(found.initial_state, wanted.initial_state)
    assert same_states(found.final_state, wanted.final_state)
    for ours, theirs in zip(found.milestones, wanted.milestones, strict=True):
        assert replace(ours, state={}) == replace(theirs, state={})
        assert same_states(ours.state, theirs.state)
    for (step, state), (other, kept) in zip(found.snapshots, wanted.snapshots, strict=True):
        assert step == other
        assert same_states(state, kept)
    assert (found.walk is None) == (wanted.walk is None)
    if found.walk is not None:
        assert same_states(found.walk.state(), wanted.walk.state())


@pytest.fixture
def as_on_cuda(monkeypatch):
    """What the CPU does by other means than CUDA does, done in CUDA's way."""
    monkeypatch.setattr(robust_mean, "_sorted", lambda columns: columns.sort(0).values)


@pytest.fixture
def capturable_rmsprop(monkeypatch):
    """RMSProp as it is on CUDA, where its rate is never asked for as a number."""

    def capturable(*given, **named):
        made = make_optimizer(*given, **{**named, "capturable": named.get("capturable") or is_rmsprop(given)})
        for group in made.param_groups:
            group["foreach"] = group["foreach"] or is_rmsprop(given)
        return made

    def is_rmsprop(given):
        return given[1].optimizer == "rmsprop"

    module = sys.modules["torch.optim.rmsprop"]
    monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda: ["cpu"])
    monkeypatch.setattr(phase, "make_optimizer", capturable)


def refuse(function, generators):
    raise CannotCapture("refused")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_member_alone_gives_the_bits_of_the_loop(case):
    assert_same(member(case).train(), expected(case))


@pytest.mark.parametrize("case", CASES)
def test_gradients_by_operators_alone_give_the_bits_of_the_loop(case, monkeypatch):
    made: list[Replayed] = []

    def noted(*given):
        made.append(Replayed(*given))
        return made[-1]

    monkeypatch.setattr(
        replays, "Replayed", lambda *given: noted(*given) if len(given) > 1 else Replayed(*given)
    )
    given = CASES[case].assignment(CASES[case].objects())
    assert_same(Member(replace(given, capturable=True), CPU).train(), expected(CASES[case]))
    assert all(each.replays is (case not in CALLED_ON_THE_CPU) for each in made if each.replays is not None)
    assert bool(made) == (case not in NOT_REPLAYED)


@pytest.mark.usefixtures("as_on_cuda")
@pytest.mark.parametrize("case", [each for each in CASES if each not in ROUNDED_OTHERWISE])
def test_replayed_steps_give_the_bits_of_the_loop(case):
    replayed = member(CASES[case], capture=Tape)
    assert_same(replayed.train(), expected(CASES[case]))
    assert replayed.why_not_captured == ""


@pytest.mark.usefixtures("as_on_cuda", "capturable_rmsprop")
@pytest.mark.parametrize("case", ROUNDED_OTHERWISE)
def test_replayed_steps_give_the_bits_of_the_same_steps_as_calls(case):
    replayed = member(CASES[case], capture=Tape)
    found = replayed.train()
    assert replayed.why_not_captured == ""
    assert_same(found, member(CASES[case], capture=refuse).train())
    torch.testing.assert_close(found.final_state, expected(CASES[case]).final_state, rtol=1e-5, atol=1e-6)


def test_a_step_that_looks_at_a_value_goes_on_as_calls_and_says_why():
    replayed = member(CASES["rmsprop"], capture=Tape)  # asks its rate for a number, as it is not capturable
    assert_same(replayed.train(), expected(CASES["rmsprop"]))
    assert "_local_scalar_dense" in replayed.why_not_captured


@pytest.mark.parametrize("stack", ["wgd[level=20,group=2]", "sam[per_example=true]"])
def test_gradients_that_a_regularizer_makes_reach_weights_in_any_layout(stack):
    def in_channels_last(task: Task) -> nn.Module:
        return small_convnet(task).to(memory_format=torch.channels_last)

    found, wanted = (
        member(pick(stack, build=build)).train().final_state for build in (in_channels_last, small_convnet)
    )
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("how", [{}, {"capture": Tape}], ids=["by operators", "captured"])
@pytest.mark.parametrize("case", ["plain", "jacobian", "mixup", "early"])
def test_what_a_training_held_is_free_when_it_is_over(case, how):
    """On a GPU the next one needs the memory; a search for circles may come much later."""
    given = replace(CASES[case].assignment(CASES[case].objects()), capturable=True)
    ended = Member(given, CPU, **how)
    ended.train()
    gone = weakref.ref(given.model)
    gc.disable()
    try:
        del ended, given
        assert gone() is None
    finally:
        gc.enable()
