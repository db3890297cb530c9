"""The worst perturbation of the weights, sought by gradient ascent, and how large it must be to do harm."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count, Positive, Probability
from genbench.networks.objective import Objective

__all__ = ["Ball", "loss_gradient", "require_way_up", "tolerated_ascent"]

Ball = Literal["box", "euclidean", "magnitude"]

_OBJECTIVE = genbench.need("objective", examples=genbench.setting("examples"), shared=("fold", "biases"))
_UNFOLDED = genbench.need(
    "objective", fold=genbench.setting("fold"), examples=genbench.setting("examples"), shared="biases"
)

# Radii grow from this share of the largest one on; the search ends within the given ratio.
_SMALLEST = 4.0**-10
_GROWTH = 4.0
_RATIO = 1.01


@genbench.probe(cost="C")
def loss_gradient(objective=_UNFOLDED, *, fold: bool = False, examples: Count = 1000) -> Tensor:
    """Gradient of the training loss by the weights of `objective`, shape (parameters,).

    Parameters
    ----------
    fold : bool
        Fold batch norm into the weights beside it first, see `objective`.
    examples : int
        At most this many training examples, evenly spaced over the training split.
    """
    return objective.gradient(objective.weights)


def require_way_up(rise: Tensor, loss: float, precision: torch.dtype) -> None:
    """Raise NotApplicable where the loss rises, to first order, by no more than its own rounding.

    Parameters
    ----------
    rise : Tensor, shape ()
        The largest scalar product of the gradient with a perturbation.
    loss : float
        What it starts from.
    precision : dtype
        Of the weights.
    """
    if rise <= torch.finfo(precision).eps * loss:
        raise genbench.NotApplicable("the gradient of the loss is zero up to rounding, there is no way up")


@genbench.probe(cost="E", version=2)
def tolerated_ascent(
    objective=_OBJECTIVE,
    *, ball: Ball = "box", drop: Probability = 0.1, steps: Count = 3, largest: Positive = 2.0,
    epsilon: Positive = 1e-3, examples: Count = 1000,
) -> float:  # fmt: skip
    """The largest α within which gradient ascent finds no weights that cost more than `drop` of accuracy.

    One ascent of the training loss, starting at the trained weights, goes on while the ball grows fourfold,
    until the accuracy is lost. Between the last two radii a bisection finds it to 1 %, each time with `steps`
    steps that start from the perturbation of the largest ball in which nothing was lost. There is no chance
    in it.

    Parameters
    ----------
    ball : {"box", "euclidean", "magnitude"}
        |δ_i| ≤ α, ascending along the signs of the gradient; ‖δ‖₂ ≤ α, along the gradient; or
        |δ_i| ≤ α |w_i| + ε, along the signs, each weight in proportion to its bound.
    drop : float
        Training accuracy that may be lost.
    steps : int
        Steps of ascent at each radius.
    largest : float
        α of a network that loses no more even there.
    epsilon : float
        ε of the magnitude box.
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        The task is regression; the gradient is zero; or α of a millionth of `largest` costs more than `drop`.
    """
    objective.require_classification()
    ascent = _Ascent(objective, ball, epsilon, objective.accuracy(objective.weights) - drop)
    radius = largest * _SMALLEST
    direction = torch.zeros_like(objective.weights)
    reached = [(0.0, direction)]
    while True:
        direction, harmed = ascent.climb(direction, radius, 1)
        if not direction.any():
            raise genbench.NotApplicable("the gradient of the training loss is zero, there is no way up")
        if harmed:
            break
        reached.append((radius, direction))
        if radius >= largest:
            return largest
        radius = min(largest, _GROWTH * radius)
    # One step at each radius may have passed over one at which more steps do harm.
    high = radius
    low, direction = reached.pop()
    while reached:
        climbed, harmed = ascent.climb(direction, low, steps)
        if not harmed:
            direction = climbed
            break
        high = low
        low, direction = reached.pop()
    if low == 0:
        raise genbench.NotApplicable(f"the smallest perturbation costs more than {drop} of training accuracy")
    while high > _RATIO * low:
        middle = math.sqrt(low * high)
        climbed, harmed = ascent.climb(direction, middle, steps)
        if harmed:
            high = middle
        else:
            low, direction = middle, climbed
    return math.sqrt(low * high)


class _Ascent:
    """Gradient ascent of the training loss within a ball; directions are perturbations over its radii."""

    def __init__(self, objective: Objective, ball: Ball, epsilon: float, allowed: float):
        self._objective = objective
        self._ball = ball
        self._epsilon = epsilon
        self._allowed = allowed

    def climb(self, direction: Tensor, radius: float, steps: int) -> tuple[Tensor, bool]:
        """The direction after steps of length 1, 1/2, 1/3 ...; and whether the accuracy is lost there."""
        objective, radii = self._objective, self._radii(radius)
        for step in range(1, steps + 1):
            slope = radii * objective.gradient(objective.weights + radii * direction)
            direction = self._project(direction + self._uphill(slope) / step)
            if objective.accuracy(objective.weights + radii * direction) < self._allowed:
                return direction, True
        return direction, False

    def _radii(self, radius: float) -> Tensor | float:
        if self._ball == "magnitude":
            return radius * self._objective.weights.abs() + self._epsilon
        return radius

    def _uphill(self, slope: Tensor) -> Tensor:
        if self._ball != "euclidean":
            return slope.sign()
        length = torch.linalg.vector_norm(slope.double())
        return (slope / length.clamp_min(torch.finfo(torch.float64).tiny)).to(slope.dtype)

    def _project(self, direction: Tensor) -> Tensor:
        if self._ball == "euclidean":
            return direction / torch.linalg.vector_norm(direction).clamp_min(1)
        return direction.clamp(-1, 1)
