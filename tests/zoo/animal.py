"""A network of the zoo, and all that surrounds it when it is measured."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import genbench
from genbench.base.data import Split
from genbench.base.values import Value
from genbench.contract.protocol import Protocol
from genbench.networks.copying import copy_of

__all__ = ["Animal", "measured", "pictures", "rows", "series", "words"]

EXAMPLES = 24
CLASSES = 3

# Of the snapshots: the ends of the epochs, and steps between them.
_STEPS = range(0, 25, 3)

_HISTORY = {
    "epoch": [0, 1, 2, 3, 4],
    "step": [0, 6, 12, 18, 24],
    "train_loss": [1.1, 0.5, 0.2, 0.08, 0.009],
    "train_error": [0.6, 0.2, 0.1, 0.0, 0.0],
    "batch_loss": [None, 0.8, 0.4, 0.3, 0.05],
    "learning_rate": [0.1] * 5,
}


def pictures(count: int, size: int) -> Tensor:
    """Normal pictures of three channels."""
    return torch.randn(count, 3, size, size)


def series(count: int, length: int) -> Tensor:
    """Normal sequences of four features."""
    return torch.randn(count, length, 4)


def rows(count: int, width: int) -> Tensor:
    """Normal vectors."""
    return torch.randn(count, width)


def words(count: int, length: int) -> Tensor:
    """Sequences of indices of twelve words."""
    return torch.randint(12, (count, length))


@dataclass(frozen=True)
class Animal:
    """A network of the zoo.

    Attributes
    ----------
    build : callable
        A network with random weights.
    inputs : callable (count, size) -> Tensor
    size : int
    twin : str
        The network with the same function that this one is made of.
    convert : callable, optional
        From a network of the twin's to one that computes the same; `build` is then the twin's.
    dtype : torch.dtype
    tolerance : float
        Of the relative difference of values from the twin's.
    differs : frozenset of str
        Measures that are meant to tell the two apart, or whose values are rounding there.
    classes : int
    hand : callable
        From inputs to the form in which they are handed over.
    output : optional
        Of what the network returns, as `genbench.evaluate` takes it.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[int, int], Tensor]
    size: int
    twin: str = ""
    convert: Callable[[Any], nn.Module] | None = None
    dtype: torch.dtype = torch.float32
    tolerance: float = 1e-4
    differs: frozenset[str] = frozenset()
    classes: int = CLASSES
    hand: Callable[[Tensor], Any] = lambda inputs: inputs
    output: Any = None

    def network(self, seed: int) -> nn.Module:
        """In evaluation mode, with running statistics that are not the initial ones."""
        return self._finished(self._built(seed))

    def roots(self) -> dict[str, Any]:
        """All that `genbench.evaluate` takes."""
        initial, final = self._built(1), self._built(0)
        torch.manual_seed(5)
        inputs, held_out = self.inputs(EXAMPLES, self.size), self.inputs(6, self.size)
        return {
            "model": self._finished(final),
            "inputs": self.hand(self._cast(inputs)),
            "targets": torch.arange(EXAMPLES) % self.classes,
            "initial_model": self._finished(initial),
            "siblings": [self.network(2), self.network(3)],
            "snapshots": [
                (step, self._finished(_between(initial, final, step / _STEPS[-1])).state_dict())
                for step in _STEPS
            ],
            "history": _HISTORY,
            "protocol": Protocol(batch_size=4),
            "validation": Split(self.hand(self._cast(held_out)), torch.arange(6) % self.classes),
            "output": self.output,
        }

    def _built(self, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        network = self.build()
        with torch.no_grad():
            for _ in range(20):  # for running statistics
                given = self.inputs(EXAMPLES, self.size)
                _call(network.train(), self.hand(given) if self.convert is None else given)
            for weight in network.parameters():  # some families begin with zeros
                weight.add_(0.05 * torch.randn_like(weight))
        return network.eval()

    def _finished(self, network: nn.Module) -> nn.Module:
        network = self.convert(copy_of(network)) if self.convert else copy_of(network)
        return (network if self.dtype == torch.float32 else network.to(self.dtype)).eval()

    def _cast(self, inputs: Tensor) -> Tensor:
        return inputs.to(self.dtype) if inputs.is_floating_point() else inputs


def _call(network: nn.Module, given: Any) -> None:
    if isinstance(given, dict):
        network(**given)
    else:
        network(given)


def _between(initial: nn.Module, final: nn.Module, share: float) -> nn.Module:
    """A network on a way from one to the other, with a detour."""
    between = copy_of(final)
    noise = torch.Generator().manual_seed(round(1000 * share))
    with torch.no_grad():
        for start, end, weight in zip(
            initial.parameters(), final.parameters(), between.parameters(), strict=True
        ):
            detour = torch.randn(start.shape, generator=noise, dtype=start.dtype)
            weight.copy_(torch.lerp(start, end, share) + 0.3 * share * (1 - share) * detour)
    return between


def measured(animal: Animal, measures: str | list[str] = "all") -> dict[str, Value]:
    """All measures of a network of the zoo."""
    roots = animal.roots()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return genbench.evaluate(**roots, measures=measures)
