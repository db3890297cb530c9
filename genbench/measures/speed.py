"""Speed of optimization, read off the history of the training loss.

The history has a row at initialization and one at the end of each epoch; losses are those of the whole
training split in evaluation mode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import genbench
from genbench.constraints import Count

__all__ = ["steps_0_1_to_0_01", "steps_to_0_1", "sum_over_training_losses"]


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
    *, losses: Literal["train_loss", "batch_loss"] = "train_loss", last: Count | None = None,
) -> float:  # fmt: skip
    """Training losses at the ends of the epochs, summed: networks that learn faster generalize better.

    Parameters
    ----------
    losses : {"train_loss", "batch_loss"}
        Losses of the training split at the end of each epoch, or means over the epoch's batches.
    last : int, optional
        Only the last so many epochs (SOTL-E); all where left out.

    Raises
    ------
    NotApplicable
        No epoch was trained.
    """
    epochs = history[losses][1:]  # row 0 is at initialization
    if not epochs:
        raise genbench.NotApplicable("no epoch was trained")
    return math.fsum(epochs[-last:] if last else epochs)


def _first_at_most(history: Mapping[str, Sequence[Any]], task: Any, loss: float) -> int:
    """Row of the first evaluation with a training loss of at most `loss`."""
    if task.kind != "classification":
        raise genbench.NotApplicable("defined for the cross-entropy of classification only")
    for row, reached in enumerate(history["train_loss"]):
        if reached is not None and reached <= loss:
            return row
    raise genbench.NotApplicable(f"the training cross-entropy never was ≤ {loss}")
