"""Small tasks on which a training takes milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from genbench.base.data import Task
from genbench.contract.components import Kind
from genbench.contract.protocol import Protocol
from genbench.host import Host
from genbench.host.settings import complete, parse_variant
from genbench.models.convnet import convnet
from genbench.models.mlp import mlp
from genbench.training.loop import train
from genbench.training.network import build_network
from genbench.training.outcome import Outcome

HOST = Host.load(rooms={"regularizers", "models"})
SEEDS = {"order": 1, "augmentation": 2, "dropout": 3, "regularizer": 4}


def regularizer(variant: str) -> Any:
    """A regularizer as a suite would name it."""
    name, settings = parse_variant(variant)
    component = HOST.find(Kind.REGULARIZER, name)
    return component.object(**complete(component, settings))


def small_mlp(task: Task) -> nn.Module:
    return mlp(task, width=6, depth=2)


def small_convnet(task: Task) -> nn.Module:
    return convnet(task, width=4, depth=2)


def normalized_mlp(task: Task) -> nn.Module:
    return mlp(task, width=6, depth=2, normalization="batch")


def dropping_mlp(task: Task) -> nn.Module:
    return mlp(task, width=6, depth=2, dropout=0.3)


@dataclass(frozen=True)
class Problem:
    """Examples with a network for them; `train` may change any part."""

    task: Task
    inputs: Tensor
    targets: Tensor
    build: Any = small_mlp
    protocol: Protocol = field(
        default_factory=lambda: Protocol(learning_rate=0.05, batch_size=8, max_epochs=2)
    )

    def with_(self, **changes: Any) -> Problem:
        return replace(self, **changes)

    def network(self, *variants: Any, seed: int = 0) -> nn.Module:
        return build_network(self.build, self.task, objects(variants), self.protocol, seed)

    def train(self, *variants: Any, **changes: Any) -> Outcome:
        """Train with regularizers, given as objects or spelled as in a suite."""
        validation = changes.pop("validation", None)
        problem = replace(self, protocol=replace(self.protocol, **changes))
        stack = objects(variants)
        return train(
            problem.network(*stack), self.task, self.inputs, self.targets, self.targets, problem.protocol,
            stack, SEEDS, device="cpu", validation=validation,
        )  # fmt: skip


def objects(variants: Any) -> list[Any]:
    """Regularizers, those that are spelled as in a suite made."""
    return [regularizer(each) if isinstance(each, str) else each for each in variants]


def three_classes() -> Problem:
    """Three classes of 5 features, 24 examples: three full batches."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(24) % 3
    inputs = torch.randn(3, 5, generator=generator)[targets] + torch.randn(24, 5, generator=generator)
    return Problem(Task("classification", (5,), 3), inputs, targets)


def same_states(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two states have the same names and the same bits."""
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)
