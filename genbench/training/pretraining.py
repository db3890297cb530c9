"""Training on wrong labels before the training: a start from which good minima are farther away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from genbench.base.canonical import stream_seed
from genbench.base.data import Task
from genbench.base.errors import InvalidInput
from genbench.base.sampling import uniforms
from genbench.contract.protocol import Protocol
from genbench.training.label_noise import corrupted

__all__ = ["pretraining_labels", "pretraining_protocol", "pretraining_seeds"]


def pretraining_labels(targets: Tensor, task: Task, protocol: Protocol, seeds: Mapping[str, int]) -> Tensor:
    """The labels to pretrain on, drawn from the stream ``noise``: who is drawn at a lower rate is drawn at a
    higher one.

    Raises
    ------
    InvalidInput
        The task is no classification.
    """
    if task.kind != "classification":
        raise InvalidInput("pretrain_epochs: pretraining on wrong labels needs a classification task")
    drawn = uniforms(stream_seed("pretraining", seeds["noise"]), len(targets), columns=2)
    labels = corrupted(
        targets.cpu(), task.outputs, protocol.pretrain_label_noise, protocol.pretrain_label_noise_kind, drawn
    )
    return labels.to(targets.device)


def pretraining_protocol(protocol: Protocol) -> Protocol:
    """How to pretrain: as the protocol says, at a constant rate, for all of the epochs."""
    return replace(
        protocol, max_epochs=protocol.pretrain_epochs, pretrain_epochs=0, target_loss=None,
        target_rule="reached", schedule="constant", warmup_epochs=0.0,
    )  # fmt: skip


def pretraining_seeds(seeds: Mapping[str, int]) -> dict[str, int]:
    """Streams of its own, so that what follows sees the same order of examples as without it."""
    return {stream: stream_seed("pretraining", seed) for stream, seed in seeds.items()}
