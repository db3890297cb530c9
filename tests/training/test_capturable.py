"""What can be captured: what components say, and what the trial finds out where they say nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from regularizers.problems import HOST
from torch import nn
from training.problems import SEEDS, perceptron, three_classes

from genbench.contract.components import Kind
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer
from genbench.training.capturable import why_not_capturable
from genbench.training.member import Assignment


def assignment(*stack: Regularizer, build=perceptron, model_says=None, **protocol) -> Assignment:
    problem = three_classes()
    return Assignment(
        model=build(problem.task), task=problem.task, inputs=problem.inputs, targets=problem.targets,
        clean_targets=problem.targets, protocol=Protocol(learning_rate=0.05, **protocol),
        regularizers=stack, seeds=SEEDS, capturable=model_says,
    )  # fmt: skip


class Quiet(Regularizer):
    """A penalty and noise that stay on the device."""

    def start(self, training):
        return torch.zeros(3, device=training.device)

    def penalty(self, step):
        step.state.add_(step.outputs.detach().mean(0) if step.outputs is not None else 1)
        return 0.01 * step.state.sum() * sum(each.square().sum() for each in step.model.parameters())

    def after_update(self, step):
        with torch.no_grad():
            step.model[0].bias.add_(torch.randn(8, generator=step.generator), alpha=0.01)


class Looks(Regularizer):
    def after_update(self, step):
        if step.model[0].weight.norm() > 0.1:
            step.model[0].weight.data.mul_(0.9)


class Leaves(Regularizer):
    def penalty(self, step):
        return torch.as_tensor(np.float32(step.model[0].weight.detach().numpy().sum()))


class Counts(Regularizer):
    def penalty(self, step):
        return step.index * step.model[0].weight.square().sum()


class Rebinds(Regularizer):
    def start(self, training):
        return {"mean": torch.zeros(8)}

    def penalty(self, step):
        step.state["mean"] = 0.9 * step.state["mean"] + 0.1 * step.model[0].bias.detach()
        return (step.model[0].bias - step.state["mean"]).square().sum()


class Picks(Regularizer):
    def loss(self, step, outputs, targets, inner):
        chosen = targets > 0
        return inner(outputs[chosen], targets[chosen])


class Schedule(Regularizer):
    """A number that changes from step to step, given in the way that can be captured."""

    def host_values(self, state, index, progress, examples):
        return {"strength": progress, "signs": np.where(np.arange(examples) % 2, index, -1.0)}

    def penalty(self, step):
        weight = step.model[0].weight
        signs = torch.as_tensor(step.values["signs"]).float()
        return (
            0.1 * step.values["strength"] * weight.square().sum()
            + 0.01 * (signs * step.inputs[:, 0]).mean() * weight.sum()
        )


@pytest.mark.parametrize("stack", [(), (Quiet(),), (Schedule(),), (Quiet(), Schedule())])
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_a_trial_finds_that_steps_can_be_captured(stack, optimizer):
    assert why_not_capturable(assignment(*stack, optimizer=optimizer)) == ""


@pytest.mark.parametrize(
    ("regularizer", "why"),
    [
        (Looks(), "a value is looked at on the host (aten._local_scalar_dense.default)"),
        (Leaves(), "values are taken to the host (numpy)"),
        (Picks(), "a value is looked at on the host (aten.index.Tensor)"),
        (Counts(), "a replayed step is not the same: it reads or keeps numbers on the host"),
        (Rebinds(), "a replayed step is not the same: it reads or keeps numbers on the host"),
    ],
)
def test_a_trial_finds_why_steps_cannot_be_captured(regularizer, why):
    found = why_not_capturable(assignment(regularizer, model_says=True))
    name = type(regularizer).__name__
    assert found == f"{why} (found out by a trial, as nothing is declared for regularizer '{name}')"


def test_a_network_that_branches_by_its_values_cannot_be_captured():
    class Branching(nn.Linear):
        def forward(self, inputs):
            outputs = super().forward(inputs)
            return outputs if outputs.sum() > 0 else -outputs

    found = why_not_capturable(assignment(build=lambda task: Branching(4, 3)))
    assert "a value is looked at" in found
    assert "the model" in found


def test_what_is_declared_is_believed():
    class Declared(Looks):
        capturable = True

    class Refusing(Regularizer):
        capturable = "it asks a server at each step"

    assert why_not_capturable(assignment(Declared(), model_says=True)) == ""
    refused = why_not_capturable(assignment(Refusing(), model_says=True))
    assert refused == "regularizer 'Refusing': it asks a server at each step"
    assert why_not_capturable(assignment(model_says=False)) == (
        "the model: says that its steps cannot be captured"
    )


def test_a_trial_changes_nothing():
    given = assignment(Quiet())
    before = {name: each.clone() for name, each in given.model.state_dict().items()}
    state = torch.get_rng_state()
    why_not_capturable(given)
    assert all(torch.equal(each, before[name]) for name, each in given.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_every_built_in_regularizer_says_whether_it_can_be_captured():
    for component in HOST.components(Kind.REGULARIZER):
        assert component.object().capturable is True, component.name
