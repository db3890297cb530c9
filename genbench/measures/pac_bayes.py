"""PAC-Bayes bounds: weights that bear more noise need fewer bits to be told, and should generalize better.

σ is the largest standard deviation of normal noise on all weights that costs `drop` of training accuracy,
see the probe `tolerated_noise`; w are the weights of all layers, batch norm folded in, without biases, ω is
their number, m that of training examples. One search serves all isotropic measures, another all those with
noise in proportion to the weights (σ').

The code published with Dziugaite et al. 2020 passes a variance where a standard deviation is meant;
``compat="nitarshan"`` gives its values: by σ_theirs = √σ, and where noise follows the weights by a search of
its own. `by_size` takes √(value / m), as they report it. The bounds have three forms, see `pacbayes_init`.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Positive, Probability
from genbench.measures.conventions import FROBENIUS, FROBENIUS_DISTANCES, LAYERS, per_example
from genbench.networks.layers import Layer, matched
from genbench.probes.perturbation import Compat

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

Form = Literal["measure", "main", "full"]
Denominator = Literal["distance", "weight"]

_SEARCH = ("draws", "largest", "fold", "biases", "examples")
_ISOTROPIC = genbench.need("tolerated_noise", shared=("drop", *_SEARCH))
_MAGNITUDE = genbench.need(
    "tolerated_noise", scaling="magnitude", shared=("drop", "epsilon", "compat", *_SEARCH)
)
# The same searches for bounds, which have `drop` and ε in their formulas too.
_ISOTROPIC_BOUND = genbench.need("tolerated_noise", drop=genbench.setting("drop"), shared=_SEARCH)
_MAGNITUDE_BOUND = genbench.need(
    "tolerated_noise",
    scaling="magnitude",
    drop=genbench.setting("drop"),
    epsilon=genbench.setting("epsilon"),
    shared=("compat", *_SEARCH),
)
_INITIAL_LAYERS = genbench.need("initial_layers", shared="fold")


@genbench.measure(
    family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 48",
    formula="‖w − w⁰‖² / (4σ²) + ln(m / σ) + 10", version=2,
)  # fmt: skip
def pacbayes_init(
    sample_size, errors, distances=FROBENIUS_DISTANCES, sigma=_ISOTROPIC_BOUND,
    *, form: Form = "measure", drop: Probability = 0.1, compat: Compat = "none", by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound with the initial weights as the prior's mean: distance over the noise that is borne.

    Parameters
    ----------
    form : {"measure", "main", "full"}
        ``measure``: the formula B. ``main``: 2 (B − ln(m / σ) − 10), the term of weights and noise alone.
        ``full``: L̂ + drop + √((main + ln(100 m) + ln 20000) / (2 (m − 1))), which bounds the test error of
        the network under noise, whatever `by_size` is. L̂ is the training error; a published program has the
        training accuracy there.
    """
    sigma = _reported(sigma, compat)
    return _in_form(form, _isotropic(distances, sigma), sigma, sample_size, errors, drop, by_size)


@genbench.measure(
    family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 49",
    formula="‖w‖² / (4σ²) + ln(m / σ) + 10", version=2,
)  # fmt: skip
def pacbayes_orig(
    sample_size, errors, norms=FROBENIUS, sigma=_ISOTROPIC_BOUND,
    *, form: Form = "measure", drop: Probability = 0.1, compat: Compat = "none", by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound with the origin as the prior's mean: norm over the noise that is borne.

    Parameters
    ----------
    form
        As of `pacbayes_init`.
    """
    sigma = _reported(sigma, compat)
    return _in_form(form, _isotropic(norms, sigma), sigma, sample_size, errors, drop, by_size)


@genbench.measure(
    family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 53", formula="1 / σ²", version=2,
)  # fmt: skip
def pacbayes_flatness(
    sample_size, sigma=_ISOTROPIC, *, compat: Compat = "none", by_size: bool = False
) -> Tensor:
    """How little noise the weights bear: flat minima bear much."""
    return per_example(
        torch.tensor(_reported(sigma, compat) ** -2, dtype=torch.float64), sample_size, by_size
    )


@genbench.measure(
    family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 56",
    formula="¼ Σ_i ln[(ε² + (σ'² + 1) ‖w − w⁰‖² / ω) / (ε² + σ'² (w_i − w_i⁰)²)] + ln(m / σ') + 10",
    version=2,
)  # fmt: skip
def pacbayes_mag_init(
    sample_size, errors, layers=LAYERS, initial=_INITIAL_LAYERS, sigma=_MAGNITUDE_BOUND,
    *, form: Form = "measure", drop: Probability = 0.1, epsilon: Positive = 1e-3, by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound for noise in proportion to each weight's distance from its initial value.

    The sum is half the Kullback-Leibler divergence of N(w_i, ε² + σ'² (w_i − w_i⁰)²) from the best isotropic
    normal prior about w⁰. The σ' of the search scales the weights themselves.

    Parameters
    ----------
    form
        As of `pacbayes_init`.
    """
    _, distance = flattened(layers, initial)
    term = _proportional(distance.square().mean(), distance, sigma, epsilon)
    return _in_form(form, term, sigma, sample_size, errors, drop, by_size)


@genbench.measure(
    family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 57",
    formula="¼ Σ_i ln[(ε² + (σ'² + 1) ‖w‖² / ω) / (ε² + σ'² (w_i − w_i⁰)²)] + ln(m / σ') + 10", version=2,
)  # fmt: skip
def pacbayes_mag_orig(
    sample_size, errors, layers=LAYERS, initial=_INITIAL_LAYERS, sigma=_MAGNITUDE_BOUND,
    *, denominator: Denominator = "distance", form: Form = "measure", drop: Probability = 0.1,
    epsilon: Positive = 1e-3, by_size: bool = False,
) -> Tensor:  # fmt: skip
    """The bound for noise in proportion to the weights, with the origin as the prior's mean.

    Parameters
    ----------
    denominator : {"distance", "weight"}
        ``distance``: (w_i − w_i⁰)² stands in the denominator, as published, although the numerator has ‖w‖².
        ``weight``: w_i², which makes the sum half a Kullback-Leibler divergence again.
    form
        As of `pacbayes_init`.
    """
    weight, distance = flattened(layers, initial)
    below = distance if denominator == "distance" else weight
    term = _proportional(weight.square().mean(), below, sigma, epsilon)
    return _in_form(form, term, sigma, sample_size, errors, drop, by_size)


@genbench.measure(
    family="pac-bayes", direction="+", source="Jiang et al. 2020, eq. 61", formula="1 / σ'²", version=2,
)  # fmt: skip
def pacbayes_mag_flatness(sample_size, sigma=_MAGNITUDE, *, by_size: bool = False) -> Tensor:
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


def _isotropic(lengths: Tensor, sigma: float) -> Tensor:
    return lengths.square().sum() / (4 * sigma**2)


def _proportional(mean_square: Tensor, below: Tensor, sigma: float, epsilon: float) -> Tensor:
    numerator = epsilon**2 + (sigma**2 + 1) * mean_square
    denominator = epsilon**2 + (sigma * below).square()
    return (numerator / denominator).log().sum() / 4


def _in_form(
    form: Form, term: Tensor, sigma: float, m: int, error: Tensor, drop: float, by_size: bool
) -> Tensor:
    if form == "measure":
        value = term + math.log(m / sigma) + 10
    elif form == "main":
        value = 2 * term
    else:
        if m < 2:
            raise genbench.NotApplicable("the bound divides by the number of training examples less one")
        inside = (2 * term + math.log(100 * m) + math.log(20_000)) / (2 * (m - 1))
        return error + drop + inside.sqrt()
    return per_example(value, m, by_size)
