"""How far from the trained weights the training loss stays what it is: along random directions of its own
choice, or along such as make the volume of the region that is reached easy to estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count, Positive
from genbench.networks.hessian import Hessian
from genbench.networks.lanczos import lanczos
from genbench.networks.objective import Objective
from genbench.probes.perturbation import normal_direction

__all__ = ["basin_log_radii", "flatness_radii"]

_OBJECTIVE = genbench.need(
    "objective", fold=genbench.setting("fold"), examples=genbench.setting("examples"), shared="biases"
)
_KRYLOV = genbench.need(
    "hessian_krylov", examples=genbench.setting("curved"), shared=("steps", "fold", "biases")
)
_SEEDS = genbench.need("direction_seeds", draws=genbench.setting("draws"))
_PAIRS = genbench.need("direction_seeds", draws=genbench.setting("pairs"))

# Radii end where the change of the loss is as wanted to this part of it, by the precision of the weights.
_LAST_CHANGE = {torch.float32: 1e-4, torch.float64: 1e-8}
# Curvatures of less than this part of their average count as none; where all are known, of less than that.
_SMALL_CURVATURE = 0.1
_NO_CURVATURE = 1e-6


@genbench.probe(cost="E", version=2)
def flatness_radii(
    objective=_OBJECTIVE, seeds=_SEEDS,
    *, scope: Literal["all", "top"] = "all", increase: Positive = 0.05, draws: Count = 12, fold: bool = False,
    examples: Count = 1000,
) -> Tensor:  # fmt: skip
    """How far one may go along each random direction until the training loss has changed, shape (draws,).

    Parameters
    ----------
    scope : {"all", "top"}
        Directions in all weights or in those of the last layer, of length 1 there.
    increase : float
        ε, the change of the loss, up or down, at which the way ends.
    draws : int
        Directions.
    fold : bool
        Fold batch norm into the weights beside it first, see `objective`.
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        Along a direction the loss hardly changes however far one goes.
    """
    start = objective.top if scope == "top" else 0
    base = objective.loss(objective.weights)
    radii: list[float] = []
    for seed in seeds:
        direction = normal_direction(seed, objective.weights)
        direction[:start] = 0
        direction /= torch.linalg.vector_norm(direction)
        radii.append(_radius(objective, base, direction, increase, radii[-1] if radii else 1.0))
    return torch.tensor(radii, dtype=torch.float64)


@genbench.probe(cost="E", version=2)
def basin_log_radii(
    generator, objective=_OBJECTIVE, krylov=_KRYLOV, seeds=_PAIRS,
    *, increase: Positive = 0.05, pairs: Count = 8, curved: Count = 250, whole: Count = 100,
    examples: Count = 1000,
) -> Tensor:  # fmt: skip
    """Logarithms of the radii of the balls that random directions speak for, shape (pairs, 2), double.

    The region that holds the way to each of its points has the volume of the unit ball times the mean of
    r_δ^ω over directions δ of ω weights, r_δ being the way that one may go. The flat directions that make up
    this mean are hardly ever drawn evenly. So δ = P z / ‖P z‖ for standard normal z, with P = (1 + |H| /
    λ)^(-1/2), which prefers what is flat; as its density on the sphere is that of even directions times
    (‖P z‖ / ‖z‖)^ω / det P, it speaks for a ball with the logarithm of the radius

        ln r_δ − ln(‖P z‖ / ‖z‖) + (1/ω) ln det P.

    In the well of a quadratic whose curvatures are all known and large against λ that is the same for each.
    H is the Hessian on the Krylov space, zero outside, and λ a tenth of what |H| has on average, or where all
    is known a millionth, so that of a quadratic the volume is exact. Each z comes with −z, for the slope of a
    loss that is not at its minimum makes one way as short as the other is long.

    Parameters
    ----------
    increase : float
        ε, the change of the loss, up or down, at which the way ends.
    pairs : int
        Directions z, each with its opposite.
    curved : int
        At most this many training examples for the Hessian, evenly spaced over the training split.
    whole : int
        Of networks with so few weights all of the Hessian is taken, on all `examples`, whatever `steps`
        and `curved`.
    examples : int
        At most this many for the loss.

    Raises
    ------
    NotApplicable
        Along a direction the loss hardly changes however far one goes.
    """
    weights = objective.weights
    if len(weights) <= whole:
        krylov = lanczos(Hessian(objective).product, torch.zeros_like(weights), len(weights), generator)
    curvature = krylov.values.abs()
    share = _NO_CURVATURE if len(curvature) == len(weights) else _SMALL_CURVATURE
    small = share * curvature.sum() / len(weights)
    shrinking = (1 + curvature / small.clamp_min(1e-300)).rsqrt()
    ritz_vectors = krylov.vectors.T.to(weights.dtype) @ krylov.basis
    less = (shrinking - 1).to(weights.dtype)
    base = objective.loss(weights)
    radius, found = 1.0, []
    for seed in seeds:
        drawn = normal_direction(seed, weights)
        way = drawn + (less * (ritz_vectors @ drawn)) @ ritz_vectors
        for there in (way, -way):
            radius = _radius(objective, base, there, increase, radius)
            found.append(math.log(radius) + math.log(torch.linalg.vector_norm(drawn)))
    log_det = float(shrinking.log().sum())
    return torch.tensor(found, dtype=torch.float64).view(-1, 2) + log_det / len(weights)


def _radius(objective: Objective, base: float, way: Tensor, increase: float, start: float) -> float:
    """The first multiple of a direction at which the loss is `increase` off `base`, looked for at `start`."""

    def change(radius: float) -> float:
        return abs(objective.loss(objective.weights + radius * way) - base) / increase

    return _first_crossing(change, start, _LAST_CHANGE[objective.weights.dtype])


def _first_crossing(change: Callable[[float], float], start: float, tolerance: float) -> float:
    """Where a function that is zero at zero reaches one: the first place that steps of a factor 1.5 find.

    Within the last step it is closed in on by false position, in its Illinois form, in logarithms: the change
    of a loss is nearly a power of the distance.
    """

    def height(radius: float) -> float:
        ratio = change(radius)
        return math.log(max(ratio, 1e-9) if ratio < 1e9 else 1e9)  # also where the loss overflows

    low, at_low, high, at_high = 0.0, -math.inf, start, height(start)
    while at_high <= 0:
        low, at_low, high = high, at_high, 1.5 * high
        at_high = height(high)
        if high > 1e9:
            raise genbench.NotApplicable("along a random direction the loss does not change enough")
    while low == 0 and high > 1e-12:
        value = height(high / 1.5)
        if value <= 0:
            low, at_low = high / 1.5, value
        else:
            high, at_high = high / 1.5, value
    side = 0
    while high - low > 1e-9 * high and low > 0:
        middle = high * (low / high) ** (at_high / (at_high - at_low))
        value = height(middle)
        if abs(value) < tolerance:
            return middle
        if value < 0:
            low, at_low, at_high, side = middle, value, at_high / 2 if side < 0 else at_high, -1
        else:
            high, at_high, at_low, side = middle, value, at_low / 2 if side > 0 else at_low, 1
    return high
