"""What training and testing leave of a fit: its columns in tables, and the targets that measures may predict.

`genbench.ranking` keeps a list of its own, because it imports nothing of genbench; a test holds both
together.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COLUMNS", "COMMON_TARGETS", "GAPS", "NORMALIZED_LOSSES", "RESULTS", "TARGETS"]

RESULTS = ("train_error", "test_error", "train_loss", "test_loss")
"""What two trainings of one trial are compared by."""

NORMALIZED_LOSSES = (
    "normalized_train_loss",
    "normalized_test_loss",
    "output_normalized_train_loss",
    "output_normalized_test_loss",
)

GAPS: Mapping[str, tuple[str, str]] = {
    "gap": ("test_error", "train_error"),
    "loss_gap": ("test_loss", "train_loss"),
    "normalized_loss_gap": ("normalized_test_loss", "normalized_train_loss"),
    "output_normalized_loss_gap": ("output_normalized_test_loss", "output_normalized_train_loss"),
}
"""Targets that are a difference: the first less the second."""

TARGETS = ("gap", "test_error", "loss_gap", "normalized_loss_gap", "output_normalized_loss_gap")

COMMON_TARGETS = TARGETS[:3]
"""Those that every network has; the others need layers whose norms factor out."""

COLUMNS = (
    "gap", "loss_gap", "test_error", "test_loss", "train_error", "train_error_clean", "train_loss", "epochs",
    "steps", *NORMALIZED_LOSSES, "normalized_loss_gap", "output_normalized_loss_gap",
)  # fmt: skip
"""Numbers that every fit of a run has."""
