"""What the spectra of the layers would be if their weights were independent of each other."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

import genbench
from genbench.constraints import Count
from genbench.probes.eigenvalues import long_enough, pooled_eigenvalues
from genbench.probes.layers import Layer

__all__ = ["Bulk", "bulk_of", "bulks", "shuffled_eigenvalues"]

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))
_SPECTRA = genbench.need("layer_spectra", fold=genbench.setting("fold"))


@genbench.probe
def shuffled_eigenvalues(
    generator, layers=_LAYERS, spectra=_SPECTRA,
    *, fold: bool = False, smallest: Count = 10, draws: Count = 3,
) -> tuple[tuple[Tensor, ...], ...]:  # fmt: skip
    """For each of the `eigenvalues`, those of the layer with its entries in random order.

    Parameters
    ----------
    draws : int
        How many random orders; WeightWatcher takes one.
    """
    return tuple(
        tuple(pooled_eigenvalues(_shuffled(layers[place], generator)) for _ in range(draws))
        for place in long_enough(spectra, smallest)
    )


def _shuffled(layer: Layer, generator: torch.Generator) -> Layer:
    order = torch.randperm(layer.weight.numel(), generator=generator, device=layer.weight.device)
    return dataclasses.replace(layer, weight=layer.weight.flatten()[order].reshape(layer.weight.shape))


@dataclasses.dataclass(frozen=True)
class Bulk:
    """The law of Marchenko & Pastur 1967, fitted to the eigenvalues of one layer that it can explain.

    Attributes
    ----------
    edge : float
        λ_+, the largest eigenvalue of independent entries of the fitted variance.
    spikes : int
        How many eigenvalues lie above it.
    """

    edge: float
    spikes: int


@genbench.probe
def bulks(layers=_LAYERS, spectra=_SPECTRA, *, fold: bool = False, smallest: Count = 10) -> tuple[Bulk, ...]:
    """The `Bulk` of each of the `eigenvalues`."""
    found = []
    for place in long_enough(spectra, smallest):
        weight = layers[place].weight
        longer, shorter = max(weight.shape[:2]), min(weight.shape[:2])
        found.append(bulk_of(spectra[place], longer, shorter, weight[0, 0].numel()))
    return tuple(found)


def bulk_of(spectrum: Tensor, longer: int, shorter: int, slices: int = 1) -> Bulk:
    """Fit the bulk: spikes are taken out and the variance is taken anew, until no eigenvalue is above λ_+.

    λ_+ = v (√N + √M)² for an N × M matrix of independent entries of variance v, of which the eigenvalues of
    WᵀW have the mean v N.

    Parameters
    ----------
    spectrum : Tensor
        Eigenvalues that are not zero, rising, of all slices together.
    longer, shorter, slices : int
        N and M, N ≥ M, and how many such matrices the eigenvalues are pooled of.
    """
    total = shorter * slices
    spikes = 0
    while True:
        bulk = spectrum[: len(spectrum) - spikes]
        variance = float(bulk.sum()) / (longer * (total - spikes))
        edge = variance * (math.sqrt(longer) + math.sqrt(shorter)) ** 2
        above = int((spectrum > edge).sum())
        if above <= spikes:
            return Bulk(edge, spikes)
        spikes = above
