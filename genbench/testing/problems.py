"""Small tasks on which a training takes milliseconds, and the fits that measures are tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from genbench.auditing.invariance import single_threaded
from genbench.base.data import Split, Task
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer
from genbench.models.convnet import convnet
from genbench.models.mlp import mlp
from genbench.networks.copying import copy_of
from genbench.networks.walk import Snapshots
from genbench.training.loop import train
from genbench.training.network import build_network
from genbench.training.outcome import Outcome

__all__ = ["PROBLEMS", "Problem", "examples", "fit_of", "problem"]

SEEDS = {"order": 1, "augmentation": 2, "dropout": 3, "regularizer": 4, "noise": 5}


def _vectors(task: Task) -> nn.Module:
    return mlp(task, width=8, depth=2)


def _images(task: Task) -> nn.Module:
    return convnet(task, width=6, depth=2, normalization="batch")


@dataclass(frozen=True)
class Problem:
    """Examples, with a network for them and a way to train it.

    Attributes
    ----------
    task : Task
    inputs, targets : Tensor
    build : callable
        From the task to a network.
    protocol : Protocol
    """

    task: Task
    inputs: Tensor
    targets: Tensor
    build: Callable[[Task], nn.Module]
    protocol: Protocol

    def with_(self, **changes: Any) -> Problem:
        """The problem with other parts."""
        return replace(self, **changes)

    @property
    def validation(self) -> Split:
        """Examples that are never trained on, for regularizers that look at some."""
        return examples(self.task.input_shape, 12, self.task.outputs, self.task.kind, seed=1)

    def network(self, regularizers: Sequence[Regularizer] = (), seed: int = 0) -> nn.Module:
        """The network as initialized, the regularizers' layers in it."""
        return build_network(self.build, self.task, regularizers, self.protocol, seed)

    def train(self, model: nn.Module, regularizers: Sequence[Regularizer] = (), **options: Any) -> Outcome:
        """Train a network of this problem in place, on one thread."""
        with single_threaded():
            return train(
                model, self.task, self.inputs.clone(), self.targets.clone(), self.targets, self.protocol,
                regularizers, SEEDS, device="cpu", validation=self.validation, **options,
            )  # fmt: skip


def examples(shape: tuple[int, ...], count: int, outputs: int, kind: str, seed: int = 0) -> Split:
    """Examples around a mean for each class; or a smooth function of noise, in regression."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, *shape, generator=generator)
    if kind == "regression":
        return Split(noise, torch.tanh(noise.flatten(1)[:, :outputs]))
    targets = torch.arange(count) % outputs
    means = torch.randn(outputs, *shape, generator=torch.Generator().manual_seed(99))
    return Split(noise + 1.5 * means[targets], targets)


def _problem(task: Task, build: Callable[[Task], nn.Module]) -> Problem:
    made = examples(task.input_shape, 36, task.outputs, task.kind)
    protocol = Protocol(learning_rate=0.05, batch_size=12, max_epochs=25)
    return Problem(task, made.inputs, made.targets, build, protocol)


PROBLEMS: Mapping[str, Problem] = {
    "vectors": _problem(Task("classification", (5,), 3), _vectors),
    "images": _problem(Task("classification", (2, 8, 8), 3), _images),
    "regression": _problem(Task("regression", (5,), 2), _vectors),
}
"""By name: three classes of vectors, three classes of images with batch normalization, two numbers."""


def problem(task: Task, build: Callable[[Task], nn.Module], epochs: int = 2) -> Problem:
    """A problem of any task, for a network that is to be tried."""
    made = _problem(task, build)
    return made.with_(protocol=replace(made.protocol, max_epochs=epochs))


@cache
def _trained(name: str) -> dict[str, Any]:
    chosen = PROBLEMS[name]
    task = chosen.task
    networks = [chosen.network(seed=seed) for seed in (0, 1, 2)]
    initial = copy_of(networks[0])
    outcomes = [chosen.train(each, snapshots=6, trajectory=20) for each in networks]
    return {
        "model": networks[0],
        "initial_model": initial.eval(),
        "inputs": chosen.inputs,
        "targets": chosen.targets,
        "task": task,
        "history": {name: list(column) for name, column in outcomes[0].history.items()},
        "protocol": chosen.protocol,
        "device": torch.device("cpu"),
        "snapshots": Snapshots(list(outcomes[0].snapshots), outcomes[0].walk),
        "validation": chosen.validation,
        "siblings": networks[1:],
    }


def fit_of(name: str) -> dict[str, Any]:
    """All roots of a fit of the problem with this name, in single precision; to be copied, not changed."""
    return dict(_trained(name))
