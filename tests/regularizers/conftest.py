"""Fixtures of `problems`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from regularizers.problems import (
    HOST,
    Problem,
    dropping_mlp,
    normalized_mlp,
    objects,
    regularizer,
    same_states,
    small_convnet,
    three_classes,
)
from torch import Tensor, nn

from genbench.base.data import Split, Task
from genbench.contract.components import Kind


@pytest.fixture(autouse=True)
def as_a_worker_trains(one_thread):
    """With one thread the bits do not depend on the machine's cores."""


@pytest.fixture
def problem() -> Problem:
    return three_classes()


@pytest.fixture
def images() -> Problem:
    """Three classes of images of 8 x 8 pixels."""
    inputs = torch.randn(16, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    return Problem(Task("classification", (2, 8, 8), 3), inputs, torch.arange(16) % 3, small_convnet)


@pytest.fixture
def regression() -> Problem:
    """Two outputs of 5 features."""
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(24, 5, generator=generator), torch.randn(24, 2, generator=generator)
    return Problem(Task("regression", (5,), 2), inputs, targets)


@pytest.fixture
def held_out(problem: Problem) -> Split:
    generator = torch.Generator().manual_seed(1)
    return Split(torch.randn(12, 5, generator=generator), torch.arange(12) % 3)


@pytest.fixture
def same():
    return same_states


@pytest.fixture
def spelled():
    """From a spelling to the regularizer."""
    return regularizer


@pytest.fixture
def gradients_of():
    """The gradients, and the loss, that one step with some regularizers leaves on the whole training set."""

    def of(
        problem: Problem, *variants: Any, model: nn.Module | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        from genbench.contract.regularizer import Training
        from genbench.training.composition import Composition

        stack = objects(variants)
        model = problem.network(*stack) if model is None else model
        training = Training(
            model=model, task=problem.task, inputs=problem.inputs, targets=problem.targets,
            protocol=replace(problem.protocol, batch_size=len(problem.targets)), device=torch.device("cpu"),
            steps_per_epoch=1, generator=torch.Generator(),
        )  # fmt: skip
        model.train()
        with Composition(stack, 4, training) as composition:
            loss = composition.gradient(problem.inputs, problem.targets, 0, 0, 0.0)
        return {name: each.grad.clone() for name, each in model.named_parameters()}, loss

    return of


@pytest.fixture
def names() -> set[str]:
    """Of all built-in regularizers."""
    return {each.name for each in HOST.components(Kind.REGULARIZER)}


@pytest.fixture(params=[normalized_mlp, dropping_mlp], ids=["batch-norm", "dropout"])
def changed(request, problem: Problem) -> Problem:
    """The problem with batch normalization, and with dropout."""
    return problem.with_(build=request.param)


@pytest.fixture
def normalized(problem: Problem) -> Problem:
    return problem.with_(build=normalized_mlp)


@pytest.fixture
def dropping(problem: Problem) -> Problem:
    return problem.with_(build=dropping_mlp)
