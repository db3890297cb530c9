"""What a trial names, built: protocol, regularizers, network, training data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.contract.components import Kind
from genbench.fitting import splits
from genbench.host import Host
from genbench.planning.plan import Trial
from genbench.training.network import build_network

if TYPE_CHECKING:
    from torch import nn

    from genbench.contract.protocol import Protocol
    from genbench.contract.regularizer import Regularizer

__all__ = ["network", "parts", "plain_settings", "training_data"]


def parts(trial: Trial, host: Host) -> tuple[Protocol, list[Regularizer]]:
    """The protocol and the regularizers of a trial, as objects."""
    protocol = host.find(Kind.PROTOCOL, trial.protocol.name).object(**plain_settings(trial.protocol.settings))
    regularizers = [
        host.find(Kind.REGULARIZER, each.name).object(**plain_settings(each.settings))
        for each in trial.regularizers
    ]
    return protocol, regularizers


def network(trial: Trial, host: Host) -> nn.Module:
    """The network of a trial as initialized; the same weights whenever and wherever it is called."""
    component = host.find(Kind.MODEL, trial.model.name)
    settings = plain_settings(trial.model.settings)
    protocol, regularizers = parts(trial, host)
    return build_network(
        lambda task: component.object(task, **settings),
        trial.task,
        regularizers,
        protocol,
        trial.seeds()["initialization"],
    )


def training_data(
    trial: Trial, host: Host, root: Path | None, *, opened: Collection[splits.SplitName]
) -> tuple[splits.PreparedData, splits.TrainingData]:
    """The prepared data of a trial, of which the files `opened` are opened, and its training set."""
    protocol, _ = parts(trial, host)
    prepared = splits.prepare(
        host.find(Kind.DATASET, trial.dataset.name),
        plain_settings(trial.dataset.settings),
        root,
        checksum=trial.checksum,
        splits=opened,
    )
    data = splits.load_training(
        prepared,
        seed_index=trial.data_seed,
        train_size=trial.splits["train_size"],
        validation_size=trial.splits["validation_size"],
        label_noise=protocol.label_noise,
        label_noise_kind=protocol.label_noise_kind,
        normalize=trial.splits["normalize"],
    )
    return prepared, data


def plain_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a component takes them: records hold a tuple as a list."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
