"""Fixtures of `problems`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from training.problems import Problem, normalized_perceptron, same_states, three_classes

from genbench.base.data import Task
from genbench.contract.protocol import Protocol


@pytest.fixture(autouse=True)
def as_a_worker_trains(one_thread):
    """With one thread the bits do not depend on the machine's cores."""


@pytest.fixture
def problem() -> Problem:
    return three_classes()


@pytest.fixture
def normalized_problem(problem: Problem) -> Problem:
    """The same with batch normalization."""
    return replace(problem, build=normalized_perceptron)


@pytest.fixture
def regression() -> Problem:
    """A noisy linear map from 3 features to 2 outputs."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(20, 3, generator=generator)
    targets = inputs @ torch.randn(3, 2, generator=generator)
    targets += 0.1 * torch.randn(20, 2, generator=generator)
    protocol = Protocol(learning_rate=0.02, batch_size=10, max_epochs=3)
    return Problem(Task("regression", (3,), 2), inputs, targets, protocol)


@pytest.fixture
def same():
    return same_states
