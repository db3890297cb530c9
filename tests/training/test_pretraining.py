"""Pretraining on wrong labels, initial weights of one size, and the weights closest to a loss."""

from dataclasses import replace

import pytest
import torch

from genbench.base.canonical import stream_seed
from genbench.base.errors import InvalidInput
from genbench.base.values import StopReason
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer
from genbench.training.evaluation import evaluate
from genbench.training.loop import train
from genbench.training.pretraining import pretraining_labels

SEEDS = {"order": 1, "augmentation": 2, "dropout": 3, "regularizer": 4, "noise": 5}


def trained(problem, *regularizers, **changes):
    return problem.train(*regularizers, seeds=SEEDS, **changes)


def test_no_epochs_of_pretraining_change_no_bit(problem, same):
    outcome = trained(problem, pretrain_label_noise=0.3, pretrain_label_noise_kind="uniform")
    assert same(outcome.final_state, problem.train().final_state)


def test_pretraining_is_a_training_before_the_training(problem, same):
    """The same by two calls: on permuted labels with seeds of its own, then on the right ones."""
    outcome = trained(problem, pretrain_epochs=4)
    protocol = replace(problem.protocol, pretrain_epochs=4)
    labels = pretraining_labels(problem.targets, problem.task, protocol, SEEDS)
    assert torch.equal(labels.sort().values, problem.targets.sort().values)
    assert not torch.equal(labels, problem.targets)
    model = problem.network()
    seeds = {stream: stream_seed("pretraining", seed) for stream, seed in SEEDS.items()}
    for targets, how, streams in (
        (labels, replace(problem.protocol, max_epochs=4), seeds),
        (problem.targets, problem.protocol, SEEDS),
    ):
        train(model, problem.task, problem.inputs, targets, targets, how, (), streams, device="cpu")
    assert same(outcome.final_state, model.state_dict())


def test_the_history_begins_behind_pretraining_and_the_initial_state_before_it(problem, same):
    outcome, plain = trained(problem, pretrain_epochs=4), problem.train()
    assert same(outcome.initial_state, plain.initial_state)
    assert outcome.history["epoch"] == plain.history["epoch"]
    assert outcome.history["train_loss"][0] != plain.history["train_loss"][0]
    assert (outcome.steps, outcome.epochs) == (plain.steps, plain.epochs)


def test_pretraining_fits_its_labels_and_starts_worse(problem):
    start = {}
    for noise in (0.0, 1.0):
        outcome = trained(
            problem, pretrain_epochs=60, pretrain_label_noise=noise, max_epochs=1, learning_rate=0.05
        )
        start[noise] = outcome.history["train_loss"][0]
    assert start[1.0] > start[0.0] + 0.5


def test_pretraining_uses_neither_schedule_nor_target_nor_regularizers(problem, same):
    seen = []

    class Watching(Regularizer):
        def after_update(self, step):
            seen.append(step.index)

    outcome = trained(
        problem, Watching(), pretrain_epochs=2, schedule="linear", warmup_epochs=1.0, target_loss=100.0
    )
    assert outcome.stop_reason is StopReason.TARGET
    assert seen == list(range(4))
    other = trained(problem, pretrain_epochs=2, target_loss=100.0, schedule="linear", warmup_epochs=1.0)
    assert same(outcome.final_state, other.final_state)


def test_who_gets_a_wrong_label_is_nested(problem):
    def drawn(rate):
        protocol = Protocol(pretrain_label_noise=rate, pretrain_label_noise_kind="other", pretrain_epochs=1)
        return pretraining_labels(problem.targets, problem.task, protocol, SEEDS).ne(problem.targets)

    assert not drawn(0.0).any()
    assert drawn(1.0).all()
    assert bool((drawn(0.3) <= drawn(0.7)).all())


def test_time_spent_on_pretraining_counts(problem, same):
    outcome = trained(problem, pretrain_epochs=3, max_seconds=0)
    assert (outcome.stop_reason, outcome.steps) == (StopReason.TIMEOUT, 0)
    assert same(outcome.initial_state, outcome.final_state)


def test_pretraining_in_regression_is_refused(regression):
    with pytest.raises(InvalidInput, match="needs a classification task"):
        regression.train(pretrain_epochs=1, seeds=SEEDS)


def test_the_closest_weights_are_put_back(problem, same):
    plain = problem.train(max_epochs=30, snapshots=10_000)
    losses = plain.history["train_loss"]
    target = (losses[7] + losses[8]) / 2 + 1e-6 * (losses[7] - losses[8])
    closest = min(range(1, 31), key=lambda epoch: abs(losses[epoch] - target))
    outcome = problem.train(max_epochs=30, target_loss=target, target_rule="closest")
    step = plain.history["step"][closest]
    assert same(outcome.final_state, dict(plain.snapshots)[step])
    assert outcome.train_loss == losses[closest]
    assert (outcome.stop_reason, outcome.epochs) == (StopReason.TARGET, 30)
    assert outcome.stop_note == f"the weights are those after epoch {closest}"
    assert outcome.history["train_loss"] == losses
    kept = problem.train(max_epochs=30, target_loss=target, target_rule="closest", snapshots=5)
    assert same(kept.snapshots[-1][1], plain.final_state)
    model = problem.network()
    model.load_state_dict(outcome.final_state)
    figures = evaluate(model, problem.inputs, problem.targets, problem.task, device="cpu")
    assert figures == (outcome.train_loss, outcome.train_error)


def test_a_target_that_is_never_reached_leaves_the_lowest_loss(problem):
    outcome = problem.train(target_loss=1e-9, target_rule="closest")
    assert outcome.stop_reason is StopReason.MAX_EPOCHS
    assert outcome.train_loss == min(outcome.history["train_loss"][1:])


def test_the_target_of_the_closest_rule_stops_nothing(problem, same):
    outcome = problem.train(target_loss=100.0, target_rule="closest")
    assert (outcome.epochs, outcome.stop_reason) == (3, StopReason.TARGET)


def test_initial_weights_of_one_standard_deviation(problem):
    wide = replace(
        problem, build=lambda task: torch.nn.Sequential(torch.nn.Linear(4, 5000), torch.nn.Linear(5000, 3))
    )
    drawn = replace(wide, protocol=replace(problem.protocol, initialization_std=0.02)).network()
    plain = wide.network()
    for layer, usual in zip(drawn, plain, strict=True):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert torch.equal(layer.bias, usual.bias)
    scaled = replace(
        wide, protocol=replace(problem.protocol, initialization_std=0.02, initialization_scale=3.0)
    ).network()
    torch.testing.assert_close(scaled[0].weight, 3 * drawn[0].weight)
    larger = replace(wide, protocol=replace(problem.protocol, initialization_std=0.06)).network()
    torch.testing.assert_close(larger[0].weight, scaled[0].weight)
