"""Sharpness: how soon, or how much, the training loss or accuracy suffers when the weights are moved.

In the measures of Jiang et al. α is the largest radius within which gradient ascent costs no more than `drop`
of training accuracy, see the probe `tolerated_ascent`; w are the weights of all layers, batch norm folded in,
without biases, ω is their number, m that of training examples. The other measures look at the loss, and by
default at the network's own parameters, batch norm as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Lt
from torch import Tensor

import genbench
from genbench.base.constraints import Count, Positive
from genbench.measures.conventions import FROBENIUS, FROBENIUS_DISTANCES, LAYERS, per_example
from genbench.measures.pac_bayes import Denominator, flattened
from genbench.networks.example_noise import ExampleNoise, OtherRows
from genbench.networks.layers import Layer
from genbench.networks.objective import Objective
from genbench.probes.ascent import require_way_up
from genbench.probes.perturbation import normal_direction

__all__ = [
    "avg_sharpness",
    "flatness_radius",
    "sam_sharpness",
    "sharpness_flatness",
    "sharpness_init",
    "sharpness_mag_flatness",
    "sharpness_mag_init",
    "sharpness_mag_orig",
    "sharpness_orig",
]

_ASCENT = ("drop", "steps", "largest", "fold", "biases", "examples")
_ALPHA = genbench.need("tolerated_ascent", ball=genbench.setting("ball"), shared=_ASCENT)
_MAGNITUDE = genbench.need("tolerated_ascent", ball="magnitude", shared=("epsilon", *_ASCENT))
# The same search for bounds, which have ε in their formulas too.
_MAGNITUDE_BOUND = genbench.need(
    "tolerated_ascent", ball="magnitude", epsilon=genbench.setting("epsilon"), shared=_ASCENT
)
_INITIAL_LAYERS = genbench.need("initial_layers", shared="fold")
_OBJECTIVE = genbench.need(
    "objective", fold=genbench.setting("fold"), examples=genbench.setting("examples"), shared="biases"
)
_GRADIENT = genbench.need("loss_gradient", shared=("fold", "biases", "examples"))
_SEEDS = genbench.need("direction_seeds", draws=genbench.setting("draws"))
_RADII = genbench.need("flatness_radii", shared=("scope", "increase", "draws", "fold", "biases", "examples"))

# Which direction is drawn matters more than which examples see it, but with few chance decides.
_FEWEST_IN_PART = 100
# Directions along which all examples move alike say less each: so many times as many are drawn.
_WITHOUT_SIGNS = 3

Shape = Literal["box", "euclidean"]
Confidence = Annotated[float, Gt(0), Lt(1)]


@genbench.measure(family="sharpness", direction="+", source="Jiang et al. 2020, eq. 54", formula="1 / α²")
def sharpness_flatness(sample_size, alpha=_ALPHA, *, ball: Shape = "box", by_size: bool = False) -> Tensor:
    """How near the worst weights are: flat minima have none nearby.

    Parameters
    ----------
    ball : {"box", "euclidean"}
        Each weight may move by α, as published, or all together by α.
    """
    return per_example(torch.tensor(alpha**-2, dtype=torch.float64), sample_size, by_size)


@genbench.measure(
    family="sharpness", direction="+", source="Jiang et al. 2020, eq. 51",
    formula="‖w − w⁰‖² ln(2ω) / (4α²) + ln(m / α) + 10",
)  # fmt: skip
def sharpness_init(
    sample_size, distances=FROBENIUS_DISTANCES, layers=LAYERS, alpha=_ALPHA,
    *, ball: Shape = "box", by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound with the initial weights as the prior's mean: distance over the radius that is borne."""
    return per_example(_bound(distances, layers, alpha, sample_size), sample_size, by_size)


@genbench.measure(
    family="sharpness", direction="+", source="Jiang et al. 2020, eq. 52",
    formula="‖w‖² ln(2ω) / (4α²) + ln(m / α) + 10",
)  # fmt: skip
def sharpness_orig(
    sample_size, norms=FROBENIUS, layers=LAYERS, alpha=_ALPHA, *, ball: Shape = "box", by_size: bool = False
) -> Tensor:
    """The bound with the origin as the prior's mean: norm over the radius that is borne."""
    return per_example(_bound(norms, layers, alpha, sample_size), sample_size, by_size)


@genbench.measure(family="sharpness", direction="+", source="Jiang et al. 2020, eq. 62", formula="1 / α'²")
def sharpness_mag_flatness(sample_size, alpha=_MAGNITUDE, *, by_size: bool = False) -> Tensor:
    """How near the worst weights are when each may move by α' |w_i| + ε."""
    return per_example(torch.tensor(alpha**-2, dtype=torch.float64), sample_size, by_size)


@genbench.measure(
    family="sharpness", direction="+", source="Jiang et al. 2020, eq. 59",
    formula="¼ Σ_i ln[(ε² + (α'² + 4 ln(2ω/δ)) ‖w − w⁰‖² / ω) / (ε² + α'² (w_i − w_i⁰)²)] + ln(m/δ) + 10",
)  # fmt: skip
def sharpness_mag_init(
    sample_size, layers=LAYERS, initial=_INITIAL_LAYERS, alpha=_MAGNITUDE_BOUND,
    *, prefactor: Positive = 0.25, confidence: Confidence = 0.05, epsilon: Positive = 1e-3,
    by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound for perturbations in proportion to the weights, the initial weights being the prior's mean.

    Parameters
    ----------
    prefactor : float
        Of the sum: ¼ makes it half a Kullback-Leibler divergence as in `pacbayes_mag_init`; ½ is also found.
    confidence : float
        δ, the probability with which the bound may fail.
    """
    _, distance = flattened(layers, initial)
    value = _magnitude_bound(distance, distance, alpha, epsilon, prefactor, confidence, sample_size)
    return per_example(value, sample_size, by_size)


@genbench.measure(
    family="sharpness", direction="+", source="Jiang et al. 2020, eq. 60",
    formula="¼ Σ_i ln[(ε² + (α'² + 4 ln(2ω/δ)) ‖w‖² / ω) / (ε² + α'² (w_i − w_i⁰)²)] + ln(m/δ) + 10",
)  # fmt: skip
def sharpness_mag_orig(
    sample_size, layers=LAYERS, initial=_INITIAL_LAYERS, alpha=_MAGNITUDE_BOUND,
    *, denominator: Denominator = "distance", prefactor: Positive = 0.25, confidence: Confidence = 0.05,
    epsilon: Positive = 1e-3, by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound for perturbations in proportion to the weights, with the origin as the prior's mean.

    Parameters
    ----------
    denominator : {"distance", "weight"}
        Whether (w_i − w_i⁰)², as published, or w_i² stands in the denominator, see `pacbayes_mag_orig`.
    prefactor, confidence
        As of `sharpness_mag_init`.
    """
    weight, distance = flattened(layers, initial)
    below = distance if denominator == "distance" else weight
    value = _magnitude_bound(weight, below, alpha, epsilon, prefactor, confidence, sample_size)
    return per_example(value, sample_size, by_size)


@genbench.measure(
    family="sharpness", direction="-", source="Zhang et al. 2017 (Theory of deep learning III), eq. 13",
    formula="mean over δ of sup{r: |L(w) − L(w + r δ)| ≤ ε}, ‖δ‖ = 1", version=2,
)  # fmt: skip
def flatness_radius(radii=_RADII) -> Tensor:
    """How far along a random direction the training loss stays the same within ε.

    The way ends where the loss first leaves that range, as steps by a factor of 1.5 find it; should it come
    back further out, that does not count, as in a supremum it would.
    """
    return radii.mean()


@genbench.measure(
    family="sharpness", direction="+",
    source="Andriushchenko et al. 2023, section 3 (average-case sharpness)",
    formula="E_δ L(w + δ) − L(w), δ ~ N(0, ρ² diag c²) or U[−ρ c, ρ c], c = |w| or 1", cost="B",
    version=3,
)  # fmt: skip
def avg_sharpness(
    objective=_OBJECTIVE, seeds=_SEEDS,
    *, radius: Positive = 0.1, shape: Shape = "euclidean", adaptive: bool = True,
    logits: Literal["raw", "normalized"] = "raw", draws: Count = 16, parts: Count = 8, fold: bool = False,
    examples: Count = 1000,
) -> Tensor:  # fmt: skip
    """By how much random noise on the weights raises the training loss on average.

    Noise is tried along with its opposite, so that what it does to first order cancels. Where the layers
    allow it each example sees the noise with signs of its own, see `genbench.networks.example_noise`. Chance
    is 4 to 10 % of the value for networks of the suite `digits`; for a ResNet-18 at 1,000 pictures 7 %, where
    noise that all examples share would leave a quarter at a higher cost.

    Parameters
    ----------
    radius : float
        ρ.
    shape : {"euclidean", "box"}
        Normal noise of standard deviation ρ c, or uniform noise between −ρ c and ρ c.
    adaptive : bool
        c = |w|, noise in proportion to each weight, otherwise c = 1.
    logits : {"raw", "normalized"}
        ``normalized``: centred over the classes and divided by their Euclidean norm before the loss.
    draws, parts : int
        Random directions, three times as many where examples have no signs of their own; each is tried on one
        of so many parts of the examples, in turn. Of few examples the parts are halved in number, until none
        has fewer than 100.
    """
    normalized = logits == "normalized"
    if normalized:
        objective.require_classification()
    weights, total = objective.weights, len(objective.inputs)
    scale = radius * (weights.abs() if adaptive else torch.ones_like(weights))
    count = min(parts, total)
    while count > 1 and total < count * _FEWEST_IN_PART:
        count = -(-count // 2)

    def noise(seed: int) -> Tensor:
        direction = normal_direction(seed, weights)
        if shape == "box":
            direction = torch.erf(direction / math.sqrt(2))  # the distribution function of a normal one
        return direction.mul_(scale)  # in place: for a large network memory costs as much as running it

    own = ExampleNoise(objective)

    def signed(seed: int, some: slice) -> Tensor:
        return own.losses(noise(seed), some, torch.Generator().manual_seed(seed + 1), normalized=normalized)

    def shared(seed: int, some: slice) -> Tensor:
        return _on_both_sides(objective.of(some), noise(seed), normalized)

    before = torch.cat(list(objective.losses(weights, normalized=normalized)))
    if own.holds(noise(seeds[0])):
        with suppress(OtherRows):
            return _mean_rise(signed, seeds, before, count)
    more = tuple(seed + further for seed in seeds for further in range(_WITHOUT_SIGNS))
    return _mean_rise(shared, more, before, count)


def _mean_rise(
    after: Callable[[int, slice], Tensor], seeds: Sequence[int], before: Tensor, parts: int
) -> Tensor:
    """Mean rise of the losses `before`, (n,), to the mean of the rows of `after`, each seed on its part."""
    raised, seen = torch.zeros((), dtype=torch.float64, device=before.device), 0
    for number, seed in enumerate(seeds):
        some = slice(number % parts, None, parts)
        raised += (after(seed, some).mean(0) - before[some]).sum()
        seen += len(before[some])
    return raised / seen


def _on_both_sides(part: Objective, noise: Tensor, normalized: bool) -> Tensor:
    """Losses of the examples at weights plus noise and at weights minus noise, shape (2, n), double."""
    moved = (part.weights + noise, part.weights - noise)
    return torch.stack([torch.cat(list(part.losses(each, normalized=normalized))) for each in moved])


@genbench.measure(
    family="sharpness", direction="+",
    source="Foret et al. 2021 (sharpness-aware minimization), eq. 2; adaptive: Kwon et al. 2021, eq. 5",
    formula="L(w + ρ c² g / ‖c g‖₂) − L(w), g = ∇L(w), c = 1 or |w|", cost="B",
)  # fmt: skip
def sam_sharpness(
    objective=_OBJECTIVE, gradient=_GRADIENT, *, radius: Positive = 0.05, adaptive: bool = False
) -> Tensor:
    """By how much one step of length ρ along the gradient raises the training loss.

    Parameters
    ----------
    radius : float
        ρ.
    adaptive : bool
        c = |w|: the step is of length ρ when each weight is measured by its own size.
    """
    scaled = gradient.double() * (objective.weights.abs() if adaptive else 1)
    length = torch.linalg.vector_norm(scaled)
    before = objective.loss(objective.weights)
    require_way_up(radius * length, before, objective.weights.dtype)
    step = radius * scaled / length * (objective.weights.abs() if adaptive else 1)
    moved = objective.weights + step.to(objective.weights.dtype)
    return torch.tensor(objective.loss(moved) - before, dtype=torch.float64)


def _bound(lengths: Tensor, layers: tuple[Layer, ...], alpha: float, m: int) -> Tensor:
    count = sum(layer.weight.numel() for layer in layers)
    return lengths.square().sum() * math.log(2 * count) / (4 * alpha**2) + math.log(m / alpha) + 10


def _magnitude_bound(
    above: Tensor, below: Tensor, alpha: float, epsilon: float, prefactor: float, delta: float, m: int
) -> Tensor:
    reach = alpha**2 + 4 * math.log(2 * len(above) / delta)
    numerator = epsilon**2 + reach * above.square().mean()
    denominator = epsilon**2 + (alpha * below).square()
    return prefactor * (numerator / denominator).log().sum() + math.log(m / delta) + 10
