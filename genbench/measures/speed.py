"""Speed of optimization, read off the history of the training loss.

The history has a row at initialization and one at the end of each epoch, and a last one where training
stopped within an epoch; losses are those of the whole training split in evaluation mode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import genbench
from genbench.base.constraints import Count, Fraction, Positive

__all__ = [
    "epochs_to_converge",
    "final_loss",
    "sotl_e",
    "sotl_ema",
    "steps_0_1_to_0_01",
    "steps_to_0_1",
    "sum_over_training_losses",
]

Losses = Literal["train_loss", "batch_loss"]
"""Of the training split at the end of each epoch, or the mean over the epoch's batches."""


@genbench.measure(
    name="steps_to_0.1", family="speed", direction="+", source="Jiang et al. 2020, eq. 63",
    formula="steps until the training cross-entropy is ≤ 0.1",
)  # fmt: skip
def steps_to_0_1(history, task) -> int:
    """Optimizer steps at the first evaluation with a training cross-entropy of at most 0.1."""
    return history["step"][_first_at_most(history, task, 0.1)]


@genbench.measure(
    name="steps_0.1_to_0.01", family="speed", direction="+", source="Jiang et al. 2020, eq. 64",
    formula="steps from a training cross-entropy ≤ 0.1 to one ≤ 0.01",
)  # fmt: skip
def steps_0_1_to_0_01(history, task) -> int:
    """Optimizer steps from the first evaluation with a cross-entropy ≤ 0.1 to the first with one ≤ 0.01."""
    return (
        history["step"][_first_at_most(history, task, 0.01)]
        - history["step"][_first_at_most(history, task, 0.1)]
    )


@genbench.measure(
    family="speed", direction="+", source="Ru et al. 2021 (Speedy performance estimation), SOTL",
    formula="Σ_epochs training loss", aliases=("sotl",),
)  # fmt: skip
def sum_over_training_losses(
    history,
    *, losses: Losses = "train_loss", last: Count | None = None,
) -> float:  # fmt: skip
    """Training losses at the ends of the epochs, summed: networks that learn faster generalize better.

    An epoch within which training stopped is left out. Where training put earlier weights back
    (``target_rule = "closest"``, early stopping), the epochs behind them count too.

    Parameters
    ----------
    losses : {"train_loss", "batch_loss"}
        Of the training split at the end of each epoch, or the mean over the epoch's batches.
    last : int, optional
        Only the last so many epochs (SOTL-E); all where left out.

    Raises
    ------
    NotApplicable
        No epoch was trained, or the history lacks a loss.
    """
    epochs = _of_epochs(history, losses)
    return math.fsum(_noted(epochs[-last:] if last else epochs))


@genbench.measure(
    name="sotl_E", family="speed", direction="+",
    source="Ru et al. 2021 (Speedy performance estimation), SOTL-E",
    formula="Σ_{last E epochs} training loss",
)  # fmt: skip
def sotl_e(history, *, losses: Losses = "train_loss", epochs: Count = 1) -> float:
    """Training losses at the ends of the last E epochs, summed: the early ones tell of the start only.

    Epochs count as in `sum_over_training_losses`: the last ones are those before training ended, also where
    it put earlier weights back.

    Parameters
    ----------
    losses : {"train_loss", "batch_loss"}
        As in `sum_over_training_losses`.
    epochs : int
        E.

    Raises
    ------
    NotApplicable
        Fewer epochs were trained, or the history lacks a loss.
    """
    trained = _of_epochs(history, losses)
    if len(trained) < epochs:
        raise genbench.NotApplicable(f"{len(trained)} epochs were trained, not {epochs}")
    return math.fsum(_noted(trained[-epochs:]))


@genbench.measure(
    family="speed", direction="+", source="Ru et al. 2021 (Speedy performance estimation), SOTL-EMA",
    formula="Σ_t γ^{T−t} (training loss of epoch t)",
)  # fmt: skip
def sotl_ema(
    history, *, losses: Losses = "train_loss", decay: Fraction = 0.9, normalized: bool = False
) -> float:
    """Training losses at the ends of the epochs, summed with weights that fade towards the first one.

    Epochs count as in `sum_over_training_losses`, those behind weights that training put back included.

    Parameters
    ----------
    losses : {"train_loss", "batch_loss"}
        As in `sum_over_training_losses`.
    decay : float
        γ, for each epoch.
    normalized : bool
        Divided by the sum of the weights: their mean.
    """
    trained = _noted(_of_epochs(history, losses))
    weights = [decay**age for age in reversed(range(len(trained)))]
    total = math.fsum(weight * loss for weight, loss in zip(weights, trained, strict=True))
    return total / math.fsum(weights) if normalized else total


@genbench.measure(family="speed", direction="+", formula="epochs until the training cross-entropy is ≤ ε")
def epochs_to_converge(history, task, *, loss: Positive = 0.01) -> float:
    """Epochs at the first evaluation with a training cross-entropy of at most ε.

    Parameters
    ----------
    loss : float
        ε.
    """
    return history["epoch"][_first_at_most(history, task, loss)]


@genbench.measure(family="speed", direction="+", formula="training loss at the last evaluation")
def final_loss(history) -> float:
    """Training loss in evaluation mode when training ended, as the history has it.

    Where training put earlier weights back (``target_rule = "closest"``, early stopping), it is that of the
    weights of the last step; `train_loss` is that of the trained network.
    """
    evaluated = history["train_loss"][1:]  # row 0 is at initialization
    if not evaluated:
        raise genbench.NotApplicable("no epoch was trained")
    (last,) = _noted(evaluated[-1:])
    return last


def _of_epochs(history: Mapping[str, Sequence[Any]], losses: Losses) -> list[float | None]:
    """A loss at the end of each whole epoch; a stop at the start of an epoch repeats a row."""
    found, trained = [], 0
    for epoch, loss in zip(history["epoch"], history[losses], strict=True):
        if epoch > trained and epoch == int(epoch):
            found.append(loss)
            trained = epoch
    if not found:
        raise genbench.NotApplicable("no epoch was trained")
    return found


def _noted(losses: Sequence[float | None]) -> list[float]:
    """The losses; raises `NotApplicable` where a history from elsewhere has gaps among them."""
    noted = [each for each in losses if each is not None]
    if len(noted) < len(losses):
        raise genbench.NotApplicable("the history lacks the loss of an epoch")
    return noted


def _first_at_most(history: Mapping[str, Sequence[Any]], task: Any, loss: float) -> int:
    """Row of the first evaluation with a training loss of at most `loss`."""
    if task.kind != "classification":
        raise genbench.NotApplicable("defined for the cross-entropy of classification only")
    for row, reached in enumerate(history["train_loss"]):
        if reached is not None and reached <= loss:
            return row
    raise genbench.NotApplicable(f"the training cross-entropy never was ≤ {loss}")
