"""The built-in suites: each plans without data, trains two steps, and is what its quick twin stands for."""

import tomllib
from functools import cache
from pathlib import Path

import pytest
import torch

from genbench import api
from genbench.auditing.battery_time import battery_hours
from genbench.base.data import Split
from genbench.contract.components import Kind
from genbench.fitting.building import build
from genbench.fitting.cards import MEASURED
from genbench.fitting.prediction import predict
from genbench.host import Host
from genbench.planning.plan import Plan, Trial
from genbench.planning.suite import read_suite
from genbench.training.loop import train

HOST = Host.load()
SUITES = sorted(name for name, path in HOST.suites().items() if path.parent.name == "suites")
# The quick twins have the same models; those of the full suites are large.
QUICK_FIRST = [
    pytest.param(each, marks=() if each.endswith("-quick") else pytest.mark.slow) for each in SUITES
]
# Their figures are those of published entries, of trainings alone and one at a time.
PUBLISHED = ("digits", "digits-quick", "mnist-cpu", "cifar10-jpeg-cpu")
IN_TEN_MINUTES = ("cifar10-jpeg-gpu", "paper-gld-cifar10-gpu", "paper-jacobian-gpu")
NOT_IN_SEVEN_HOURS = ("fantastic", "robust")
NEED_FULL_GRIDS = ("cifar10", "cifar100", "cifar10-jpeg")


@cache
def plan_of(name: str) -> Plan:
    return api.plan_suite(read_suite(name, HOST), HOST)


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "empty"))


@pytest.mark.parametrize("name", QUICK_FIRST)
def test_a_suite_plans_without_data_and_its_predicted_time_is_the_one_written_in_it(name):
    plan = plan_of(name)

    if name in PUBLISHED:
        predicted = predict(plan.trials, HOST).gpu_hours
    else:
        predicted = sum(hours_on_a_card(plan))

    assert plan.suite.predicted_gpu_hours == pytest.approx(predicted, rel=0.06)


def hours_on_a_card(plan: Plan, workers: int | None = None) -> tuple[float, float]:
    """Of training side by side, and of the whole battery, on the first card of the table."""
    found = predict(plan.trials, HOST, plan.suite.keep, card=MEASURED[0])
    battery = [each.component.full_name for each in api.select(plan.suite.measures, HOST).requests]
    return found.card_hours, battery_hours(MEASURED[0], battery, found.layers, workers)


def test_suites_fit_a_card_and_a_day():
    files = {name: HOST.suites()[name].read_text(encoding="utf-8") for name in SUITES}
    hours = {name: tomllib.loads(text)["predicted_gpu_hours"] for name, text in files.items()}

    assert {name for name, each in hours.items() if each > 7} == set(NOT_IN_SEVEN_HOURS)
    assert sum(each > 3 for each in hours.values()) < 0.1 * len(hours)


@pytest.mark.parametrize("name", IN_TEN_MINUTES)
def test_suites_of_ten_minutes_are_predicted_to_take_less(name):
    training, measuring = hours_on_a_card(plan_of(name), workers=8)

    assert 60 * (training + measuring) < 8.5


def test_the_suite_for_a_gpu_has_fits_families_and_measures_enough():
    plan = plan_of("cifar10-jpeg-gpu")

    assert len(plan.trials) >= 256
    assert len({trial.model.name for trial in plan.trials}) == 2
    assert plan.suite.measures == ("cost:A-C", "cost:F")


def what_differs(trial: Trial) -> tuple[object, ...]:
    """Model, protocol and regularizers, without what changes numbers only."""
    return (
        trial.task,
        repr((trial.model.name, sorted(trial.model.settings.items()))),
        trial.protocol.name,
        trial.protocol.settings["augmentation"],
        tuple(each.name for each in trial.regularizers),
    )


@pytest.mark.parametrize("name", QUICK_FIRST)
def test_every_model_and_protocol_of_a_suite_trains_two_steps_on_made_up_examples(name):
    distinct = {what_differs(trial): trial for trial in plan_of(name).trials}
    for trial in distinct.values():
        built = build(trial, HOST)
        settings = {
            **trial.protocol.settings, "batch_size": 6, "max_epochs": 1, "pretrain_epochs": 0,
            "target_loss": None, "target_rule": "reached",
        }  # fmt: skip
        protocol = type(built.protocol)(**settings)
        inputs = torch.rand(12, *trial.task.input_shape)
        targets = torch.arange(12) % trial.task.outputs
        if trial.task.kind == "regression":
            targets = torch.rand(12, trial.task.outputs)
        held_out = Split(inputs, targets)

        outcome = train(
            built.network(), trial.task, inputs, targets, targets, protocol, built.regularizers,
            trial.seeds(), device="cpu", milestones=False, validation=held_out,
        )  # fmt: skip

        assert (outcome.steps, outcome.stop_reason) == (2, "max_epochs"), trial.model


@pytest.mark.parametrize("name", [each for each in SUITES if not each.endswith(("-quick", "-cpu", "-gpu"))])
def test_a_suite_has_a_quick_twin_with_the_same_axes(name):
    quick = plan_of(f"{name}-quick")

    assert {trial.model.name for trial in quick.trials} == {t.model.name for t in plan_of(name).trials}
    assert len(quick.trials) <= len(plan_of(name).trials)


@pytest.mark.parametrize("name", NEED_FULL_GRIDS)
def test_the_image_suites_vary_what_they_promise(name):
    plan = plan_of(name)

    axes = {axis.rpartition(".")[2] for axis in plan.axes}
    models = {trial.model.name for trial in plan.trials}

    assert len(plan.trials) >= 128
    assert {"learning_rate", "batch_size", "regularizers", "train_size", "augmentation"} <= axes
    assert models == {"convnet", "resnet", "wide-resnet"}
    assert {trial.protocol.name for trial in plan.trials} == {"interpolate"}


def test_every_model_and_regularizer_appears_in_some_suite():
    trials = [trial for name in SUITES for trial in plan_of(name).trials]
    core = {
        kind: {each.name for each in HOST.components(kind) if each.plugin == "core"}
        for kind in (Kind.MODEL, Kind.REGULARIZER)
    }

    assert {trial.model.name for trial in trials} >= core[Kind.MODEL]
    assert {each.name for trial in trials for each in trial.regularizers} >= core[Kind.REGULARIZER]
