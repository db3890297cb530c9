from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.base.values import StopReason
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer
from genbench.training.evaluation import evaluate
from genbench.training.loop import train

SEEDS = {"order": 1, "augmentation": 2, "dropout": 3, "regularizer": 4}


def plain_training(problem, protocol, order_seed):
    """The loop as one would write it by hand, for SGD at a constant rate."""
    model = problem.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=protocol.learning_rate, momentum=protocol.momentum)
    generator = torch.Generator().manual_seed(order_seed)
    for _ in range(protocol.max_epochs):
        for chosen in torch.randperm(len(problem.targets), generator=generator).split(protocol.batch_size):
            optimizer.zero_grad()
            F.cross_entropy(model(problem.inputs[chosen]), problem.targets[chosen]).backward()
            optimizer.step()
    return model.state_dict()


def wide_perceptron(task):
    return nn.Sequential(nn.Linear(4, 256), nn.ReLU(), nn.Linear(256, task.outputs))


def images(count=26, side=8, classes=3):
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(count) % classes
    inputs = torch.randn(count, 1, side, side, generator=generator) + targets[:, None, None, None]
    return Task("classification", (1, side, side), classes), inputs, targets


def convolutional(task):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, task.outputs),
    )  # fmt: skip


def test_agrees_with_a_loop_written_by_hand(problem):
    outcome = problem.train()
    expected = plain_training(problem, problem.protocol, SEEDS["order"])
    for name, value in expected.items():
        torch.testing.assert_close(outcome.final_state[name], value)


def test_history(problem):
    rows = []
    outcome = problem.train(on_epoch=rows.append, schedule="linear")
    history = outcome.history
    assert list(history) == ["epoch", "step", "train_loss", "train_error", "batch_loss", "learning_rate"]
    assert history["epoch"] == [0, 1, 2, 3]
    assert history["step"] == [0, 4, 8, 12]
    assert history["batch_loss"][0] is None
    assert history["learning_rate"] == pytest.approx([0.1, 0.075, 0.1 * 5 / 12, 0.1 / 12])
    assert rows == [dict(zip(history, values, strict=True)) for values in zip(*history.values(), strict=True)]
    assert (outcome.steps, outcome.epochs) == (12, 3)
    assert (outcome.train_loss, outcome.train_error) == (
        history["train_loss"][-1],
        history["train_error"][-1],
    )


def test_figures_belong_to_the_states(problem):
    outcome = problem.train()
    model = problem.network()
    for row, state in ((0, outcome.initial_state), (-1, outcome.final_state)):
        model.load_state_dict(state)
        loss, error = evaluate(model, problem.inputs, problem.targets, problem.task, device="cpu")
        assert outcome.history["train_loss"][row] == loss
        assert outcome.history["train_error"][row] == error


def test_target(problem):
    outcome = problem.train(target_loss=0.2, max_epochs=100)
    assert outcome.stop_reason is StopReason.TARGET
    losses = outcome.history["train_loss"]
    assert losses[-1] <= 0.2 < min(losses[:-1])
    assert 1 < outcome.epochs < 100


def test_max_epochs(problem):
    outcome = problem.train(target_loss=1e-9)
    assert (outcome.stop_reason, outcome.epochs) == (StopReason.MAX_EPOCHS, 3)


def test_diverged_at_once(problem):
    outcome = problem.train(learning_rate=1e30, max_epochs=50)
    assert outcome.stop_reason is StopReason.DIVERGED
    assert outcome.stop_note == "the loss of a batch was not finite"
    assert outcome.steps < 10
    assert len(outcome.history["step"]) == outcome.epochs + 2


def test_diverged_in_evaluation(problem):
    class Broken(Regularizer):
        def after_update(self, step):
            if step.index == 3:
                step.model[0].weight.data.fill_(float("nan"))

    outcome = problem.train(Broken())
    assert (outcome.stop_reason, outcome.steps) == (StopReason.DIVERGED, 4)


def test_timeout_between_steps(problem, monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr("time.monotonic", lambda: next(ticks))
    outcome = problem.train(max_seconds=7)
    assert (outcome.stop_reason, outcome.steps, outcome.epochs) == (StopReason.TIMEOUT, 6, 1)
    assert outcome.history["epoch"] == [0, 1, 1.5]


def test_timeout_before_the_first_step(problem, same):
    outcome = problem.train(max_seconds=0)
    assert (outcome.stop_reason, outcome.steps) == (StopReason.TIMEOUT, 0)
    assert outcome.history["batch_loss"] == [None, None]
    assert same(outcome.initial_state, outcome.final_state)


def test_the_target_counts_before_a_request(problem):
    class Impatient(Regularizer):
        def after_epoch(self, epoch):
            return "long enough"

    assert problem.train(Impatient(), target_loss=100.0).stop_reason is StopReason.TARGET
    assert problem.train(Impatient()).stop_note == "Impatient: long enough"


def test_same_arguments_same_bits(problem, same):
    torch.manual_seed(1)
    first = problem.train()
    torch.manual_seed(2)
    second = problem.train()
    assert same(first.final_state, second.final_state)
    assert first.history == second.history


@pytest.mark.parametrize("stream", ["order", "augmentation", "dropout", "regularizer"])
def test_each_stream_changes_what_it_should(stream, same):
    task, inputs, targets = images()

    class Noise(Regularizer):
        def after_update(self, step):
            step.model[-1].bias.data.add_(torch.randn(3, generator=step.generator))

    noise = (Noise(),)

    def trained(seeds, augmentation="crop-flip", dropout=0.5, regularizers=noise):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(64, 3))
        protocol = Protocol(batch_size=8, max_epochs=1, augmentation=augmentation)
        data = (inputs, targets, targets)
        return train(model, task, *data, protocol, regularizers, seeds, device="cpu").final_state

    changed = {**SEEDS, stream: 99}
    assert not same(trained(SEEDS), trained(changed))
    without = {
        "augmentation": {"augmentation": "none"}, "dropout": {"dropout": 0.0},
        "regularizer": {"regularizers": ()},
    }  # fmt: skip
    if stream in without:
        assert same(trained(SEEDS, **without[stream]), trained(changed, **without[stream]))


def test_the_global_random_state_stays(problem):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    problem.train(build=lambda task: nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_bits_do_not_depend_on_the_process(problem):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import torch\n"
        "from training.problems import three_classes\n"
        "torch.set_num_threads(1)\n"
        "print({name: each.tolist() for name, each in three_classes().train().final_state.items()})"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1])]
    elsewhere = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    here = {name: each.tolist() for name, each in problem.train().final_state.items()}
    assert elsewhere.strip() == str(here)


def test_label_noise_leaves_a_clean_error(problem):
    noisy = problem.targets.clone()
    noisy[:9] = (noisy[:9] + 1) % 3
    outcome = replace(problem, targets=noisy).train(
        clean_targets=problem.targets, max_epochs=2000, target_loss=0.01, batch_size=27, build=wide_perceptron
    )
    assert outcome.stop_reason is StopReason.TARGET
    assert outcome.train_error == 0
    assert outcome.train_error_clean == pytest.approx(9 / 27)
    assert problem.train().train_error_clean == problem.train().train_error


def test_regression(regression):
    outcome = regression.train(max_epochs=200)
    assert outcome.history["train_loss"][0] > 10 * outcome.train_loss
    assert outcome.train_error < 0.1
    assert outcome.train_error == outcome.train_error_clean


def test_milestones_and_snapshots(problem, same):
    outcome = problem.train(max_epochs=60, snapshots=5)
    steps = [each.step for each in outcome.milestones]
    assert steps == sorted(steps)
    assert outcome.milestones[0].threshold == 0.1
    model = problem.network()
    for each in outcome.milestones:
        model.load_state_dict(each.state)
        loss, _ = evaluate(model, problem.inputs, problem.targets, problem.task, device="cpu")
        assert loss == each.train_loss <= each.threshold
    states = dict(outcome.snapshots)
    ends = {4, outcome.steps}  # of the first epoch and of training are kept beside
    kept = [step for step in states if step not in ends]
    assert kept == list(range(0, kept[-1] + 1, kept[1]))
    assert 2 <= len(kept) <= 5
    assert list(states) == sorted(ends.union(kept))
    assert same(states[outcome.steps], outcome.final_state)
    model.load_state_dict(states[4])
    loss, _ = evaluate(model, problem.inputs, problem.targets, problem.task, device="cpu")
    assert loss == outcome.history["train_loss"][1]
    assert problem.train(milestones=False).milestones == ()
    assert problem.train().snapshots == ()
    assert problem.train().walk is None


def test_keeping_states_changes_no_bit(problem, same):
    kept = problem.train(snapshots=3, trajectory=4)
    assert same(kept.final_state, problem.train(milestones=False).final_state)
    assert same(kept.snapshots[0][1], kept.initial_state)


def test_a_last_batch_of_one_example_joins_the_one_before(normalized_problem):
    outcome = normalized_problem.train(batch_size=13, max_epochs=1)  # 13 + 14, not 13 + 13 + 1
    assert outcome.steps == 2


def test_full_batches(problem):
    assert problem.train(batch_size=1000).history["step"] == [0, 1, 2, 3]


def test_gradient_clip(problem):
    clipped = problem.train(gradient_clip=1e-3, momentum=0.0, max_epochs=1)
    moved = [clipped.final_state[name] - value for name, value in clipped.initial_state.items()]
    assert torch.cat([each.flatten() for each in moved]).norm() <= 4 * 0.1 * 1e-3 * 1.0001
    unclipped = problem.train(gradient_clip=1e6)
    torch.testing.assert_close(unclipped.final_state, problem.train().final_state)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_every_optimizer_learns(problem, optimizer):
    outcome = problem.train(optimizer=optimizer, learning_rate=0.01, max_epochs=40)
    assert outcome.train_loss < 0.5 * outcome.history["train_loss"][0]


def test_augmented_images(same):
    task, inputs, targets = images()
    outcomes = []
    for augmentation in ("none", "flip", "crop", "crop-flip", "crop-flip"):
        torch.manual_seed(0)
        protocol = Protocol(batch_size=8, max_epochs=2, learning_rate=0.05, augmentation=augmentation)
        model = convolutional(task)
        outcomes.append(train(model, task, inputs, targets, targets, protocol, (), SEEDS, device="cpu"))
    states = [each.final_state for each in outcomes]
    assert same(states[3], states[4])
    assert not any(same(states[0], other) for other in states[1:])


def test_augmenting_vectors_is_refused(problem):
    with pytest.raises(InvalidInput, match="augmentation 'crop' needs images"):
        problem.train(augmentation="crop")


def test_bfloat16_for_two_epochs():
    task, inputs, targets = images()
    seen = []

    class Watching(Regularizer):
        def loss(self, step, outputs, targets, inner):
            seen.append(outputs.dtype)
            return inner(outputs, targets)

        def after_update(self, step):
            seen.extend(each.grad.dtype for each in step.model.parameters())

    outcomes = {}
    for precision in ("bfloat16", "float32"):
        torch.manual_seed(0)
        protocol = Protocol(batch_size=8, max_epochs=2, learning_rate=0.05, precision=precision)
        outcomes[precision] = train(
            convolutional(task), task, inputs, targets, targets, protocol, [Watching()], SEEDS, device="cpu"
        )
    assert set(seen) == {torch.float32}
    reduced, full = outcomes["bfloat16"], outcomes["float32"]
    assert reduced.stop_reason is StopReason.MAX_EPOCHS
    assert all(each.dtype != torch.bfloat16 for each in reduced.final_state.values())
    assert reduced.train_loss != full.train_loss
    assert reduced.train_loss == pytest.approx(full.train_loss, rel=0.05)


def test_compiled_keeps_names_and_results(problem, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    compiled, plain = problem.train(compile=True), problem.train()
    assert list(compiled.final_state) == list(plain.final_state)
    torch.testing.assert_close(compiled.final_state, plain.final_state)


@pytest.mark.slow
def test_compiled_for_real(problem):
    compiled, plain = problem.train(compile=True), problem.train()
    torch.testing.assert_close(compiled.final_state, plain.final_state)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_cuda(same, precision):
    task, inputs, targets = images()
    outcomes = []
    for device in ("cuda", "cuda", "cpu"):
        torch.manual_seed(0)
        protocol = Protocol(
            batch_size=8, max_epochs=2, learning_rate=0.05, augmentation="crop-flip", precision=precision
        )
        model = convolutional(task)
        outcomes.append(
            train(model, task, inputs, targets, targets, protocol, (), SEEDS, device=device, snapshots=3)
        )
    assert same(outcomes[0].final_state, outcomes[1].final_state)
    assert all(each.device.type == "cpu" for each in outcomes[0].final_state.values())
    assert outcomes[0].train_loss == pytest.approx(outcomes[2].train_loss, rel=0.05)
    assert not torch.are_deterministic_algorithms_enabled()


class Shifting(nn.Module):
    """Shifts its inputs first, in place or not."""

    def __init__(self, task, inplace):
        super().__init__()
        self.body, self.inplace = (
            nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, task.outputs)),
            inplace,
        )

    def forward(self, inputs):
        if self.inplace:
            inputs -= 0.5
            return self.body(inputs)
        return self.body(inputs - 0.5)


def test_a_network_that_works_in_place_trains_as_its_twin_and_leaves_the_data_alone(problem):
    inputs = problem.inputs.clone()
    twins = [problem.train(build=partial(Shifting, inplace=inplace)) for inplace in (True, False)]
    assert torch.equal(problem.inputs, inputs)
    for name, expected in twins[1].final_state.items():
        assert torch.equal(twins[0].final_state[name], expected), name
    assert twins[0].history["train_loss"] == twins[1].history["train_loss"]
