"""What is kept along a training: the history, weights at milestones, and evenly spaced snapshots of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from genbench.base.errors import InvalidInput
from genbench.networks.walk import Walk, distances_between
from genbench.training.evaluation import where_doubles_are
from genbench.training.outcome import MILESTONES, Milestone

__all__ = ["ClosestKeeper", "HistoryKeeper", "MilestoneKeeper", "SnapshotKeeper", "WalkKeeper", "cpu_state"]


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise InvalidInput(
                f"the network's state has '{name}', a {type(value).__name__}, where only tensors can be kept"
            )
        yield name, value


def cpu_state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the state dict on the CPU, every tensor contiguous."""
    return {
        name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, value in _tensors(model)
    }


def _copied(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the state dict where it is, every tensor contiguous."""
    return {
        name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in _tensors(model)
    }


class HistoryKeeper:
    """Keeps the columns of `Outcome.history`.

    Parameters
    ----------
    on_row : callable, optional
        Called with each new row.

    Attributes
    ----------
    columns : dict from name to list
    """

    def __init__(self, on_row: Callable[[Mapping[str, float | None]], object] | None = None):
        names = ("epoch", "step", "train_loss", "train_error", "batch_loss", "learning_rate")
        self.columns: dict[str, list[float | None]] = {name: [] for name in names}
        self._on_row = on_row

    def add(self, **row: float | None) -> None:
        """Add a row that has every column."""
        for name, column in self.columns.items():
            column.append(row[name])
        if self._on_row is not None:
            self._on_row(row)


class MilestoneKeeper:
    """Keeps the weights at the first evaluation with a training loss at or below each threshold.

    Attributes
    ----------
    kept : list of Milestone
        From the highest threshold to the lowest.
    """

    def __init__(self, model: nn.Module, thresholds: Sequence[float] = MILESTONES):
        self._model = model
        self._open = sorted(thresholds, reverse=True)
        self.kept: list[Milestone] = []

    def offer(self, step: int, train_loss: float) -> None:
        """Keep the present weights if `train_loss` is the first one at or below a threshold."""
        reached = [each for each in self._open if train_loss <= each]
        if not reached:
            return
        state = cpu_state(self._model)
        for threshold in reached:
            self.kept.append(Milestone(threshold=threshold, step=step, train_loss=train_loss, state=state))
            self._open.remove(threshold)


class ClosestKeeper:
    """Keeps the weights whose training loss was closest to a target, the earlier ones of two.

    Parameters
    ----------
    target : float or None
        None keeps nothing.

    Attributes
    ----------
    state : dict or None
    epoch : int
        At whose end the network had these weights.
    """

    def __init__(self, model: nn.Module, target: float | None):
        self._model = model
        self._target = target
        self._distance = math.inf
        self.state: dict[str, Tensor] | None = None
        self.epoch = 0

    def offer(self, epoch: int, train_loss: float) -> None:
        """Keep the present weights if none were closer."""
        if self._target is None:
            return
        distance = abs(train_loss - self._target)
        if distance < self._distance:
            self._distance, self.epoch, self.state = distance, epoch, cpu_state(self._model)


class SnapshotKeeper:
    """Keeps at most `limit` evenly spaced snapshots of a training whose length is not known beforehand.

    Others can be pinned, whatever their steps.

    Every `spacing`-th step is kept, from step 0. When one too many is held, every other one is dropped and
    the spacing doubles: at least half of `limit` remain, and about limit / 2 · log2(steps / limit) copies
    are made in all. Copies stay on the network's device until `settle`, so that no step waits for it.
    """

    def __init__(self, model: nn.Module, limit: int):
        self._model = model
        self._limit = limit
        self._spacing = 1
        self._spaced: dict[int, dict[str, Tensor]] = {}
        self._pinned: dict[int, dict[str, Tensor]] = {}

    @property
    def kept(self) -> dict[int, dict[str, Tensor]]:
        """The states by their steps, in order, on the CPU."""
        self.settle()
        return dict(sorted((self._pinned | self._spaced).items()))

    def pin(self, step: int) -> None:
        """Keep the present weights to the end, wherever the others lie."""
        if self._limit >= 1:
            self._pinned[step] = self._spaced[step] if step in self._spaced else _copied(self._model)

    def offer(self, step: int) -> None:
        """Keep the present weights if it is this step's turn."""
        if self._limit < 1 or step % self._spacing:
            return
        self._spaced[step] = _copied(self._model)
        while len(self._spaced) > self._limit:
            self._spacing *= 2
            self._spaced = {each: state for each, state in self._spaced.items() if each % self._spacing == 0}

    def settle(self) -> None:
        """Bring what is kept to the CPU."""
        for kept in (self._spaced, self._pinned):
            for state in kept.values():
                state.update({name: each.cpu() for name, each in state.items() if each.device.type != "cpu"})


class WalkKeeper:
    """Follows the trained parameters step by step; 0 for `last` keeps nothing.

    Parameters
    ----------
    model : Module
    last : int
        Between how many points, the last ones, distances will be known: they are held until the end.
    """

    def __init__(self, model: nn.Module, last: int):
        self._parameters = [each for each in model.parameters() if each.requires_grad]
        self._vectors: list[Tensor] = []
        self._places: list[int] = []
        self._last = last
        self._points: list[Tensor] = []
        self._lengths: list[Tensor] = []

    def offer(self) -> None:
        """Take the present weights as the next point."""
        if not self._last:
            return
        held = len(self._points)
        if held < self._last + 2:  # the first, those wanted, and the one before the next
            self._points.append(torch.cat(self._flat()))
        else:
            point = self._points.pop(1)
            torch.cat(self._flat(), out=point)
            self._points.append(point)
        if held:
            # Not asked for its value, so that on CUDA no step waits for the device.
            self._lengths.append(torch.linalg.vector_norm(self._points[-1] - self._points[-2]))

    def _flat(self) -> list[Tensor]:
        """The parameters as vectors: views of them, which are made anew where these see other memory."""
        if [each.data_ptr() for each in self._parameters] != self._places:
            self._vectors = [_as_it_lies(each) for each in self._parameters]
            self._places = [each.data_ptr() for each in self._vectors]
        return self._vectors

    def walk(self) -> Walk | None:
        """What was followed; None where nothing was."""
        if not self._points:
            return None
        lengths = torch.stack(self._lengths).cpu().double() if self._lengths else torch.zeros(0).double()
        points = [each.to(where_doubles_are(each.device)) for each in self._points]
        distance = torch.linalg.vector_norm(points[-1].double() - points[0].double())
        last = distances_between(torch.stack(points[-self._last :]))
        return Walk(torch.arange(len(lengths) + 1), lengths, float(distance), last.cpu())


def _as_it_lies(parameter: Tensor) -> Tensor:
    """The numbers of a parameter as a vector, in the order of memory: distances do not depend on it.

    Filters lie in channels-last order on CUDA; their own order would be a copy for each at every step.
    """
    values = parameter.detach()
    if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
        values = values.permute(0, 2, 3, 1)
    return values.flatten()
