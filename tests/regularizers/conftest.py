"""Small tasks on which a training takes milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.components import Kind
from genbench.data import Split, Task
from genbench.host import Host
from genbench.models.convnet import convnet
from genbench.models.mlp import mlp
from genbench.settings import complete, parse_variant
from genbench.training.loop import train
from genbench.training.network import build_network
from genbench.training.outcome import Outcome
from genbench.training.protocol import Protocol

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
        return build_network(self.build, self.task, _objects(variants), self.protocol, seed)

    def train(self, *variants: Any, **changes: Any) -> Outcome:
        """Train with regularizers, given as objects or spelled as in a suite."""
        validation = changes.pop("validation", None)
        problem = replace(self, protocol=replace(self.protocol, **changes))
        stack = _objects(variants)
        return train(
            problem.network(*stack), self.task, self.inputs, self.targets, self.targets, problem.protocol,
            stack, SEEDS, device="cpu", validation=validation,
        )  # fmt: skip


def _objects(variants: Any) -> list[Any]:
    return [regularizer(each) if isinstance(each, str) else each for each in variants]


@pytest.fixture(autouse=True)
def as_a_worker_trains(one_thread):
    """With one thread the bits do not depend on the machine's cores."""


def three_classes() -> Problem:
    """Three classes of 5 features, 24 examples: three full batches."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(24) % 3
    inputs = torch.randn(3, 5, generator=generator)[targets] + torch.randn(24, 5, generator=generator)
    return Problem(Task("classification", (5,), 3), inputs, targets)


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


def same_states(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two states have the same names and the same bits."""
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


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
        from genbench.training.composition import Composition
        from genbench.training.regularizer import Training

        stack = _objects(variants)
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
