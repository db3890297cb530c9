"""One trial, trained: from plain data to the record and the weights that the store keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from genbench import splits
from genbench.components import Kind
from genbench.host import Host
from genbench.plan import Trial
from genbench.suite import Limits
from genbench.training.evaluation import evaluate
from genbench.training.loop import Outcome, train
from genbench.training.network import build_network

if TYPE_CHECKING:
    from torch import nn

    from genbench.training.protocol import Protocol
    from genbench.training.regularizer import Regularizer

__all__ = ["fit", "network", "parts", "plain_settings", "training_data"]


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
        seed_index=trial.seed,
        train_size=trial.splits["train_size"],
        validation_size=trial.splits["validation_size"],
        label_noise=protocol.label_noise,
        normalize=trial.splits["normalize"],
    )
    return prepared, data


def plain_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a component takes them: records hold a tuple as a list."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def fit(
    trial: Trial,
    host: Host,
    *,
    root: Path | None,
    device: str,
    keep: Sequence[Any],
    limits: Limits,
    on_epoch: Callable[[Mapping[str, Any]], None] | None = None,
) -> tuple[dict[str, Any], dict[str, dict[str, torch.Tensor]]]:
    """Train one trial.

    Returns
    -------
    record : dict
        Trial, seeds, history, errors, losses and how training ended, in plain data.
    states : dict
        State dictionaries, named as the run folder names them.
    """
    began = time.perf_counter()
    protocol, regularizers = parts(trial, host)
    prepared, data = training_data(trial, host, root, opened=("train", "test"))
    model = network(trial, host)
    snapshots = next((each["snapshots"] for each in keep if isinstance(each, Mapping)), 0)
    outcome = train(
        model,
        trial.task,
        data.inputs,
        data.targets,
        data.clean_targets,
        protocol,
        regularizers,
        trial.seeds(),
        device=device,
        max_seconds=limits.training_seconds,
        snapshots=snapshots,
        milestones="milestones" in keep,
        on_epoch=on_epoch,
    )
    test = splits.load_test(prepared, mean=data.mean, std=data.std, test_size=trial.splits["test_size"])
    test_loss, test_error = evaluate(model, test.inputs, test.targets, trial.task, device=device)
    record = {
        "trial": trial.as_dict(),
        "seeds": trial.seeds(),
        "stop_reason": str(outcome.stop_reason),
        "stop_note": outcome.stop_note,
        "steps": outcome.steps,
        "epochs": outcome.epochs,
        "history": outcome.history,
        "train_loss": outcome.train_loss,
        "train_error": outcome.train_error,
        "train_error_clean": outcome.train_error_clean,
        "test_loss": test_loss,
        "test_error": test_error,
        "train_examples": len(data.targets),
        "test_examples": len(test.targets),
        "seconds": time.perf_counter() - began,
    }
    return record, _kept(outcome, keep)


def _kept(outcome: Outcome, keep: Sequence[Any]) -> dict[str, dict[str, torch.Tensor]]:
    states = {}
    if "initial" in keep:
        states["initial"] = outcome.initial_state
    if "final" in keep:
        states["final"] = outcome.final_state
    if "milestones" in keep:
        states |= {f"milestone-{each.threshold}": each.state for each in outcome.milestones}
    states |= {f"snapshot-{step}": state for step, state in outcome.snapshots}
    return states
