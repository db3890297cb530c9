"""Steps that read whatever changes between them from tensors on the device.

Such a step can be captured once and replayed, and nothing in it waits for the device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from genbench.training.augmentation import Draws, augment
from genbench.training.batches import batch_sizes
from genbench.training.pixels import lies_in_channels_last, rows_of
from genbench.training.steps import Mover, Steps

__all__ = ["CannotCapture", "Capture", "DeviceSteps", "Graph"]

CALLS_BEFORE_CAPTURE = 2
"""Steps of each size that are made as calls: they fill the optimizer's state and let libraries choose their
algorithms. They are steps of the training like all others, so that nothing has to be undone."""


class CannotCapture(Exception):
    """A step cannot be captured; the text says why."""


class Graph(Protocol):
    """A captured step."""

    def replay(self) -> None:
        """Make the step once more, on the same tensors."""
        ...


Capture = Callable[[Callable[[], None], list[torch.Generator]], Graph]
"""Captures a function that draws from these generators, without running it; raises `CannotCapture`."""


class DeviceSteps(Steps):
    """Steps whose order, learning rates, draws and counter are tensors that stay where they are.

    Parameters
    ----------
    mover : Mover
        Its learning rates are made tensors.
    capture : callable, optional
        Captures a step; without it all steps are calls.
    why_not : str
        Why there is none, where there could be.
    """

    def __init__(self, mover: Mover, capture: Capture | None, why_not: str = ""):
        self._mover = mover
        self._capture = capture
        self.why_not_captured = why_not
        training = mover.training
        self._device = training.device
        self._sizes = batch_sizes(len(training.targets), training.protocol.batch_size)
        self._first = {size: self._sizes.index(size) for size in self._sizes}
        self._offsets = {size: torch.arange(size, device=self._device) for size in self._first}
        mover.rates.put_on(self._device)
        # What an epoch rewrites: tensors that a captured step reads, made at the first epoch.
        self._tables: dict[str, Tensor] = {}
        self._padding = (0, 0)
        self._values: dict[int, list[list[str]]] = {}
        self._place = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._start = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._losses = torch.zeros((), dtype=torch.float64, device=self._device)
        self.loss_sum = self._losses
        self._graphs: dict[int, Graph] = {}
        self._calls: Counter[int] = Counter()
        self._done = 0

    def begin_epoch(self, index: int) -> None:
        """Draw, and put on the device, what the steps of an epoch read."""
        self._write("order", self._mover.draw_order())
        draws = self._mover.draw_augmentation(torch.device("cpu"))
        if draws is not None:
            self._padding = draws.padding
            for name in ("rows", "columns", "flips"):
                drawn = getattr(draws, name)
                if drawn is not None:
                    self._write(name, drawn)
        if self._mover.rates.changing:
            self._write("rates", self._mover.rates.table(index, len(self._sizes)))
        self._write_host_values(index)
        for each in (self._place, self._start, self._losses):
            each.zero_()
        self._done = 0

    def more(self) -> bool:
        """Whether there is another batch."""
        return self._done < len(self._sizes)

    def take(self, epoch: int, index: int) -> bool:
        """Make the step, or replay it; whether its loss is finite is seen at the end of the epoch."""
        size = self._sizes[self._done]
        if size not in self._graphs and self._capture and self._calls[size] >= CALLS_BEFORE_CAPTURE:
            self._try_capture(size)
        if size in self._graphs:
            self._graphs[size].replay()
        else:
            self._step(size, epoch, index)
            self._calls[size] += 1
        self._mover.rates.passed(index)
        self._done += 1
        return True

    def _try_capture(self, size: int) -> None:
        assert self._capture is not None
        try:
            # Numbers on the host are frozen by a capture; who is captured does not read them.
            self._graphs[size] = self._capture(
                lambda: self._step(size, 0, 0), self._mover.composition.generators
            )
        except CannotCapture as fault:
            self._capture = None
            self._graphs.clear()
            self.why_not_captured = str(fault)

    def _step(self, size: int, epoch: int, index: int) -> None:
        mover = self._mover
        if "rates" in self._tables:
            mover.rates.set_from(self._row("rates"))
        inputs, targets = self._batch(size)
        progress = index / mover.last_step
        values = self._host_values(size)
        loss = mover.composition.gradient(inputs, targets, epoch, index, progress, values)
        mover.update()
        self._losses.add_(loss)
        self._start.add_(size)
        self._place.add_(1)

    def _batch(self, size: int) -> tuple[Tensor, Tensor]:
        training = self._mover.training
        positions = self._start + self._offsets[size]
        chosen = self._tables["order"].index_select(0, positions)
        inputs = training.held
        images = lies_in_channels_last(inputs)
        picked = rows_of(inputs, chosen, images) if isinstance(inputs, Tensor) else inputs[chosen]
        if (draws := self._draws(positions)) is not None:
            picked = augment(picked, draws)
        if images:
            picked = picked.contiguous(memory_format=torch.channels_last)
        return picked, training.targets.index_select(0, chosen)

    def _draws(self, positions: Tensor) -> Draws | None:
        found = {
            name: self._tables[name].index_select(0, positions)
            for name in ("rows", "columns", "flips")
            if name in self._tables
        }
        return Draws(self._padding, **found) if found else None

    def _write(self, name: str, values: Tensor) -> None:
        """Put values into the tensor of this name without waiting for the device."""
        if name not in self._tables:
            self._tables[name] = torch.empty_like(values, device=self._device)
        if self._device.type == "cuda":
            values = values.pin_memory()
        self._tables[name].copy_(values, non_blocking=True)

    def _row(self, name: str, first: int = 0) -> Tensor:
        """The row of a table for the present step, where the table begins with the `first` one."""
        return self._tables[name].index_select(0, self._place - first)[0]

    def _write_host_values(self, index: int) -> None:
        """Have the host's values of all steps of an epoch made, in their order, and put into tables."""
        mover = self._mover
        rows: dict[int, list[list[Mapping[str, Any]]]] = {size: [] for size in self._first}
        for place, size in enumerate(self._sizes):
            step = index + place
            rows[size].append(mover.composition.host_values(step, step / mover.last_step, size))
        for size, steps in rows.items():
            self._values[size] = [list(made) for made in steps[0]]
            for which, names in enumerate(self._values[size]):
                for name in names:
                    stacked = np.stack([np.asarray(made[which][name], dtype=np.float64) for made in steps])
                    self._write(f"{size} {which} {name}", torch.from_numpy(stacked))

    def _host_values(self, size: int) -> list[dict[str, Tensor]]:
        return [
            {name: self._row(f"{size} {which} {name}", self._first[size]) for name in names}
            for which, names in enumerate(self._values[size])
        ]
