"""Sums over all paths through a network, each by one forward pass of a network made for it.

A path goes from an input or a bias to an output; along it the weights are multiplied. What multiplies without
being a parameter enters as it is: an average pool over n positions as 1/n, where squares would have 1/n².
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Count
from genbench.networks.copying import copy_of
from genbench.networks.folding import explicit_batch_norm
from genbench.networks.freezing import slope
from genbench.networks.layers import weight_layers
from genbench.networks.linear_pieces import BENT, FAR, add_up, fixed_normal, require_linear_pieces
from genbench.networks.passes import chunks, evenly_spaced, forward
from genbench.networks.paths import OnlySums, gains, refuse_recurrence

__all__ = ["active_paths", "linear_paths", "squared_paths"]

_NOT_ACTIVATED = {F.elu: "ELU", F.celu: "CELU", F.leaky_relu: "leaky ReLU", F.prelu: "PReLU"}

_MODEL = genbench.need("folded_model", shared="fold")


class _Linear(OnlySums):
    """Leaves the ReLUs out, so that all paths are open."""

    refused: ClassVar[Mapping[Any, str]] = {**BENT, **_NOT_ACTIVATED}

    def relu(self, values: Tensor) -> Tensor:
        return values


class _Recording(OnlySums):
    """Notes which units are active, ReLU by ReLU in the order of the calls."""

    refused: ClassVar[Mapping[Any, str]] = {**BENT, **_NOT_ACTIVATED}

    def __init__(self) -> None:
        super().__init__()
        self.active: list[Tensor] = []

    def relu(self, values: Tensor) -> Tensor:
        self.active.append(values > 0)
        return values.clamp_min(0)


class _Replaying(OnlySums):
    """Opens the paths through the units that were active."""

    def __init__(self, active: list[Tensor]) -> None:
        super().__init__()
        self._active = iter(active)

    def relu(self, values: Tensor) -> Tensor:
        return values * next(self._active)


@genbench.probe(cost="B")
def squared_paths(inputs, folded=_MODEL) -> Tensor:
    """Sum over all paths of the product of the squared weights; a number, double.

    Every parameter is squared, biases included, and the network is applied to an input of ones in evaluation
    mode; the outputs are summed. Doubles hold networks of some hundred layers. That the sum over paths passes
    through the network is tried out: what reaches the outputs from two positive inputs must add up. Batch
    norm that is not folded is a layer of its own, its scale and shift squared.

    Raises
    ------
    NotApplicable
        The network has max-pooling, recurrence, attention, a normalization by the example, or an activation
        that does not map positive numbers to themselves; the inputs are indices; or the sum leaves the range
        of double precision.
    """
    return _checked_sum(_squared(folded, inputs), folded, inputs)


@genbench.probe(cost="B")
def active_paths(model, inputs, device, folded=_MODEL, *, examples: Count = 100) -> Tensor:
    """`squared_paths` through the units that are active, for each of s training examples, shape (s,), double.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced; each takes a forward pass in double precision.

    Raises
    ------
    NotApplicable
        As `squared_paths`; and the network has activations that are not ReLUs, or is not linear once its
        ReLUs are held as they are.
    """
    squared = _squared(folded, inputs)
    _checked_sum(squared, folded, inputs)
    picked = evenly_spaced(inputs, examples)
    found = []
    with torch.no_grad():
        for part in chunks(picked, device, copies=2):
            recording = _Recording()
            with recording:
                forward(model, picked[part])
            with _Replaying(recording.active):
                ones = torch.ones_like(picked[part], dtype=torch.float64)
                found.append(forward(squared, ones).sum(1))
    require_linear_pieces(model, picked[:1])
    return torch.cat(found)


@genbench.probe(cost="C")
def linear_paths(inputs, folded=_MODEL) -> Tensor:
    """Matrix of the network without its ReLUs, shape (outputs, inputs), double.

    Its entries are the sums, signs included, of the products of the weights over all paths from an input to
    an output.

    Raises
    ------
    NotApplicable
        As `active_paths`; without its ReLUs the network must be linear, up to a constant.
    """
    refuse_recurrence(folded)
    _require_numbers(inputs)
    point = torch.zeros_like(inputs[:1], dtype=torch.float64).requires_grad_()
    with torch.enable_grad():
        with _Linear():
            outputs = forward(folded, point)[0]
        rows = [slope(output, point, retain_graph=True).flatten() for output in outputs]
        matrix = torch.stack(rows)
    (far,) = FAR * fixed_normal(1, point)
    with torch.no_grad(), _Linear():
        reached = forward(folded, torch.cat([point, far, -far]))
    _require_range(reached)
    moved = (matrix @ far.flatten()).to(reached.device)
    if not add_up(reached[1:] - reached[0], torch.stack([moved, -moved]), reached):
        raise genbench.NotApplicable("the network without its ReLUs is not linear")
    return matrix


def _checked_sum(squared: nn.Module, model: nn.Module, inputs: Tensor) -> Tensor:
    """Sum of the outputs for an input of ones, after a look at whether it is a sum over paths."""
    ones = torch.ones_like(inputs[:1], dtype=torch.float64)
    one = FAR * (5 * fixed_normal(1, ones)[0]).sigmoid()
    other = FAR - one  # large where the first is small, so that a maximum changes its place
    with torch.no_grad(), OnlySums():
        reached = forward(squared, torch.cat([ones, one, other, one + other, torch.zeros_like(ones)]))
    _require_range(reached)
    of_ones, of_one, of_other, of_both, of_biases = reached
    if reached.min() < 0 or not add_up(of_one + of_other, of_both + of_biases, reached):
        raise genbench.NotApplicable(
            "a sum over paths does not pass through the network: with its weights squared, outputs for "
            "positive inputs are negative or do not add up"
        )
    total = of_ones.sum()
    if total < torch.finfo(total.dtype).tiny and all(layer.weight.any() for layer in weight_layers(model)):
        raise genbench.NotApplicable("no layer is zero, but the sum over paths is below what doubles hold")
    return total


def _require_numbers(inputs: Tensor) -> None:
    if not inputs.is_floating_point():
        raise genbench.NotApplicable(f"no path starts at inputs of type {inputs.dtype}")


def _require_range(reached: Tensor) -> None:
    if not reached.isfinite().all():
        raise genbench.NotApplicable("a sum over paths leaves the range of double precision")


def _squared(model: nn.Module, inputs: Tensor) -> nn.Module:
    """A copy in which all parameters are squared, batch norm being a scale and a shift."""
    refuse_recurrence(model)
    _require_numbers(inputs)
    squared = copy_of(model)
    explicit_batch_norm(squared)
    with torch.no_grad():
        for parameter in (*squared.parameters(), *gains(squared).values()):
            parameter.square_()
    return squared
