"""One way through the training set again and again, until there is a reason to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.base.values import StopReason
from genbench.contract.regularizer import Regularizer
from genbench.networks.ambient import with_own_inputs
from genbench.training.composition import Composition
from genbench.training.evaluation import loss_and_error, totals_as_it_is
from genbench.training.optimizer import LearningRates, make_optimizer
from genbench.training.pixels import HeldTraining
from genbench.training.recording import (
    ClosestKeeper,
    HistoryKeeper,
    MilestoneKeeper,
    SnapshotKeeper,
    WalkKeeper,
)
from genbench.training.steps import Mover, Steps

__all__ = ["Keepers", "Phase", "Stop"]


@dataclass(frozen=True)
class Stop:
    """Why a phase ended, with a note where there are more words."""

    reason: StopReason
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Keepers:
    """What is kept along a phase."""

    history: HistoryKeeper
    milestones: MilestoneKeeper
    snapshots: SnapshotKeeper
    walk: WalkKeeper


class _Figures:
    """Numbers on their way from the device to the host."""

    def __init__(self, totals: Tensor):
        self._arrived = None
        if totals.device.type == "cuda":
            self._host = torch.empty(totals.shape, dtype=totals.dtype, pin_memory=True)
            self._host.copy_(totals, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()
        else:
            self._host = totals

    @property
    def there(self) -> bool:
        """Whether reading them waits for nothing."""
        return self._arrived is None or self._arrived.query()

    def read(self) -> list[float]:
        """The numbers; waits for them."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._host.tolist()


class Phase:
    """Training between its steps: where it is, and what it draws from.

    First `measure`, then `judge` what was measured; while there is no reason to stop, `step` until the epoch
    is over, and again. Everything runs inside the turn of the member that it belongs to.

    Parameters
    ----------
    training : HeldTraining
    regularizers : sequence of Regularizer
    compiled : callable or None
        The compiled network, for the training pass.
    deadline : float
        By the monotonic clock; looked at before each step.
    make_steps : callable
        From what moves the network to its `Steps`.

    Attributes
    ----------
    index : int
        Updates made.
    epoch : int
        Whole epochs trained.
    train_loss, train_error : float
        Of the weights that were measured last.
    stop : Stop or None
    """

    def __init__(
        self,
        training: HeldTraining,
        regularizers: Sequence[Regularizer],
        seeds: Mapping[str, int],
        keepers: Keepers,
        deadline: float,
        make_steps: Callable[[Mover], Steps],
        compiled: Callable[[Tensor], Tensor] | None = None,
    ):
        self._training = training
        self._keepers = keepers
        self._deadline = deadline
        protocol = training.protocol
        with ExitStack() as hooks:
            # Before regularizers look at the network: each of its passes may see the same batch.
            hooks.enter_context(with_own_inputs(training.model))
            self._composition = hooks.enter_context(
                Composition(regularizers, seeds["regularizer"], training, compiled)
            )
            target = protocol.target_loss if protocol.target_rule == "closest" else None
            self._closest = ClosestKeeper(training.model, target)
            optimizer = make_optimizer(
                training.model, protocol, regularizers, capturable=training.device.type == "cuda"
            )
            self._rates = LearningRates(optimizer, protocol, training.steps_per_epoch)
            self._mover = Mover(
                training=training,
                composition=self._composition,
                optimizer=optimizer,
                rates=self._rates,
                order_stream=torch.Generator().manual_seed(seeds["order"]),
                augmentation_stream=torch.Generator().manual_seed(seeds["augmentation"]),
            )
            self.steps = make_steps(self._mover)
            self._hooks = hooks.pop_all()
        self.index = 0
        self.epoch = 0
        self.train_loss = self.train_error = math.nan
        self.stop: Stop | None = None
        self._first = 0
        self._begun = False
        self._figures: _Figures | None = None

    def step(self) -> bool:
        """Make the next update; False where there is none, as the epoch is over or must not go on."""
        return self.ready() and self.move()

    def ready(self) -> bool:
        """Whether there is a next update, and time for it."""
        if not self.steps.more():
            return False
        if time.monotonic() >= self._deadline:
            self.stop = Stop(StopReason.TIMEOUT)
            return False
        return True

    def move(self) -> bool:
        """Make the update for which it is ready; False where its loss is not finite."""
        if not self.steps.take(self.epoch, self.index):
            self.stop = Stop(StopReason.DIVERGED, "the loss of a batch was not finite")
            return False
        self.index += 1
        self._keepers.snapshots.offer(self.index)
        self._keepers.walk.offer()
        return True

    def measure(self) -> None:
        """Have the training set evaluated; the figures may be on their way when this returns."""
        training = self._training
        training.model.eval()
        if not self._begun:
            self._keepers.snapshots.offer(0)
            self._keepers.walk.offer()
        totals = self.steps.totals()
        if totals is None:
            totals = totals_as_it_is(
                training.model, training.held, training.targets, training.task, training.device
            )
        losses = torch.as_tensor(self.steps.loss_sum, dtype=torch.float64, device=totals.device)
        self._figures = _Figures(torch.cat([totals, losses.reshape(1)]))

    @property
    def measured(self) -> bool:
        """Whether `judge` would wait for nothing."""
        return self._figures is not None and self._figures.there

    def judge(self) -> bool:
        """Record what was measured; True where training goes on, its next epoch begun."""
        assert self._figures is not None
        *totals, loss_sum = self._figures.read()
        training = self._training
        self.train_loss, self.train_error = loss_and_error(totals, training.targets, training.task)
        made = self.index - self._first
        batch_loss = loss_sum / made if made else None
        self._keepers.milestones.offer(self.index, self.train_loss)
        self._keepers.history.add(
            epoch=self.index / training.steps_per_epoch, step=self.index, train_loss=self.train_loss,
            train_error=self.train_error, batch_loss=batch_loss, learning_rate=self._rates.base,
        )  # fmt: skip
        if self._begun and self.stop is None:
            self._close_epoch(batch_loss)
        self._keepers.snapshots.settle()
        if self.stop is not None:
            return False
        self._begin_epoch()
        return True

    def finish(self) -> None:
        """Put the weights back that were closest to the target, where these are wanted, and let the
        regularizers have the last word; what is put in place is evaluated."""
        assert self.stop is not None
        self._keepers.snapshots.pin(self.index)
        ended = self.stop.reason in (StopReason.TARGET, StopReason.MAX_EPOCHS)
        closest = self._closest.state if ended else None
        training = self._training
        if closest is not None:
            training.model.load_state_dict(closest)
        if self._composition.finish(*self._place(), self._keepers.history.columns) or closest is not None:
            self.measure()
            assert self._figures is not None
            *totals, _ = self._figures.read()
            self.train_loss, self.train_error = loss_and_error(totals, training.targets, training.task)

    def close(self) -> None:
        """Take the hooks off the network, and put its normalizations back."""
        self._hooks.close()

    def _begin_epoch(self) -> None:
        self._begun = True
        self._first = self.index
        self._training.model.train()
        self.steps.begin_epoch(self.index)

    def _close_epoch(self, batch_loss: float | None) -> None:
        self.epoch += 1
        if self.epoch == 1:
            self._keepers.snapshots.pin(self.index)
        self._closest.offer(self.epoch, self.train_loss)
        self.stop = self._stop_after_epoch(batch_loss)

    def _place(self) -> tuple[int, int, float]:
        return self.epoch, self.index, self.index / self._mover.last_step

    def _stop_after_epoch(self, batch_loss: float | None) -> Stop | None:
        protocol = self._training.protocol
        if not math.isfinite(self.train_loss) or not math.isfinite(batch_loss or 0.0):
            return Stop(StopReason.DIVERGED, "the training loss was not finite")
        request = self._composition.after_epoch(*self._place(), self._keepers.history.columns)
        reached = protocol.target_loss is not None and self.train_loss <= protocol.target_loss
        if reached and protocol.target_rule == "reached":
            return Stop(StopReason.TARGET)
        if request:
            return Stop(StopReason.REQUESTED, request)
        if self.epoch == protocol.max_epochs:
            return self._after_all_epochs()
        return None

    def _after_all_epochs(self) -> Stop:
        target = self._training.protocol.target_loss
        if target is None or self._closest.state is None:
            return Stop(StopReason.MAX_EPOCHS)
        losses = self._keepers.history.columns["train_loss"]
        reached = any(loss is not None and loss <= target for loss in losses)
        return Stop(
            StopReason.TARGET if reached else StopReason.MAX_EPOCHS,
            f"the weights are those after epoch {self._closest.epoch}",
        )
