"""PAC-Bayes bounds: weights that bear more noise need fewer bits to be told, and should generalize better.

σ is the largest standard deviation of normal noise on all weights that costs `drop` of training accuracy,
see the probe `tolerated_noise`; w are the weights of all layers, batch norm folded in, without biases, ω is
their number, m that of training examples. One search serves all isotropic measures, another all those with
noise in proportion to the weights (σ').

The code published with Dziugaite et al. 2020 passes σ² where a standard deviation is meant;
``compat="nitarshan"`` gives its values, by σ_theirs = √σ. `by_size` takes √(value / m), as they report it.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.constraints import Count, Positive, Probability
from genbench.measures.conventions import FROBENIUS, FROBENIUS_DISTANCES, LAYERS, per_example
from genbench.probes.layers import Layer, matched

__all__ = [
    "Denominator",
    "flattened",
    "pacbayes_flatness",
    "pacbayes_init",
    "pacbayes_mag_flatness",
    "pacbayes_mag_init",
    "pacbayes_mag_orig",
    "pacbayes_orig",
]

Compat = Literal["none", "nitarshan"]
Denominator = Literal["distance", "weight"]

_FORWARDED = {
    name: genbench.setting(name) for name in ("drop", "draws", "largest", "fold", "biases", "examples")
}
_ISOTROPIC = genbench.need("tolerated_noise", **_FORWARDED)
_MAGNITUDE = genbench.need(
    "tolerated_noise", scaling="magnitude", epsilon=genbench.setting("epsilon"), **_FORWARDED
)
_INITIAL_LAYERS = genbench.need("initial_layers", fold=genbench.setting("fold"))


@genbench.measure(
    family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 48",
    formula="‖w − w⁰‖² / (4σ²) + ln(m / σ) + 10",
)  # fmt: skip
def pacbayes_init(
    sample_size, distances=FROBENIUS_DISTANCES, sigma=_ISOTROPIC,
    *, drop: Probability = 0.1, draws: Count = 10, largest: Positive = 2.0, compat: Compat = "none",
    fold: bool = True, biases: bool = True, examples: Count = 10_000, by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound with the initial weights as the prior's mean: distance over the noise that is borne."""
    return _bound(distances, sigma, sample_size, compat, by_size)


@genbench.measure(
    family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 49",
    formula="‖w‖² / (4σ²) + ln(m / σ) + 10",
)  # fmt: skip
def pacbayes_orig(
    sample_size, norms=FROBENIUS, sigma=_ISOTROPIC,
    *, drop: Probability = 0.1, draws: Count = 10, largest: Positive = 2.0, compat: Compat = "none",
    fold: bool = True, biases: bool = True, examples: Count = 10_000, by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound with the origin as the prior's mean: norm over the noise that is borne."""
    return _bound(norms, sigma, sample_size, compat, by_size)


@genbench.measure(family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 53", formula="1 / σ²")
def pacbayes_flatness(
    sample_size, sigma=_ISOTROPIC,
    *, drop: Probability = 0.1, draws: Count = 10, largest: Positive = 2.0, compat: Compat = "none",
    fold: bool = True, biases: bool = True, examples: Count = 10_000, by_size: bool = False,
) -> Tensor:  # fmt: skip
    """How little noise the weights bear: flat minima bear much."""
    return per_example(
        torch.tensor(_reported(sigma, compat) ** -2, dtype=torch.float64), sample_size, by_size
    )


@genbench.measure(
    family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 56",
    formula="¼ Σ_i ln[(ε² + (σ'² + 1) ‖w − w⁰‖² / ω) / (ε² + σ'² (w_i − w_i⁰)²)] + ln(m / σ') + 10",
)  # fmt: skip
def pacbayes_mag_init(
    sample_size, layers=LAYERS, initial=_INITIAL_LAYERS, sigma=_MAGNITUDE,
    *, drop: Probability = 0.1, draws: Count = 10, largest: Positive = 2.0, epsilon: Positive = 1e-3,
    fold: bool = True, biases: bool = True, examples: Count = 10_000, by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound for noise in proportion to each weight's distance from its initial value.

    The sum is half the Kullback-Leibler divergence of N(w_i, ε² + σ'² (w_i − w_i⁰)²) from the best isotropic
    normal prior about w⁰. The σ' of the search scales the weights themselves.
    """
    _, distance = flattened(layers, initial)
    value = _magnitude_bound(distance.square().mean(), distance, sigma, epsilon, sample_size)
    return per_example(value, sample_size, by_size)


@genbench.measure(
    family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 57",
    formula="¼ Σ_i ln[(ε² + (σ'² + 1) ‖w‖² / ω) / (ε² + σ'² (w_i − w_i⁰)²)] + ln(m / σ') + 10",
)  # fmt: skip
def pacbayes_mag_orig(
    sample_size, layers=LAYERS, initial=_INITIAL_LAYERS, sigma=_MAGNITUDE,
    *, denominator: Denominator = "distance", drop: Probability = 0.1, draws: Count = 10,
    largest: Positive = 2.0, epsilon: Positive = 1e-3, fold: bool = True, biases: bool = True,
    examples: Count = 10_000, by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound for noise in proportion to the weights, with the origin as the prior's mean.

    Parameters
    ----------
    denominator : {"distance", "weight"}
        ``distance``: (w_i − w_i⁰)² stands in the denominator, as published, although the numerator has ‖w‖².
        ``weight``: w_i², which makes the sum half a Kullback-Leibler divergence again.
    """
    weight, distance = flattened(layers, initial)
    below = distance if denominator == "distance" else weight
    value = _magnitude_bound(weight.square().mean(), below, sigma, epsilon, sample_size)
    return per_example(value, sample_size, by_size)


@genbench.measure(family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 61", formula="1 / σ'²")
def pacbayes_mag_flatness(
    sample_size, sigma=_MAGNITUDE,
    *, drop: Probability = 0.1, draws: Count = 10, largest: Positive = 2.0, epsilon: Positive = 1e-3,
    fold: bool = True, biases: bool = True, examples: Count = 10_000, by_size: bool = False,
) -> Tensor:  # fmt: skip
    """How little noise the weights bear, the noise on each having standard deviation √(σ'² w_i² + ε²)."""
    return per_example(torch.tensor(sigma**-2, dtype=torch.float64), sample_size, by_size)


def flattened(current: tuple[Layer, ...], initial: tuple[Layer, ...]) -> tuple[Tensor, Tensor]:
    """All weights of the layers, and their distances from the initial ones, each as one vector.

    Raises
    ------
    NotApplicable
        The two networks do not have the same layers.
    """
    pairs = matched(current, initial)
    weight = torch.cat([now.weight.flatten() for now, _ in pairs])
    return weight, weight - torch.cat([then.weight.flatten() for _, then in pairs])


def _reported(sigma: float, compat: str) -> float:
    return math.sqrt(sigma) if compat == "nitarshan" else sigma


def _bound(lengths: Tensor, sigma: float, m: int, compat: str, by_size: bool) -> Tensor:
    sigma = _reported(sigma, compat)
    value = lengths.square().sum() / (4 * sigma**2) + math.log(m / sigma) + 10
    return per_example(value, m, by_size)


def _magnitude_bound(mean_square: Tensor, below: Tensor, sigma: float, epsilon: float, m: int) -> Tensor:
    numerator = epsilon**2 + (sigma**2 + 1) * mean_square
    denominator = epsilon**2 + (sigma * below).square()
    return (numerator / denominator).log().sum() / 4 + math.log(m / sigma) + 10
