"""One update after the other: where the examples of a step come from, and how the network is moved.

`PlainSteps` are calls, as on the CPU; those of `genbench.training.device_steps` can be captured.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from genbench.training.augmentation import Draws, draw
from genbench.training.batches import batch_sizes, batches
from genbench.training.composition import Composition
from genbench.training.optimizer import LearningRates
from genbench.training.pixels import HeldTraining
from genbench.training.replays import Replays

__all__ = ["Mover", "PlainSteps", "Steps"]


@dataclass(frozen=True, kw_only=True)
class Mover:
    """What makes the updates of one training: the network's regularizers, its optimizer and its streams."""

    training: HeldTraining
    composition: Composition
    optimizer: torch.optim.Optimizer
    rates: LearningRates
    order_stream: torch.Generator
    augmentation_stream: torch.Generator

    @cached_property
    def last_step(self) -> int:
        """Updates of the longest possible training."""
        return self.training.protocol.max_epochs * self.training.steps_per_epoch

    @cached_property
    def clip(self) -> float | None:
        """Largest norm of the gradient."""
        return self.training.protocol.gradient_clip

    @cached_property
    def parameters(self) -> list[nn.Parameter]:
        """All that the optimizer moves."""
        return [each for group in self.optimizer.param_groups for each in group["params"]]

    def update(self) -> None:
        """Move the weights by the gradient that they hold."""
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        self.composition.after_update()

    def draw_order(self) -> Tensor:
        """The order of the examples of the next epoch, on the CPU."""
        return torch.randperm(len(self.training.targets), generator=self.order_stream)

    def draw_augmentation(self, device: torch.device) -> Draws | None:
        """The augmentation of each position of the next epoch's order."""
        training = self.training
        return draw(
            training.protocol.augmentation, len(training.targets), training.task.input_shape,
            self.augmentation_stream, device,
        )  # fmt: skip


class Steps(ABC):
    """The steps of one training, an epoch at a time.

    Attributes
    ----------
    loss_sum : float or Tensor
        Sum of the losses of the epoch's batches so far.
    why_not_captured : str
        Why the steps are made as calls on a device where others are captured; empty where they are not.
    """

    loss_sum: float | Tensor
    why_not_captured: str = ""

    @abstractmethod
    def begin_epoch(self, index: int) -> None:
        """Draw what is drawn for an epoch whose first step has this index."""

    @abstractmethod
    def more(self) -> bool:
        """Whether the epoch has another batch; it is asked for once before each `take`."""

    def totals(self) -> Tensor | None:
        """What `evaluation_totals` would find of the present weights, where it is known already."""
        return None

    @abstractmethod
    def take(self, epoch: int, index: int) -> bool:
        """Make the step; False where its loss was seen not to be finite, and no update was made."""


class PlainSteps(Steps):
    """Steps as calls, for the CPU: the value of each loss is looked at.

    Parameters
    ----------
    replays : bool
        Whether the network is declared to be capturable. Gradients and evaluations are then made by the
        operators alone that were seen to make them, with the same bits, where nobody who takes part objects.
    """

    def __init__(self, mover: Mover, *, replays: bool = False):
        self._mover = mover
        # At hand, as small networks take a fraction of a millisecond for a step.
        self._rates, self._last_step = mover.rates, mover.last_step
        self._gradient = mover.composition.gradient
        self._sizes = batch_sizes(len(mover.training.targets), mover.training.protocol.batch_size)
        self._batches: Iterator[tuple[Tensor, Tensor]] = iter(())
        self._batch: tuple[Tensor, Tensor] | None = None
        self.loss_sum = 0.0
        replays = replays and mover.composition.replayable and not mover.training.protocol.compile
        self._replays = Replays(mover.training, mover.composition, mover.parameters) if replays else None

    def begin_epoch(self, index: int) -> None:
        """Draw the order and the augmentation."""
        training = self._mover.training
        order = self._mover.draw_order()
        draws = self._mover.draw_augmentation(training.device)
        self._batches = batches(training.held, training.targets, order, self._sizes, draws)
        self.loss_sum = 0.0
        if self._replays:
            self._replays.look()

    def more(self) -> bool:
        """Whether there is another batch; it is cut from the data by this."""
        self._batch = next(self._batches, None)
        return self._batch is not None

    def totals(self) -> Tensor | None:
        """Those of the present weights, where they are made without the network."""
        return self._replays.totals() if self._replays else None

    def take(self, epoch: int, index: int) -> bool:
        """Make the step, unless its loss is not finite."""
        assert self._batch is not None
        if self._rates.changing:
            self._rates.set(index)
        if self._replays:
            loss = float(self._replays.gradient(*self._batch))
        else:
            loss = float(self._gradient(*self._batch, epoch, index, index / self._last_step))
        if not math.isfinite(loss):
            return False
        self._mover.update()
        self.loss_sum += loss
        return True
