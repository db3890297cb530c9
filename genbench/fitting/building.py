"""What a trial names, built once and handed on: protocol, regularizers, network, training data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.contract.components import Component, Kind
from genbench.fitting import splits
from genbench.fitting.prepared import is_kept_as_bytes
from genbench.host import Host
from genbench.planning.plan import Chosen, Trial
from genbench.training.network import build_network

if TYPE_CHECKING:
    from torch import nn

    from genbench.contract.protocol import Protocol
    from genbench.contract.regularizer import Regularizer

__all__ = ["BuiltTrial", "build", "training_data"]


@dataclass(frozen=True)
class BuiltTrial:
    """A trial with the components that it names found, and its protocol and regularizers as objects.

    Attributes
    ----------
    trial : Trial
    protocol : Protocol
    regularizers : sequence of Regularizer
        In the order in which they wrap one another.
    model, dataset : Component
    """

    trial: Trial
    protocol: Protocol
    regularizers: Sequence[Regularizer]
    model: Component
    dataset: Component

    def bare_network(self) -> nn.Module:
        """The network as its component makes it: no regularizer built in, weights by torch's own stream."""
        return self.model.object(self.trial.task, **_settings(self.trial.model))

    def network(self) -> nn.Module:
        """The network as initialized; the same weights whenever and wherever this is called."""
        return build_network(
            lambda task: self.bare_network(),
            self.trial.task,
            self.regularizers,
            self.protocol,
            self.trial.seeds()["initialization"],
        )

    def training_data(
        self, root: Path | None, *, opened: Collection[splits.SplitName]
    ) -> tuple[splits.PreparedData, splits.TrainingData]:
        """The prepared data, of which the files `opened` are opened, and the training set."""
        prepared, chosen = self.training_choice(root, opened=opened)
        return prepared, chosen.loaded()

    def training_choice(
        self, root: Path | None, *, opened: Collection[splits.SplitName]
    ) -> tuple[splits.PreparedData, splits.TrainingChoice]:
        """The prepared data, and which examples of them make the training set."""
        return _training_choice(self.trial, self.dataset, self.protocol, root, opened)

    @property
    def split_examples(self) -> int | None:
        """Size of the whole training split as far as it is known without the data."""
        declared = self.dataset.declared.examples
        return declared(**_settings(self.trial.dataset)) if callable(declared) else declared

    @property
    def holds_bytes(self) -> bool:
        """Whether the data are in the cache and are pictures of eight bits."""
        return is_kept_as_bytes(self.dataset, _settings(self.trial.dataset), self.trial.checksum)

    @property
    def train_examples(self) -> int | None:
        """Size of the training set as far as it is known without the data."""
        whole = self.split_examples
        return self.trial.splits["train_size"] or (whole and whole - self.trial.splits["validation_size"])


def build(trial: Trial, host: Host) -> BuiltTrial:
    """Find what a trial names.

    Raises
    ------
    InvalidInput
        A component is not there.
    """

    def made(kind: Kind, chosen: Chosen) -> Any:
        return host.find(kind, chosen.name).object(**_settings(chosen))

    return BuiltTrial(
        trial=trial,
        protocol=made(Kind.PROTOCOL, trial.protocol),
        regularizers=[made(Kind.REGULARIZER, each) for each in trial.regularizers],
        model=host.find(Kind.MODEL, trial.model.name),
        dataset=host.find(Kind.DATASET, trial.dataset.name),
    )


def training_data(
    trial: Trial, host: Host, root: Path | None, *, opened: Collection[splits.SplitName]
) -> tuple[splits.PreparedData, splits.TrainingData]:
    """As `BuiltTrial.training_data`, where neither the model's code nor the regularizers' is to be had.

    Raises
    ------
    InvalidInput
        The data set or the protocol is not there.
    """
    protocol = host.find(Kind.PROTOCOL, trial.protocol.name).object(**_settings(trial.protocol))
    dataset = host.find(Kind.DATASET, trial.dataset.name)
    prepared, chosen = _training_choice(trial, dataset, protocol, root, opened)
    return prepared, chosen.loaded()


def _training_choice(
    trial: Trial,
    dataset: Component,
    protocol: Protocol,
    root: Path | None,
    opened: Collection[splits.SplitName],
) -> tuple[splits.PreparedData, splits.TrainingChoice]:
    prepared = splits.prepare(dataset, _settings(trial.dataset), root, checksum=trial.checksum, splits=opened)
    chosen = splits.choose_training(
        prepared,
        seed_index=trial.data_seed,
        train_size=trial.splits["train_size"],
        validation_size=trial.splits["validation_size"],
        label_noise=protocol.label_noise,
        label_noise_kind=protocol.label_noise_kind,
        normalize=trial.splits["normalize"],
    )
    return prepared, chosen


def _settings(chosen: Chosen) -> dict[str, Any]:
    """Settings as a component takes them: records hold a tuple as a list."""
    given: Mapping[str, Any] = chosen.settings
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
