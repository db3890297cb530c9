"""How a training ended and what it left. Importing this module imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genbench.base.values import StopReason

if TYPE_CHECKING:
    from torch import Tensor

    from genbench.networks.walk import Walk

__all__ = ["MILESTONES", "Milestone", "Outcome"]

MILESTONES = (0.1, 0.05, 0.025, 0.015, 0.01)
"""Training losses at which weights are kept the first time they are reached, from high to low."""


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """The weights at the end of the first epoch with a training loss of at most `threshold`.

    Milestones that one epoch reached together share one state.
    """

    threshold: float
    step: int
    train_loss: float
    state: dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What `train` leaves.

    Attributes
    ----------
    history : mapping from column to list, all of one length
        ``epoch`` (epochs trained; a fraction in the last row if training stopped inside an epoch), ``step``
        (updates made), ``train_loss`` and ``train_error`` (evaluation mode, no augmentation, labels as
        trained on), ``batch_loss`` (mean of what was minimized over the epoch's batches, penalties
        included; None in the first row), ``learning_rate`` (of the last step; of the first one in the first
        row). The first row is the network as initialized, or as pretraining left it.
    stop_reason : StopReason
    stop_note : str
        More words, where there are any.
    steps : int
        Updates made.
    epochs : int
        Whole epochs trained.
    initial_state, final_state : mapping from name to Tensor
        State dicts on the CPU, as are all states here.
    milestones : tuple of Milestone
    snapshots : tuple of (step, state)
        Evenly spaced in steps, the first at step 0; and the ends of the first epoch and of training.
    walk : Walk or None
        The length of every step, and the distances between the last points.
    train_loss, train_error : float
        Of the final weights: the last row of the history, unless a regularizer or the protocol's
        `target_rule` put earlier weights back.
    train_error_clean : float
        Against the labels before noise.
    """

    history: Mapping[str, Sequence[float | None]]
    stop_reason: StopReason
    stop_note: str
    steps: int
    epochs: int
    initial_state: dict[str, Tensor]
    final_state: dict[str, Tensor]
    milestones: tuple[Milestone, ...]
    snapshots: tuple[tuple[int, dict[str, Tensor]], ...]
    walk: Walk | None
    train_loss: float
    train_error: float
    train_error_clean: float
