"""Updates that do not follow the mean gradient of a batch, but one that few examples cannot move far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count, Positive
from genbench.contract.regularizer import Planned, Regularizer, Step
from genbench.networks.kinds import is_batch_norm

__all__ = ["MedianOfMeans", "Winsorized", "winsorized_mean"]

Interpolation = Literal["linear", "lower", "higher", "midpoint", "nearest"]

SOURCE = "Walker 2023 (Appealing to gradients), section 5.5.1"
GIBIBYTE = 2**30
# Coordinates sorted at once: their copies and places take 12 bytes for each example.
COLUMNS = 2**19
# On a CPU fewer, which fit into its cache. Rows of a whole number of pages, as layers with 2^k weights have
# them, fall on one another there: sorting takes three times as long. A multiple of 64 leaves the
# bits of the mean what they are over all columns at once.
CPU_COLUMNS = 157 * 64


@genbench.regularizer(source=SOURCE, aliases=("wgd", "wsgd"))
@dataclass(frozen=True, kw_only=True)
class Winsorized(Regularizer):
    """Winsorized gradient descent: each coordinate's gradients are clipped to percentiles, then averaged.

    g_j = 1/m Σ_i clip(g_ij, l_j, u_j), l_j and u_j being the `level`-th and (100 − `level`)-th percentile of
    g_1j ... g_mj: WGD with full batches, WSGD with others. 50 is the median of each coordinate.

    Memory: the gradients of single examples, batch · parameters · 4 bytes, are held for as many parameters
    as fit into `memory`, at least one tensor of the network; a larger network takes several passes, with the
    same dropout. Sorting adds 12 bytes for each example and half a million coordinates.

    With batch normalization single examples have no gradients; `group` then takes the mean gradients of
    groups of so many for them, each group with its own statistics. The running statistics are those of the
    whole batch.

    Attributes
    ----------
    level : float
        The percentile c, from 0 to 50; 0 is the plain gradient. The author gives no value.
    group : int
        Examples whose mean gradient counts as one; it must divide the batch. Of a last, smaller batch groups
        are as equal as can be, none smaller than `group`.
    interpolation : {"linear", "lower", "higher", "midpoint", "nearest"}
        Of percentiles that lie between two gradients; ``linear`` is that of NumPy and torch.
    memory : float
        GiB for gradients of single examples.
    chunk : int or None
        How many examples are differentiated at once; all where left out.
    """

    level: Annotated[float, Ge(0), Le(50)] = 10.0
    group: Count = 1
    interpolation: Interpolation = "linear"
    memory: Positive = 1.0
    chunk: Count | None = None

    replaces_gradient: ClassVar[bool] = True
    capturable: ClassVar[bool] = True

    @property
    def step_cost(self) -> float:  # type: ignore[override]
        """8 where gradients are clipped, 1 at level 0."""
        # Sorting single gradients takes longer than making them.
        return 8.0 if self.level else 1.0

    def check(self, planned: Planned) -> None:
        """Refuse groups that do not divide the batch, and batch normalization without groups."""
        size = _batch(planned)
        if size % self.group:
            self.refuse(f"group = {self.group} does not divide a batch of {size} examples")
        if self.level and self.group == 1 and (name := _batch_norm(planned.model)):
            self.refuse(
                f"with batch normalization ('{name}') single examples have no gradients; take groups of two "
                "or more (group = 2), or another normalization"
            )

    def gradient_memory(self, parameters: int, batch: int) -> float:
        """Bytes of the gradients of examples or groups held at once, `memory` at most; 0 at level 0."""
        held = 4 * parameters * batch / self.group
        return min(held, self.memory * GIBIBYTE) if self.level else 0.0

    def gradient(self, step: Step, inner: Callable[[], Tensor]) -> Tensor:
        """Leave the mean of the clipped gradients in ``.grad``; at level 0 what ``inner()`` leaves."""
        if self.level == 0:
            return inner()
        groups = max(1, len(step.targets) // self.group)
        if _batch_norm(step.model):
            inner()  # the running statistics of the whole batch

        def gradients_of(names: Sequence[str]) -> tuple[dict[str, Tensor], Tensor]:
            if self.group > 1:
                return _group_gradients(step, names, groups)
            found = step.per_example_gradients(self.chunk, names)
            assert step.example_losses is not None
            return found, step.example_losses

        rows = groups if self.group > 1 else len(step.targets)
        return _robust_gradient(
            step, gradients_of, rows, int(self.memory * GIBIBYTE), self.level, self.interpolation
        )


@genbench.regularizer(source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class MedianOfMeans(Regularizer):
    """The batch is cut into groups; each coordinate's gradient is the median of the groups' mean gradients.

    Of an even number of groups the median is the mean of the two in the middle. Memory: groups · parameters
    · 4 bytes. With batch normalization each group has its own statistics; the running statistics are those of
    the whole batch.

    Attributes
    ----------
    groups : int
        The author's k, of which no value is given; it must divide the batch. One group is the plain gradient.
        A last, smaller batch has at most so many groups, as equal as can be.
    """

    groups: Count = 3

    replaces_gradient: ClassVar[bool] = True
    capturable: ClassVar[bool] = True

    @property
    def step_cost(self) -> float:  # type: ignore[override]
        """(1 + groups) / 2."""
        # The arithmetic is that of one pass, but there are as many passes as groups.
        return (1 + self.groups) / 2

    def check(self, planned: Planned) -> None:
        """Refuse groups that do not divide the batch, and with batch normalization groups of one example."""
        size = _batch(planned)
        if size % self.groups:
            self.refuse(f"groups = {self.groups} does not divide a batch of {size} examples")
        if self.groups > 1 and size == self.groups and (name := _batch_norm(planned.model)):
            self.refuse(
                f"groups = {self.groups}: with batch normalization ('{name}') a group needs two examples"
            )

    def gradient_memory(self, parameters: int, batch: int) -> float:
        """Bytes of the gradients of all groups; 0 for a single one."""
        return 4.0 * parameters * self.groups if self.groups > 1 else 0.0

    def gradient(self, step: Step, inner: Callable[[], Tensor]) -> Tensor:
        """Leave the median of the groups' mean gradients in ``.grad``; of one group, its mean."""
        if self.groups == 1:
            return inner()
        smallest = 1
        if _batch_norm(step.model):
            inner()  # the running statistics of the whole batch
            smallest = 2
        groups = max(1, min(self.groups, len(step.targets) // smallest))
        return _robust_gradient(
            step, lambda names: _group_gradients(step, names, groups), groups, None, 50.0, "linear"
        )


def winsorized_mean(values: Tensor, level: float, interpolation: Interpolation = "linear") -> Tensor:
    """Mean over the first dimension of values clipped to the percentiles `level` and 100 − `level`.

    Parameters
    ----------
    values : Tensor, shape (n, ...)
    level : float
        From 0 to 50, which is the median.
    """
    flat = values.flatten(1) if values.dim() > 1 else values.unsqueeze(1)
    means = []
    for columns in flat.split(CPU_COLUMNS if flat.device.type == "cpu" else COLUMNS, dim=1):
        ordered = _sorted(columns)
        lower = _quantile(ordered, level / 100, interpolation)
        upper = _quantile(ordered, 1 - level / 100, interpolation)
        means.append(columns.clamp(lower, upper).mean(0))
    return torch.cat(means).reshape(values.shape[1:])


def _sorted(columns: Tensor) -> Tensor:
    """Each column upwards; on a CPU by NumPy, which sorts short columns ten times as fast as torch does."""
    if columns.device.type == "cpu" and columns.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(np.sort(columns.numpy(), axis=0))
    return columns.sort(0).values


def _quantile(ordered: Tensor, share: float, interpolation: Interpolation) -> Tensor:
    """A quantile of each column, sorted upwards."""
    place = share * (len(ordered) - 1)
    nearest = round(place)
    if abs(place - nearest) < 1e-9:
        return ordered[nearest]
    below = int(place)
    weight = {
        "linear": place - below, "lower": 0.0, "higher": 1.0, "midpoint": 0.5,
        "nearest": float(nearest > below),
    }[interpolation]  # fmt: skip
    return ordered[below].lerp(ordered[below + 1], weight)


def _robust_gradient(
    step: Step,
    gradients_of: Callable[[Sequence[str]], tuple[dict[str, Tensor], Tensor]],
    rows: int,
    memory: int | None,
    level: float,
    interpolation: Interpolation,
) -> Tensor:
    """Leave the robust mean of the rows of gradients in ``.grad``; return the mean loss."""
    losses: Tensor | None = None
    parts = list(_parts(step.model, rows, memory))
    # One pass needs no state put back, which a captured step could not do.
    before = _random_state(step.targets) if len(parts) > 1 else None
    for names in parts:
        if before is not None:
            _set_random_state(step.targets, before)
        gradients, losses = gradients_of(names)
        for name, rows_of_one in gradients.items():
            step.model.get_parameter(name).grad = winsorized_mean(rows_of_one, level, interpolation)
    assert losses is not None
    return losses.mean()


def _group_gradients(step: Step, names: Sequence[str], groups: int) -> tuple[dict[str, Tensor], Tensor]:
    """Gradients of the mean loss of groups of examples that follow one another, stacked, and these losses."""
    parameters = [step.model.get_parameter(name) for name in names]
    losses, found = [], []
    for inputs, targets in zip(
        step.inputs.tensor_split(groups), step.targets.tensor_split(groups), strict=True
    ):
        loss = step.criterion(step.model(inputs), targets)
        found.append(torch.autograd.grad(loss, parameters, materialize_grads=True))
        losses.append(loss.detach())
    step.hidden.clear()  # what was captured belongs to the last group
    return dict(zip(names, map(torch.stack, zip(*found, strict=True)), strict=True)), torch.stack(losses)


def _parts(model: nn.Module, rows: int, memory: int | None) -> Iterator[list[str]]:
    """Names of the trained parameters, in parts whose gradients fit into so many bytes."""
    part: list[str] = []
    held = 0
    for name, each in model.named_parameters():
        if not each.requires_grad:
            continue
        size = rows * each.numel() * each.element_size()
        if part and memory is not None and held + size > memory:
            yield part
            part, held = [], 0
        part.append(name)
        held += size
    yield part


def _batch(planned: Planned) -> int:
    size = planned.protocol.batch_size
    return size if planned.examples is None else min(size, planned.examples)


def _batch_norm(model: nn.Module) -> str:
    """Name of the first batch normalization; empty where there is none."""
    return next((name for name, each in model.named_modules() if is_batch_norm(each)), "")


def _random_state(like: Tensor) -> Tensor:
    return torch.cuda.get_rng_state(like.device) if like.is_cuda else torch.get_rng_state()


def _set_random_state(like: Tensor, state: Tensor) -> None:
    if like.is_cuda:
        torch.cuda.set_rng_state(state, like.device)
    else:
        torch.set_rng_state(state)
