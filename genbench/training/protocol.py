"""How a network is trained, as data: every protocol is this class with other defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from genbench.constraints import Count, Fraction, NonNegative, Positive, Probability

__all__ = ["Protocol"]


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
    augmentation : {"none", "flip", "crop", "crop-flip"}
        Random crops are taken after padding each side by an eighth of the image with zeros.
    label_noise : float
        Share of the training labels that are replaced by another class, drawn uniformly.
    initialization_scale : float
        Factor on all initial weights with two dimensions or more.
    gradient_clip : float or None
        Largest norm of the whole gradient.
    precision : {"float32", "bfloat16"}
        ``bfloat16``: automatic mixed precision in the forward pass; gradients stay float32.
    compile : bool
        Compile the model with ``torch.compile``.
    deterministic : bool
        On CUDA, use deterministic algorithms only.
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
    augmentation: Literal["none", "flip", "crop", "crop-flip"] = "none"
    label_noise: Fraction = 0.0
    initialization_scale: Positive = 1.0
    gradient_clip: Positive | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False
    deterministic: bool = True

    @property
    def expected_epochs(self) -> float:
        """How many epochs training is likely to take; used to predict times, never to stop."""
        return self.max_epochs
