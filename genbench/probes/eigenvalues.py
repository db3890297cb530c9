"""Whole spectra of the weight matrices, and power laws fitted to their tails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.layers import Layer

__all__ = [
    "Form",
    "PowerLaw",
    "eigenvalues",
    "finite",
    "fit_power_law",
    "layer_spectra",
    "long_enough",
    "pooled",
    "pooled_eigenvalues",
    "power_laws",
    "scaled_slices",
]

Form = Literal["paper", "program"]
"""The definitions of the papers, or what WeightWatcher 0.7.7 prints."""

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))
_SPECTRA = genbench.need("layer_spectra", shared=("fold", "form"))
_EIGENVALUES = genbench.need("eigenvalues", shared=("fold", "smallest"), form=genbench.setting("form"))

# What the program does not fit, and how it fits few eigenvalues: no tail of fewer than eight.
_PROGRAM_LOWEST = 1e-5
_PROGRAM_FEW, _PROGRAM_TAIL = 20, 8


@genbench.probe
def layer_spectra(layers=_LAYERS, *, fold: bool = False, form: Form = "paper") -> tuple[Tensor, ...]:
    """`pooled_eigenvalues` of every layer, however few they are.

    Parameters
    ----------
    fold : bool
        Fold each batch norm, with its running statistics, into the weights beside it first.
    form : {"paper", "program"}
        What the paper defines, or what WeightWatcher 0.7.7 prints, which has changed since. There weights of
        a kernel of kh · kw places are multiplied by √(1/2), not √(kh kw / 2), short spectra get another
        power law, and the bulk another fit.
    """
    return tuple(pooled_eigenvalues(layer, form) for layer in layers)


@genbench.probe
def eigenvalues(spectra=_SPECTRA, *, smallest: Count = 10) -> tuple[Tensor, ...]:
    """Eigenvalues of WᵀW of each layer, rising, as WeightWatcher (Martin, Peng & Mahoney 2021) takes them.

    A convolution counts as its kh · kw slices (out, in), their eigenvalues pooled and the weights multiplied
    by √(kh kw / 2), in the `form` of the program by √(1/2). Eigenvalues of zero are left out.

    Parameters
    ----------
    smallest : int
        Layers with fewer eigenvalues are passed over: no distribution can be read off them. WeightWatcher
        0.7.7 passes over those with fewer than 8.

    Raises
    ------
    NotApplicable
        No layer has as many eigenvalues.
    """
    return tuple(spectra[place] for place in long_enough(spectra, smallest))


def long_enough(spectra: tuple[Tensor, ...], smallest: int) -> list[int]:
    """Places of the layers with at least `smallest` eigenvalues; raises NotApplicable where there is none."""
    places = [place for place, spectrum in enumerate(spectra) if len(spectrum) >= smallest]
    if not places:
        most = max(len(spectrum) for spectrum in spectra)
        raise genbench.NotApplicable(f"no layer has {smallest} eigenvalues, the largest has {most}")
    return places


@dataclass(frozen=True)
class PowerLaw:
    """A density ∝ λ^−α above λ_min, fitted to eigenvalues.

    Attributes
    ----------
    alpha : float
    smallest : float
        λ_min, where the tail begins.
    distance : float
        Kolmogorov-Smirnov distance of the tail from the fit.
    """

    alpha: float
    smallest: float
    distance: float


@genbench.probe
def power_laws(spectra=_EIGENVALUES, *, form: Form = "paper") -> tuple[PowerLaw, ...]:
    """The power law of each of the `eigenvalues`.

    Parameters
    ----------
    form : {"paper", "program"}
        The fit of Clauset et al. to all spectra, or what WeightWatcher 0.7.7 prints: where there are fewer
        than 20 eigenvalues, it takes tails of 8 and more only and α without bias, for a tail of two or three
        has an α of chance; it fits none below 1e-5, and multiplies a kernel's weights by √(1/2).
    """
    return tuple(fit_power_law(spectrum, form) for spectrum in spectra)


def fit_power_law(values: Tensor, form: Form = "paper") -> PowerLaw:
    """Fit a power law to the tail of a sample, by Clauset, Shalizi & Newman 2009.

    For each value as the beginning of the tail, α is the maximum-likelihood estimate (their eq. 3.1); the
    beginning is the one at which the tail is nearest to its fit in Kolmogorov-Smirnov distance.

    Parameters
    ----------
    values : Tensor, shape (n,), n ≥ 2
        Positive, rising.
    form : {"paper", "program"}
        WeightWatcher 0.7.7 fits what exceeds 1e-5; of fewer than 20 values it takes tails of 8 and more only,
        and their α without bias, 1 + (n − 1) / Σ ln(λ / λ_min).

    Raises
    ------
    NotApplicable
        All values are the same; or in the form of the program, fewer than two exceed 1e-5.
    """
    shortest, lost = 2, 0
    if form == "program":
        values = values[values > _PROGRAM_LOWEST]
        if len(values) < 2:
            raise genbench.NotApplicable(f"a layer has fewer than two eigenvalues above {_PROGRAM_LOWEST:g}")
        if len(values) < _PROGRAM_FEW:
            shortest, lost = min(_PROGRAM_TAIL, len(values)), 1
    logs = values.log()
    best: PowerLaw | None = None
    for start in range(len(values) - shortest + 1):
        tail = logs[start:] - logs[start]
        total = float(tail.sum())
        if total <= 0:
            continue
        alpha = 1 + (len(tail) - lost) / total
        fitted = 1 - (-(alpha - 1) * tail).exp()
        empirical = torch.arange(len(tail), dtype=tail.dtype, device=tail.device) / len(tail)
        distance = float((fitted - empirical).abs().max())
        if best is None or distance < best.distance:
            best = PowerLaw(alpha, float(values[start]), distance)
    if best is None:
        raise genbench.NotApplicable("all eigenvalues of a layer are the same, which is no power law")
    return best


def pooled_eigenvalues(layer: Layer, form: Form = "paper") -> Tensor:
    """Eigenvalues of one layer that are not zero, pooled over the slices of its kernel and scaled, rising."""
    return pooled(torch.linalg.svdvals(scaled_slices(layer, form)).square())


def scaled_slices(layer: Layer, form: Form = "paper") -> Tensor:
    """The matrices whose squared singular values are pooled, shape (slices, out, in)."""
    weight = finite(layer.weight)
    kernel = weight[0, 0].numel()
    slices = weight.reshape(*weight.shape[:2], kernel).movedim(2, 0)
    if layer.convolution is None:
        return slices
    return slices * ((kernel if form == "paper" else 1) / 2) ** 0.5


def pooled(values: Tensor) -> Tensor:
    """Eigenvalues of all slices as one spectrum, rising, without those that are zero."""
    spectrum = values.flatten().sort().values
    # What is left of an eigenvalue of zero is the rounding of single-precision weights, not a tail.
    return spectrum[spectrum > spectrum[-1] * 1e-12]


def finite(weight: Tensor) -> Tensor:
    """The weight itself.

    Raises
    ------
    NotApplicable
        Its entries are not finite.
    """
    if not weight.isfinite().all():
        raise genbench.NotApplicable("the weights are not finite")
    return weight
