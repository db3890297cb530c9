"""Small tasks and networks on which a training takes milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.data import Task
from genbench.training.loop import train
from genbench.training.network import build_network
from genbench.training.outcome import Outcome
from genbench.training.protocol import Protocol

SEEDS = {"order": 1, "augmentation": 2, "dropout": 3, "regularizer": 4}


def perceptron(task: Task) -> nn.Module:
    features = task.input_shape[0]
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, task.outputs))


def normalized_perceptron(task: Task) -> nn.Module:
    features = task.input_shape[0]
    return nn.Sequential(nn.Linear(features, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, task.outputs))


@dataclass(frozen=True)
class Problem:
    """A training set with what is needed to train on it; `train` may change any part."""

    task: Task
    inputs: Tensor
    targets: Tensor
    protocol: Protocol = field(
        default_factory=lambda: Protocol(learning_rate=0.1, batch_size=8, max_epochs=3)
    )
    build: Any = perceptron

    def network(self, regularizers: Any = (), seed: int = 0) -> nn.Module:
        return build_network(self.build, self.task, regularizers, self.protocol, seed)

    def train(self, *regularizers: Any, build: Any = None, **changes: Any) -> Outcome:
        options = {
            key: changes.pop(key)
            for key in (
                "max_seconds",
                "snapshots",
                "trajectory",
                "milestones",
                "on_epoch",
                "seeds",
                "clean_targets",
            )
            if key in changes
        }
        problem = replace(self, protocol=replace(self.protocol, **changes), build=build or self.build)
        return train(
            problem.network(regularizers),
            problem.task,
            problem.inputs,
            problem.targets,
            options.pop("clean_targets", problem.targets),
            problem.protocol,
            regularizers,
            options.pop("seeds", SEEDS),
            device="cpu",
            **options,
        )


@pytest.fixture(autouse=True)
def as_a_worker_trains(one_thread):
    """With one thread the bits do not depend on the machine's cores."""


def three_classes() -> Problem:
    """Three separable classes of 4 features, 27 examples: batches of 8, 8, 8 and 3."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(27) % 3
    centers = 2 * torch.randn(3, 4, generator=generator)
    inputs = centers[targets] + 0.5 * torch.randn(27, 4, generator=generator)
    return Problem(Task("classification", (4,), 3), inputs, targets)


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


def same_states(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two states have the same names and the same bits."""
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def same():
    return same_states
