"""The targets a measure may predict, and how a table that lacks one still has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DERIVED", "LOSSES", "OUTCOMES", "target_column"]

DERIVED = {
    "gap": ("test_error", "train_error"),
    "loss_gap": ("test_loss", "train_loss"),
    "normalized_loss_gap": ("normalized_test_loss", "normalized_train_loss"),
    "output_normalized_loss_gap": ("output_normalized_test_loss", "output_normalized_train_loss"),
}
"""Targets that are a difference, test less train. The normalized loss is the cross-entropy of the network
divided by the product of its layers' norms (Liao et al. 2020, section 2), or, for residual networks, by the
norm of its output for one image (appendix H), here a training example."""

LOSSES = frozenset(
    [name for name in DERIVED if name != "gap"]
    + [parts[0] for name, parts in DERIVED.items() if name != "gap"]
)
"""Targets that are no error rates, for which the sampling noise of a rate says nothing."""

OUTCOMES = (
    frozenset(DERIVED)
    | {part for parts in DERIVED.values() for part in parts}
    | {"train_error_clean", "train_accuracy", "test_accuracy"}
)
"""Columns that are results of training or testing and never taken for a measure or an axis unasked."""


def target_column(table: pd.DataFrame, target: str) -> np.ndarray | None:
    """The column of that name, else the difference that defines it; None where the table has neither."""
    from genbench.ranking.columns import numeric_column

    if target in table.columns:
        return numeric_column(table, target)
    parts = DERIVED.get(target, ())
    if parts and all(part in table.columns for part in parts):
        return numeric_column(table, parts[0]) - numeric_column(table, parts[1])
    return None
