"""Whole spectra of the weight matrices, and power laws fitted to their tails."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.layers import Layer

__all__ = [
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

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))
_SPECTRA = genbench.need("layer_spectra", shared="fold")
_EIGENVALUES = genbench.need("eigenvalues", shared=("fold", "smallest"))


@genbench.probe
def layer_spectra(layers=_LAYERS, *, fold: bool = False) -> tuple[Tensor, ...]:
    """`pooled_eigenvalues` of every layer, however few they are.

    Parameters
    ----------
    fold : bool
        Fold each batch norm, with its running statistics, into the weights beside it first.
    """
    return tuple(pooled_eigenvalues(layer) for layer in layers)


@genbench.probe
def eigenvalues(spectra=_SPECTRA, *, smallest: Count = 10) -> tuple[Tensor, ...]:
    """Eigenvalues of WᵀW of each layer, rising, as WeightWatcher (Martin, Peng & Mahoney 2021) takes them.

    A convolution counts as its kh · kw slices (out, in), their eigenvalues pooled and the weights multiplied
    by √(kh kw / 2). Eigenvalues of zero are left out.

    Parameters
    ----------
    smallest : int
        Layers with fewer eigenvalues are passed over: no distribution can be read off them.

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
def power_laws(spectra=_EIGENVALUES) -> tuple[PowerLaw, ...]:
    """The power law of each of the `eigenvalues`."""
    return tuple(fit_power_law(spectrum) for spectrum in spectra)


def fit_power_law(values: Tensor) -> PowerLaw:
    """Fit a power law to the tail of a sample, by Clauset, Shalizi & Newman 2009.

    For each value as the beginning of the tail, α is the maximum-likelihood estimate (their eq. 3.1); the
    beginning is the one at which the tail is nearest to its fit in Kolmogorov-Smirnov distance.

    Parameters
    ----------
    values : Tensor, shape (n,), n ≥ 2
        Positive, rising.

    Raises
    ------
    NotApplicable
        All values are the same.
    """
    logs = values.log()
    best: PowerLaw | None = None
    for start in range(len(values) - 1):
        tail = logs[start:] - logs[start]
        total = float(tail.sum())
        if total <= 0:
            continue
        alpha = 1 + len(tail) / total
        fitted = 1 - (-(alpha - 1) * tail).exp()
        empirical = torch.arange(len(tail), dtype=tail.dtype, device=tail.device) / len(tail)
        distance = float((fitted - empirical).abs().max())
        if best is None or distance < best.distance:
            best = PowerLaw(alpha, float(values[start]), distance)
    if best is None:
        raise genbench.NotApplicable("all eigenvalues of a layer are the same, which is no power law")
    return best


def pooled_eigenvalues(layer: Layer) -> Tensor:
    """Eigenvalues of one layer that are not zero, pooled over the slices of its kernel and scaled, rising."""
    return pooled(torch.linalg.svdvals(scaled_slices(layer)).square())


def scaled_slices(layer: Layer) -> Tensor:
    """The matrices whose squared singular values are pooled, shape (slices, out, in)."""
    weight = finite(layer.weight)
    kernel = weight[0, 0].numel()
    slices = weight.reshape(*weight.shape[:2], kernel).movedim(2, 0)
    return slices if layer.convolution is None else slices * (kernel / 2) ** 0.5


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
