"""One small regularizer for each method, and how they compose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genbench.base.canonical import stream_seed
from genbench.base.errors import InvalidInput
from genbench.base.values import StopReason
from genbench.contract.regularizer import Regularizer


@dataclass(frozen=True, kw_only=True)
class Noted(Regularizer):
    """Writes into a shared list what is called, in which order."""

    name: str = ""
    calls: list = field(default_factory=list)

    def note(self, what: str) -> None:
        self.calls.append(f"{self.name}.{what}")


class Widened(Regularizer):
    def build(self, model, task):
        return nn.Sequential(model, nn.Linear(task.outputs, task.outputs))


class Frozen(Regularizer):
    """A learning rate of zero for the first layer."""

    def parameter_groups(self, model):
        return [{"params": list(model[0].parameters()), "learning_rate_factor": 0}]


class Counting(Regularizer):
    """Keeps its state apart from itself."""

    def start(self, training):
        return {"updates": 0, "training": training}

    def after_update(self, step):
        step.state["updates"] += 1
        assert step.state["updates"] == step.index + 1

    def after_epoch(self, epoch):
        assert epoch.state["updates"] == epoch.steps
        assert len(epoch.history["train_loss"]) == epoch.number + 1
        assert epoch.progress == pytest.approx(epoch.number / 3)
        return "enough updates" if epoch.steps >= 8 else None


class OneHot(Regularizer):
    """Class probabilities that say what the labels say."""

    def batch(self, step):
        return step.inputs, F.one_hot(step.targets, 3).float()


class Doubled(Regularizer):
    def loss(self, step, outputs, targets, inner):
        return 2 * inner(outputs, targets)


class Ridge(Regularizer):
    """Weight decay of 0.1, as a penalty."""

    def penalty(self, step):
        return 0.05 * sum(each.square().sum() for each in step.model.parameters())


@dataclass(frozen=True, kw_only=True)
class Sam(Regularizer):
    """Sharpness-aware minimization: the gradient at the worst point within a radius, to first order."""

    radius: float = 0.05

    def gradient(self, step, inner):
        loss = inner()
        parameters = list(step.model.parameters())
        norm = torch.stack([each.grad.norm() for each in parameters]).norm()
        moves = [self.radius * each.grad / norm for each in parameters]
        with torch.no_grad():
            for each, move in zip(parameters, moves, strict=True):
                each.add_(move)
        inner()
        with torch.no_grad():
            for each, move in zip(parameters, moves, strict=True):
                each.sub_(move)
        return loss


@dataclass(frozen=True, kw_only=True)
class PerExampleMean(Regularizer):
    """Replaces the gradient by the mean of the per-example gradients, which is the gradient."""

    replaces_gradient: ClassVar[bool] = True
    chunk: int | None = None

    def gradient(self, step, inner):
        gradients = step.per_example_gradients(self.chunk)
        for name, parameter in step.model.named_parameters():
            parameter.grad = gradients[name].mean(0)
        return step.example_losses.mean()


class Noise(Regularizer):
    """Langevin noise from the regularizer's own stream."""

    def after_update(self, step):
        with torch.no_grad():
            for each in step.model.parameters():
                each.add_(1e-3 * torch.randn(each.shape, generator=step.generator))


def close(first, second, tolerance=1e-6):
    assert list(first) == list(second)
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=tolerance, atol=tolerance)


def test_build_changes_the_architecture(problem):
    assert "1.weight" in problem.train(Widened()).final_state


def test_parameter_groups_reach_the_optimizer(problem):
    outcome = problem.train(Frozen())
    assert torch.equal(outcome.initial_state["0.weight"], outcome.final_state["0.weight"])
    assert not torch.equal(outcome.initial_state["2.weight"], outcome.final_state["2.weight"])


def test_state_is_the_fits_and_after_epoch_may_stop(problem):
    outcome = problem.train(Counting())
    assert (outcome.stop_reason, outcome.epochs) == (StopReason.REQUESTED, 2)
    assert outcome.stop_note == "Counting: enough updates"


def test_start_sees_the_training(problem):
    seen = []

    class Curious(Regularizer):
        def start(self, training):
            seen.append(training)

    problem.train(Curious())
    (training,) = seen
    assert training.steps_per_epoch == 4
    assert training.inputs.shape == (27, 4)
    assert training.task is problem.task
    assert training.device == torch.device("cpu")


def test_probabilities_as_targets_train_alike(problem):
    close(problem.train(OneHot()).final_state, problem.train().final_state)


def test_doubled_loss_is_a_doubled_learning_rate(problem):
    close(problem.train(Doubled()).final_state, problem.train(learning_rate=0.2).final_state)


def test_penalty_is_added_to_the_loss(problem):
    ridge, decayed = problem.train(Ridge()), problem.train(weight_decay=0.1)
    close(ridge.final_state, decayed.final_state)
    assert ridge.history["batch_loss"][1] > decayed.history["batch_loss"][1]
    assert ridge.train_loss == pytest.approx(decayed.train_loss)


def test_sam_moves_and_moves_back(problem):
    close(problem.train(Sam(radius=0.0)).final_state, problem.train().final_state)
    with_sam = problem.train(Sam(radius=0.5)).final_state
    assert not torch.allclose(with_sam["0.weight"], problem.train().final_state["0.weight"])


@pytest.mark.parametrize("chunk", [None, 1, 3])
def test_replaced_gradient_is_used(problem, chunk):
    replaced, plain = problem.train(PerExampleMean(chunk=chunk)), problem.train()
    close(replaced.final_state, plain.final_state)
    assert replaced.history["batch_loss"][1:] == pytest.approx(plain.history["batch_loss"][1:])


def test_replaced_gradient_sees_the_composed_loss(problem):
    close(
        problem.train(Doubled(), PerExampleMean()).final_state,
        problem.train(learning_rate=0.2).final_state,
    )


def test_penalties_are_added_to_a_replaced_gradient(problem):
    both, penalized = problem.train(Ridge(), PerExampleMean()), problem.train(Ridge())
    close(both.final_state, penalized.final_state)
    assert both.history["batch_loss"][1:] == pytest.approx(penalized.history["batch_loss"][1:])


def test_a_wrapper_stands_around_a_replaced_gradient(problem):
    close(problem.train(Sam(), PerExampleMean()).final_state, problem.train(Sam()).final_state, 1e-5)


def test_compositions_are_checked_before_training(problem):
    with pytest.raises(InvalidInput, match="would swallow what 'Sam'"):
        problem.train(PerExampleMean(), Sam())


def test_order_of_two(problem):
    """`build` and the rest in declared order, `loss` and `gradient` with the first one outermost."""

    class Chatty(Noted):
        def build(self, model, task):
            self.note("build")
            return model

        def start(self, training):
            self.note("start")

        def batch(self, step):
            self.note("batch")

        def loss(self, step, outputs, targets, inner):
            self.note("loss>")
            value = inner(outputs, targets)
            self.note("<loss")
            return value

        def penalty(self, step):
            self.note("penalty")

        def gradient(self, step, inner):
            self.note("gradient>")
            value = inner()
            self.note("<gradient")
            return value

        def after_update(self, step):
            self.note("update")

        def after_epoch(self, epoch):
            self.note("epoch")

    calls: list[str] = []
    problem.train(Chatty(name="a", calls=calls), Chatty(name="b", calls=calls), max_epochs=1, batch_size=27)
    before = ["a.build", "b.build", "a.start", "b.start", "a.batch", "b.batch"]
    losses = ["a.loss>", "b.loss>", "b.<loss", "a.<loss", "a.penalty", "b.penalty"]
    gradients = ["a.gradient>", "b.gradient>", *losses, "b.<gradient", "a.<gradient"]
    assert calls == [*before, *gradients, "a.update", "b.update", "a.epoch", "b.epoch"]


def test_order_of_loss_wrappers_matters_as_declared(problem):
    @dataclass(frozen=True, kw_only=True)
    class Floored(Regularizer):
        """Flooding: the loss is reflected at a level."""

        level: float = 10.0

        def loss(self, step, outputs, targets, inner):
            return (inner(outputs, targets) - self.level).abs() + self.level

    first = problem.train(Doubled(), Floored(), max_epochs=1, learning_rate=1e-6)
    second = problem.train(Floored(), Doubled(), max_epochs=1, learning_rate=1e-6)
    plain = problem.train(max_epochs=1, learning_rate=1e-6).history["batch_loss"][1]
    assert first.history["batch_loss"][1] == pytest.approx(2 * (20 - plain), rel=1e-4)
    assert second.history["batch_loss"][1] == pytest.approx(20 - 2 * plain, rel=1e-4)


def test_neutral_regularizers_change_no_bit(problem, same):
    assert same(problem.train(Regularizer(), Regularizer()).final_state, problem.train().final_state)


def test_each_regularizer_has_its_own_stream(problem, same):
    generators = []

    class Drawing(Regularizer):
        def start(self, training):
            generators.append(training.generator.initial_seed())

        def penalty(self, step):
            assert step.generator.initial_seed() in generators

    problem.train(Drawing(), Drawing(), max_epochs=1)
    assert generators == [stream_seed("regularizer", 4, "Drawing", place) for place in (0, 1)]
    assert same(problem.train(Noise()).final_state, problem.train(Noise()).final_state)


def test_step_says_where_training_is(problem):
    seen: list[Any] = []

    class Watching(Regularizer):
        def batch(self, step):
            seen.append((step.epoch, step.index, step.progress, len(step.targets)))

    problem.train(Watching(), max_epochs=2)
    assert [each[0] for each in seen] == [0] * 4 + [1] * 4
    assert [each[1] for each in seen] == list(range(8))
    assert [each[2] for each in seen] == [index / 8 for index in range(8)]
    assert [each[3] for each in seen] == [8, 8, 8, 3] * 2


def test_several_passes_update_batch_norm_statistics_once(normalized_problem):
    class Repeated(Regularizer):
        """Passes of every kind: before the loop's own, within it, and again."""

        def batch(self, step):
            step.model(step.inputs + 100)

        def gradient(self, step, inner):
            inner()
            return inner()

        def penalty(self, step):
            return 0 * step.model(step.inputs - 100).sum()

    repeated, plain = normalized_problem.train(Repeated()), normalized_problem.train()
    assert repeated.final_state["1.num_batches_tracked"] == plain.final_state["1.num_batches_tracked"] == 12
    close(repeated.final_state, plain.final_state)


def test_batch_norm_is_as_it_was_afterwards(normalized_problem):
    from genbench.training.loop import train

    model = normalized_problem.network()
    data = (normalized_problem.inputs, normalized_problem.targets, normalized_problem.targets)
    seeds = {"order": 1, "augmentation": 2, "dropout": 3, "regularizer": 4}
    train(model, normalized_problem.task, *data, normalized_problem.protocol, [Sam()], seeds, device="cpu")
    assert model[1].track_running_stats
    assert not model.training


class Restored(Regularizer):
    """Puts the initial weights back at the end."""

    def start(self, training):
        return {name: each.clone() for name, each in training.model.state_dict().items()}

    def finish(self, epoch):
        assert epoch.number == 3
        epoch.model.load_state_dict(epoch.state)


def test_finish_has_the_last_word(problem, same):
    outcome = problem.train(Restored())
    assert same(outcome.final_state, outcome.initial_state)
    assert outcome.train_loss == outcome.history["train_loss"][0] != outcome.history["train_loss"][-1]


@dataclass(frozen=True, kw_only=True)
class Choosy(Regularizer):
    """Wants something else than it gets."""

    wish: str = ""

    def check(self, planned):
        assert planned.examples == 27
        assert (planned.validation, planned.task.outputs) == (0, 3)
        self.refuse(self.wish)


def test_what_cannot_be_used_is_refused_all_at_once(problem):
    with pytest.raises(InvalidInput) as fault:
        problem.train(Choosy(wish="needs more"), Choosy(wish="needs less"))
    assert fault.value.problems == ["regularizer 'Choosy': needs more", "regularizer 'Choosy': needs less"]


class OutputSize(Regularizer):
    """A penalty on the outputs of the loop's own pass."""

    reads_outputs: ClassVar[bool] = True

    def penalty(self, step):
        return 0.1 * step.outputs.square().mean()


class OutputSizeInTheLoss(Regularizer):
    """The same, around the loss."""

    def loss(self, step, outputs, targets, inner):
        return inner(outputs, targets) + 0.1 * outputs.square().mean()


def test_penalties_read_the_outputs_of_the_pass(problem):
    penalized = problem.train(OutputSize()).final_state
    close(penalized, problem.train(OutputSizeInTheLoss()).final_state)
    close(problem.train(OutputSize(), PerExampleMean()).final_state, penalized)
