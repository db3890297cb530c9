"""Power laws with an exponential cut-off, fitted to the tails of the layers' spectra."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

import genbench
from genbench.base.constraints import Count

__all__ = ["TruncatedPowerLaw", "fit_truncated_power_law", "truncated_power_laws"]

_SPECTRA = genbench.need("eigenvalues", shared=("fold", "smallest"))
_LAWS = genbench.need("power_laws", shared=("fold", "smallest"))

# Where the cut-off may lie, in units of the beginning of the tail; e^−750 is no double.
_LOWEST_RATE = 1e-6
_HIGHEST = 1e4  # of rate and exponent, either of which is large where the tail is narrow
_NEGLIGIBLE = 750.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(400)


@dataclass(frozen=True)
class TruncatedPowerLaw:
    """A density ∝ λ^−α e^{−rate λ} above the beginning of a tail."""

    alpha: float
    rate: float


@genbench.probe(version=2)
def truncated_power_laws(spectra=_SPECTRA, laws=_LAWS, *, tail: Count = 5) -> tuple[TruncatedPowerLaw, ...]:
    """The truncated law of each of the `eigenvalues`, in the tail that its power law begins.

    Parameters
    ----------
    tail : int
        Layers with fewer eigenvalues in the tail are passed over: two numbers cannot be read off them.

    Raises
    ------
    NotApplicable
        No tail has as many eigenvalues.
    """
    tails = [spectrum[spectrum >= law.smallest] for spectrum, law in zip(spectra, laws, strict=True)]
    if max(map(len, tails)) < tail:
        longest = max(map(len, tails))
        raise genbench.NotApplicable(f"no tail has {tail} eigenvalues, the longest has {longest}")
    return tuple(fit_truncated_power_law(each) for each in tails if len(each) >= tail)


def fit_truncated_power_law(values: Tensor) -> TruncatedPowerLaw:
    """The most likely α and rate ≥ 0 (Clauset, Shalizi & Newman 2009, table 2).

    The likelihood is that of an exponential family in (ln λ, λ), hence concave. With a cut-off α may be any
    number, and is below 1 where the density rises before it falls or falls more slowly than 1/λ.

    Parameters
    ----------
    values : Tensor, shape (n,)
        Rising, the first one the beginning of the tail.
    """
    from scipy.optimize import minimize

    scaled = values.cpu().numpy() / float(values[0])
    means = np.array([np.log(scaled).mean(), scaled.mean()])

    def loss(point: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
        alpha, rate = point[0], math.exp(point[1])
        log_normalizer, expected = _moments(alpha, rate)
        gradient = means - expected
        return float(log_normalizer + alpha * means[0] + rate * means[1]), gradient * [1.0, rate]

    bounds = [(-_HIGHEST, _HIGHEST), (math.log(_LOWEST_RATE), math.log(_HIGHEST))]
    starts = [(2.0, math.log(0.1)), (1.0 + 1 / max(means[0], 0.03), math.log(1e-4))]
    tries = [
        minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-9}
        )
        for start in starts
    ]
    alpha, log_rate = min(tries, key=lambda each: each.fun).x
    return TruncatedPowerLaw(float(alpha), math.exp(log_rate) / float(values[0]))


def _moments(alpha: float, rate: float) -> tuple[float, np.ndarray[Any, Any]]:
    """ln ∫_1^∞ t^−α e^{−rate t} dt, and the means of ln t and t under that density."""
    # In s = ln t, as far as the integrand is a double; for α < 1 it has its peak where t = (1 − α) / rate.
    reach = math.log(1 + (_NEGLIGIBLE + 3 * max(0.0, 1 - alpha)) / rate)
    if alpha > 1:
        reach = min(reach, _NEGLIGIBLE / (alpha - 1))
    # From s = 0 on the integrand mostly falls: nodes are dense there.
    place = reach * ((_NODES + 1) / 2) ** 3
    logarithms = (1 - alpha) * place - rate * np.exp(place)
    highest = logarithms.max()
    density = np.exp(logarithms - highest) * _WEIGHTS * reach * 1.5 * ((_NODES + 1) / 2) ** 2
    total = density.sum()
    expected = np.array([(density * place).sum(), (density * np.exp(place)).sum()]) / total
    return highest + math.log(total), expected
