"""Stopping before the training loss says so."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import genbench
from genbench.base.constraints import Count, NonNegative
from genbench.base.data import Split, Task
from genbench.contract.regularizer import Epoch, Planned, Regularizer, Training
from genbench.training.evaluation import evaluate

__all__ = ["EarlyStopping"]


@dataclass
class _Watch:
    """What one training has seen so far."""

    task: Task
    device: Any
    validation: Split | None
    best: float = math.inf
    best_epoch: int = 0
    best_state: dict[str, Any] = field(default_factory=dict)


@genbench.regularizer(source="Prechelt 1998 (Early stopping, but when?), section 2 (patience)")
@dataclass(frozen=True, kw_only=True)
class EarlyStopping(Regularizer):
    """Stop when the loss has not fallen for some epochs, and go back to the weights at which it was lowest.

    The loss is looked at after each epoch, in evaluation mode: on the validation split, which is held out of
    the training split (``validation_size`` of the data set), or on the training set. The test split is never
    looked at.

    Attributes
    ----------
    patience : int or None
        Epochs without a new lowest loss after which training stops; None never stops it.
    on : {"validation", "training"}
    smallest_fall : float
        A loss counts as new lowest if it is lower by more than this.
    restore : bool
        Put the weights of the lowest loss back, however training ended.
    """

    patience: Count | None = 5
    on: Literal["validation", "training"] = "validation"
    smallest_fall: NonNegative = 0.0
    restore: bool = True

    capturable: ClassVar[bool] = True

    def check(self, planned: Planned) -> None:
        """Refuse a missing validation split, if the loss on it decides anything."""
        if self.on == "validation" and planned.validation == 0 and (self.patience or self.restore):
            self.refuse("needs a validation split (dataset: validation_size = N), or on = training")

    def start(self, training: Training) -> _Watch:
        """A record of the lowest loss so far, which is infinite."""
        return _Watch(training.task, training.device, training.validation)

    def after_epoch(self, epoch: Epoch) -> str | None:
        """Note the loss, and a copy of the weights where it is lowest; stop when patience has run out."""
        watch: _Watch = epoch.state
        loss = self._loss(epoch)
        if loss < watch.best - self.smallest_fall:
            watch.best, watch.best_epoch = loss, epoch.number
            if self.restore:
                watch.best_state = {
                    name: each.detach().clone() for name, each in epoch.model.state_dict().items()
                }
        since = epoch.number - watch.best_epoch
        if self.patience is None or since < self.patience:
            return None
        return f"the {self.on} loss was lowest {since} epochs ago ({watch.best:.4g} after {watch.best_epoch})"

    def finish(self, epoch: Epoch) -> None:
        """Put the weights of the lowest loss back, if they were kept."""
        if epoch.state.best_state:
            epoch.model.load_state_dict(epoch.state.best_state)

    def _loss(self, epoch: Epoch) -> float:
        watch: _Watch = epoch.state
        if self.on == "training":
            loss = epoch.history["train_loss"][-1]
            assert loss is not None
            return loss
        if watch.validation is None:
            return math.inf
        inputs, targets = watch.validation.inputs, watch.validation.targets
        return evaluate(epoch.model, inputs, targets, watch.task, device=watch.device)[0]
