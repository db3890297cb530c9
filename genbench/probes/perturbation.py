"""Random perturbations of the weights, and how large they may be.

All perturbations of one kind move the weights along the same random directions. A direction is kept as the
seed that it is drawn from, so that memory holds one at a time; of small networks a search holds them all.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count, Positive, Probability
from genbench.networks.objective import Objective

__all__ = [
    "Compat",
    "Scaling",
    "direction_seeds",
    "normal_direction",
    "spread",
    "tolerated_noise",
]

Scaling = Literal["isotropic", "magnitude"]
Compat = Literal["none", "nitarshan"]

_OBJECTIVE = genbench.need("objective", shared=("fold", "biases", "examples"))
_SEEDS = genbench.need("direction_seeds", draws=genbench.setting("draws"))

# The search for the noise begins this far below the largest one. It is coarse first: few directions and an
# eighth of the examples, but so many at least, down to an interval of ln σ; what more directions lose at its
# ends tells where in between to go on.
_SMALLEST = 2.0**-20
_FEW_DRAWS = 3
_MANY_DRAWS = 12
_FEWEST = 100
_INTERVAL = 0.5
# With all examples and directions it ends with a step of ln σ no longer than this: the power of σ that the
# accuracy lost grows with is known to a tenth or so.
_LAST_STEP = 0.04
# With fewer examples it does matter which.
_FEWEST_IN_PART = 125
# At most this many bytes of directions are kept, rather than drawn again at each step.
_KEPT_BYTES = 64 * 2**20


@genbench.probe
def direction_seeds(generator, *, draws: Count = 10) -> tuple[int, ...]:
    """Seeds of the random directions along which weights are moved.

    Parameters
    ----------
    draws : int
        Directions.
    """
    device = generator.device
    return tuple(torch.randint(2**62, (draws,), generator=generator, device=device).tolist())


def normal_direction(seed: int, weights: Tensor) -> Tensor:
    """Independent standard normal numbers, as many as weights; the same in every precision."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(weights.shape, generator=generator, device=weights.device, dtype=torch.float32)
    return drawn.to(weights.dtype)


def spread(
    weights: Tensor, sigma: float, scaling: Scaling, epsilon: float, compat: Compat = "none"
) -> Tensor | float:
    """Standard deviation of the noise on each weight: σ, or √(σ² w² + ε²) where it follows the magnitude.

    With ``compat="nitarshan"`` the square of either, as in a published program.
    """
    if scaling == "isotropic":
        return sigma if compat == "none" else sigma**2
    variance = (sigma * weights).square() + epsilon**2
    return variance.sqrt() if compat == "none" else variance


@genbench.probe(cost="E", version=6)
def tolerated_noise(
    objective=_OBJECTIVE, seeds=_SEEDS,
    *, scaling: Scaling = "isotropic", drop: Probability = 0.1, draws: Count = 36, parts: Count = 3,
    largest: Positive = 2.0, epsilon: Positive = 1e-3, compat: Compat = "none",
) -> float:  # fmt: skip
    """The largest σ at which normal noise on the weights costs no more than `drop` of training accuracy.

    The accuracy lost is a mean over `draws` directions, which are the same at every σ. A search with some of
    the directions and examples comes so near that a last step along the power of σ that the loss of accuracy
    follows is enough. That each direction sees a third of the examples only puts the end off by 0.5 % in the
    root mean square; which 36 directions are drawn matters four times as much.

    Parameters
    ----------
    scaling : {"isotropic", "magnitude"}
        Standard deviation σ for every weight, or √(σ² w² + ε²).
    drop : float
        Training accuracy that may be lost, as a share of the examples.
    draws : int
        Directions.
    parts : int
        Each direction is tried on one of so many random parts of the examples, none of fewer than 125.
    largest : float
        σ of a network that loses no more even there, as one at chance level does; the published searches end
        there too.
    epsilon : float
        ε of the scaling by magnitude.
    compat : {"none", "nitarshan"}
        Standard deviations are those of `scaling`, or their squares.

    Raises
    ------
    NotApplicable
        The task is regression; or the smallest noise, a millionth of `largest`, costs more than `drop`.
    """
    weights = objective.weights
    total = len(objective.inputs)
    # Mixed, for classes that take turns in the data would fall into parts of their own.
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0)).to(objective.inputs.device)
    mixed = replace(objective, inputs=objective.inputs[order], targets=objective.targets[order])
    some = _parts(mixed, max(1, min(parts, total // _FEWEST_IN_PART)))
    sample = _parts(mixed, max(1, min(8, total // _FEWEST)))[:1]

    direction_of: Callable[[int], Tensor] = functools.partial(normal_direction, weights=weights)
    if len(seeds) * weights.numel() * weights.element_size() <= _KEPT_BYTES:
        direction_of = functools.cache(direction_of)

    @functools.cache
    def clean(objectives: tuple[Objective, ...]) -> list[Tensor]:
        return [each.unread_accuracy(weights) for each in objectives]

    def lost(
        points: Sequence[float], seen: tuple[Objective, ...], chosen: Sequence[int] = seeds
    ) -> list[float]:
        """Accuracy lost at each ln σ in these directions, each on one of the parts in turn."""
        deviations = [spread(weights, math.exp(point), scaling, epsilon, compat) for point in points]
        found = [torch.zeros((), dtype=torch.float64, device=objective.device) for _ in points]
        for number, seed in enumerate(chosen):
            direction, place = direction_of(seed), number % len(seen)
            for i, deviation in enumerate(deviations):
                kept = seen[place].unread_accuracy(weights + deviation * direction)
                found[i] += clean(seen)[place] - kept
        return (torch.stack(found) / len(chosen)).tolist()

    few, many = seeds[:_FEW_DRAWS], seeds[:_MANY_DRAWS]
    top = math.log(largest)
    bottom = top + math.log(_SMALLEST)
    if lost([top], sample, few)[0] <= drop and lost([top], some)[0] <= drop:
        return largest
    near = _bisected(lambda point: lost([point], sample, few)[0], drop, bottom, top, _INTERVAL)
    low, high = near - _INTERVAL / 2, min(top, near + _INTERVAL / 2)
    if low < bottom + _INTERVAL and lost([bottom], some)[0] > drop:
        raise genbench.NotApplicable(f"the smallest noise costs more than {drop} of training accuracy")
    at_low, at_high = lost([low, high], sample, many)
    power = _power(at_low, at_high, high - low)
    near = min(top, max(bottom, high + _step(at_high, drop, power)))
    return math.exp(_refined(lambda point: lost([point], some)[0], drop, near, power, bottom, top))


def _parts(objective: Objective, count: int) -> tuple[Objective, ...]:
    """The objectives of so many parts of the examples, of about the same size."""
    split = objective.inputs.tensor_split(count), objective.targets.tensor_split(count)
    return tuple(
        replace(objective, inputs=inputs, targets=targets) for inputs, targets in zip(*split, strict=True)
    )


def _bisected(lost: Callable[[float], float], drop: float, low: float, high: float, width: float) -> float:
    """Middle of an interval of at most that width in which a rising function crosses `drop`."""
    while high - low > width:
        middle = (low + high) / 2
        low, high = (middle, high) if lost(middle) <= drop else (low, middle)
    return (low + high) / 2


def _power(at_low: float, at_high: float, distance: float, otherwise: float = 2.0) -> float:
    """p of an accuracy lost that grows as σ^p, from two values and the distance of their ln σ."""
    if at_low <= 0 or at_high <= at_low:
        return otherwise
    return min(8.0, max(0.5, math.log(at_high / at_low) / distance))


def _step(value: float, drop: float, power: float) -> float:
    """From the ln σ of a value to that of `drop`, at most the length of an interval."""
    ratio = drop / value if value > 0 else math.inf
    return min(_INTERVAL, max(-_INTERVAL, math.log(ratio) / power if ratio > 0 else -math.inf))


def _refined(
    lost: Callable[[float], float], drop: float, point: float, power: float, bottom: float, top: float
) -> float:
    """Where the accuracy lost crosses `drop`, from a point near it and the power there."""
    below, above = bottom, top
    before: tuple[float, float] | None = None
    for _ in range(20):
        value = lost(point)
        if before is not None and point != before[0]:
            (first, at_first), (last, at_last) = sorted([before, (point, value)])
            power = _power(at_first, at_last, last - first, power)
        before = point, value
        if value <= drop:
            below = max(below, point)
        else:
            above = min(above, point)
        proposed = point + _step(value, drop, power)
        inside = below <= proposed <= above
        if not inside:
            proposed = (below + above) / 2
        moved, point = abs(proposed - point), proposed
        if moved < (_LAST_STEP if inside else _LAST_STEP / 10):
            break
    return point
