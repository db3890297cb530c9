"""Networks of the user's own, from files: factory, weights and data as named, outcomes and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import InvalidInput, UsageError
from genbench.base.outcomes import GAPS
from genbench.base.values import Values
from genbench.fitting.checkpoints import put_into, read_weights
from genbench.fitting.factories import Factory, find_factory
from genbench.fitting.own_data import OwnData, read_own_data

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from genbench.host import Host
    from genbench.measuring.examples import Examples

__all__ = ["Asked", "Measurable", "Measured", "Opened", "open_networks", "outcomes_of", "table_of"]


@dataclass(frozen=True)
class Measured:
    """One network: where its weights are from, its errors and losses, and its values.

    Attributes
    ----------
    weights : str
        The file; empty for the network as its factory makes it.
    outcomes : dict
        ``train_error, train_loss``; where there are test examples ``test_error, test_loss, gap, loss_gap``.
    """

    weights: str
    outcomes: Mapping[str, float]
    values: Values


@dataclass(frozen=True)
class Measurable:
    """One network with all that its measures start from.

    Attributes
    ----------
    model, initial : Module
        As trained, and before; the latter may be None.
    examples : Examples
        The training set.
    output : str, int or None
        Which part of what it returns are its outputs.
    seed : int
        Of the measures that draw random numbers.
    """

    model: nn.Module
    initial: nn.Module | None
    examples: Examples
    output: str | int | None
    seed: int

    @property
    def roots(self) -> dict[str, Any]:
        """Arguments of `genbench.measuring.evaluation.own_roots` beside network, examples and seed."""
        return {"initial_model": self.initial, "output": self.output}


@dataclass(frozen=True)
class Asked:
    """What is to be measured, in the words of the command line.

    Attributes
    ----------
    model : str
        As `genbench.fitting.factories.find_factory` takes it.
    dataset, data
        As `genbench.fitting.own_data.read_own_data` takes them.
    weights : sequence of str
        Files; none: the network as the factory makes it.
    initial : sequence of str
        Weights before training, one file for all or one for each.
    output : str, int or None
    device : str
    seed : int
    """

    model: str
    dataset: str | None
    data: str | None
    weights: Sequence[str] = ()
    initial: Sequence[str] = ()
    output: str | int | None = None
    device: str = "cpu"
    seed: int = 0


@dataclass(frozen=True)
class Opened:
    """Networks with their data, read and tried."""

    data: OwnData
    networks: Sequence[Measurable]

    def told(self) -> dict[str, Any]:
        """In plain data ``data``, its name; ``examples`` and ``tested``, how many; ``outcomes`` of each."""
        return {
            "data": self.data.name,
            "examples": len(self.data.train.targets),
            "tested": None if self.data.test is None else len(self.data.test.targets),
            "outcomes": [outcomes_of(each.model, self.data, each.output) for each in self.networks],
        }


def open_networks(asked: Asked, host: Host) -> Opened:
    """A network with each of the weights, and the data; all files are read and tried.

    Raises
    ------
    UsageError, InvalidInput
        A file does not exist, or does not fit.
    """
    factory = find_factory(asked.model, host)
    data = read_own_data(asked.dataset, Path(asked.data) if asked.data else None, host)
    weights, initial = list(map(Path, asked.weights)), list(map(Path, asked.initial))
    if len(initial) > 1 and len(initial) != len(weights):
        raise UsageError(f"--initial is given {len(initial)} times, --weights {len(weights)} times")
    networks = _loaded(factory, data, weights) if weights else [factory.network(data.task)]
    before = [each.to(asked.device) for each in _loaded(factory, data, initial)] or [None]
    return Opened(
        data,
        [
            Measurable(
                each.to(asked.device), before[place % len(before)], data.train, asked.output, asked.seed
            )
            for place, each in enumerate(networks)
        ],
    )


def _loaded(factory: Factory, data: OwnData, files: Sequence[Path]) -> list[Any]:
    """A network with the weights of each file; the problems of all files are told at once."""
    networks, problems = [], []
    for file in files:
        network = factory.network(data.task)
        try:
            put_into(network, read_weights(file), file)
        except InvalidInput as fault:
            problems += fault.problems
        networks.append(network.eval())
    if problems:
        raise InvalidInput(problems)
    return networks


def outcomes_of(network: nn.Module, data: OwnData, output: Any = None) -> dict[str, float]:
    """Errors and losses of a network on the training examples, and where there are some on those of the test.

    Raises
    ------
    UsageError
        It does not take them.
    """
    from genbench.measuring.outcomes import loss_and_error

    found = {}
    for split, examples in (("train", data.train), ("test", data.test)):
        if examples is not None:
            found[f"{split}_loss"], found[f"{split}_error"] = loss_and_error(network, examples, output)
    for name, (high, low) in GAPS.items():
        if high in found and low in found:
            found[name] = found[high] - found[low]
    return found


def table_of(measured: Sequence[Measured]) -> pd.DataFrame:
    """A row for each network: its file, errors, losses and gaps, then its values; NaN where there is none."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "weights": each.weights,
                **each.outcomes,
                **{name: float(value) for name, value in each.values.items()},
            }
            for each in measured
        ]
    )
