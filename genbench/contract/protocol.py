"""How a network is trained, as data: every protocol is this class with other defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge

from genbench.base.constraints import Count, Fraction, NoiseKind, NonNegative, Positive, Probability
from genbench.base.errors import InvalidInput

__all__ = ["NEUTRAL", "TRAINER_VERSION", "Protocol", "learning_rate", "with_neutral"]

TRAINER_VERSION = 2
"""Of `genbench.training.loop`: raised whenever the loop itself changes results; enters the key of every fit.

It stands here, because plans and leaderboards read it without torch."""

NEUTRAL: Mapping[str, Any] = {
    "target_rule": "reached",
    "stacked": False,
    "label_noise_kind": "other",
    "initialization_std": None,
    "pretrain_epochs": 0,
    "pretrain_label_noise": 1.0,
    "pretrain_label_noise_kind": "permuted",
}
"""Settings that enter the key of a fit only where they differ from this: they came when fits had been
published, whose training was what it is with these values."""


def with_neutral(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a protocol, with those that it had not when they were written down."""
    return {**NEUTRAL, **settings}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Optimizer, schedule, batch size, augmentation, label noise, initialization and when to stop.

    A protocol is a frozen dataclass derived from this one, with other defaults and at times fewer choices.

    Attributes
    ----------
    optimizer, learning_rate, momentum, nesterov, weight_decay
        The update rule. `momentum` is read by SGD and RMSProp.
    batch_size : int
        Examples per step; a larger one than the training set means full batches.
    schedule : {"constant", "step", "cosine", "linear"}
        ``step`` multiplies the learning rate by `decay` at each epoch of `decay_epochs`; ``cosine`` and
        ``linear`` go to zero at `max_epochs`. The first `warmup_epochs` rise linearly from zero.
    max_epochs : int
    target_loss : float or None
        Stop at the end of the first epoch at which the training cross-entropy (mean squared error in
        regression), in evaluation mode, without augmentation, on the labels trained on, is at most this.
    target_rule : {"reached", "closest"}
        ``closest`` trains for all epochs and then puts the weights back that had, at the end of an epoch, the
        training loss closest to `target_loss`; of two equally close ones the earlier.
    augmentation : {"none", "flip", "crop", "crop-flip"}
        Random crops are taken after padding each side by an eighth of the image with zeros.
    label_noise : float
        Share of the training labels that are replaced.
    label_noise_kind : {"other", "uniform", "permuted"}
        By another class, drawn uniformly; by any class, so that a share of 1 leaves random labels; or by one
        another.
    initialization_std : float or None
        Draw all initial weights with two dimensions or more from a normal distribution with this standard
        deviation, whatever their fan-in; biases and normalizations stay as the model has them.
    initialization_scale : float
        Factor on all initial weights with two dimensions or more.
    pretrain_epochs : int
        Train for so many epochs on wrong labels before; at a constant rate, without regularizers but for
        what they changed in the network, with the order and the state of the optimizer starting anew behind
        it. What is called the initial network is the one before that, the history begins behind it.
    pretrain_label_noise : float
        Share of the labels that are wrong while pretraining.
    pretrain_label_noise_kind : {"permuted", "uniform", "other"}
    gradient_clip : float or None
        Largest norm of the whole gradient.
    precision : {"float32", "tf32", "bfloat16"}
        ``tf32``: on CUDA, matrix products and convolutions round their factors to ten bits behind the point;
        elsewhere float32. ``bfloat16``: automatic mixed precision in the forward pass; gradients stay
        float32, and what else is computed on CUDA is as with ``tf32``.
    compile : bool
        Compile the model with ``torch.compile``.
    deterministic : bool
        On CUDA, use deterministic algorithms only.
    stacked : bool
        On the CPU, perceptrons of equal shapes may make their steps together, which is up to three times as
        fast where they are small. Their numbers are those of training alone but for rounding, which long
        trainings may amplify; records tell whether they had company.
    """

    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"] = "sgd"
    learning_rate: Positive = 0.1
    momentum: Probability = 0.9
    nesterov: bool = False
    weight_decay: NonNegative = 0.0
    batch_size: Count = 128
    schedule: Literal["constant", "step", "cosine", "linear"] = "constant"
    decay: Positive = 0.1
    decay_epochs: tuple[Count, ...] = ()
    warmup_epochs: NonNegative = 0.0
    max_epochs: Count = 100
    target_loss: Positive | None = None
    target_rule: Literal["reached", "closest"] = "reached"
    augmentation: Literal["none", "flip", "crop", "crop-flip"] = "none"
    label_noise: Fraction = 0.0
    label_noise_kind: NoiseKind = "other"
    initialization_std: Positive | None = None
    initialization_scale: Positive = 1.0
    pretrain_epochs: Annotated[int, Ge(0)] = 0
    pretrain_label_noise: Fraction = 1.0
    pretrain_label_noise_kind: NoiseKind = "permuted"
    gradient_clip: Positive | None = None
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    compile: bool = False
    deterministic: bool = True
    stacked: bool = False

    def __post_init__(self) -> None:
        if self.target_rule == "closest" and self.target_loss is None:
            raise InvalidInput("target_rule 'closest' needs a target_loss")

    @property
    def expected_epochs(self) -> float:
        """How many epochs training is likely to take, pretraining included; used to predict times, never to
        stop."""
        return self.pretrain_epochs + self.max_epochs


def learning_rate(protocol: Protocol, index: int, steps_per_epoch: int) -> float:
    """Learning rate of the step with this index.

    With t = index / steps_per_epoch, T = `max_epochs` and w = `warmup_epochs`: in the warm-up the rate is
    η · (index + 1) / steps_per_epoch / w, so that it reaches η with the last step of the warm-up and no step
    is lost to a rate of zero. After it, ``cosine`` is η · (1 + cos π(t − w)/(T − w)) / 2, ``linear`` is
    η · (T − t)/(T − w), ``step`` is η · decay^k, k being the number of `decay_epochs` up to t.
    """
    epoch = index / steps_per_epoch
    warmup, last = protocol.warmup_epochs, protocol.max_epochs
    done = (index + 1) / steps_per_epoch
    if done < warmup:
        return protocol.learning_rate * done / warmup
    if protocol.schedule == "step":
        passed = sum(index >= each * steps_per_epoch for each in protocol.decay_epochs)
        return protocol.learning_rate * protocol.decay**passed
    if protocol.schedule == "constant" or epoch <= warmup:
        return protocol.learning_rate
    if protocol.schedule == "cosine":
        return protocol.learning_rate * (1 + math.cos(math.pi * (epoch - warmup) / (last - warmup))) / 2
    return protocol.learning_rate * (last - epoch) / (last - warmup)
