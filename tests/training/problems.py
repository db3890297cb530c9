"""Small tasks and networks on which a training takes milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from genbench.base.data import Task
from genbench.contract.protocol import Protocol
from genbench.training.loop import train
from genbench.training.network import build_network
from genbench.training.outcome import Outcome

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


def three_classes() -> Problem:
    """Three separable classes of 4 features, 27 examples: batches of 8, 8, 8 and 3."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(27) % 3
    centers = 2 * torch.randn(3, 4, generator=generator)
    inputs = centers[targets] + 0.5 * torch.randn(27, 4, generator=generator)
    return Problem(Task("classification", (4,), 3), inputs, targets)


def same_states(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two states have the same names and the same bits."""
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)
