"""What the spectra of the layers would be if their weights were independent of each other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.layers import Layer
from genbench.probes.eigenvalues import long_enough, pooled, scaled_slices

__all__ = ["Bulk", "bulk_of", "bulks", "shuffled_eigenvalues"]

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))
_SPECTRA = genbench.need("layer_spectra", shared="fold")

# Layers of so many eigenvalues get all the random orders; others get no fewer than so many.
_MOVED_MOST, _FEWEST = 64, 3


@genbench.probe
def shuffled_eigenvalues(
    generator, layers=_LAYERS, spectra=_SPECTRA, *, smallest: Count = 10, draws: Count = 120
) -> tuple[tuple[Tensor, ...], ...]:
    """For each of the `eigenvalues`, those of the layer with its entries in random order.

    Parameters
    ----------
    smallest : int
        Layers with fewer eigenvalues are passed over.
    draws : int
        How many random orders of a layer with up to 64 eigenvalues; WeightWatcher takes one. The more
        eigenvalues, the less chance moves the largest: of n > 64 there are 64 / n as many, but 3 at least,
        or `draws` where that is less.
    """
    return tuple(
        tuple(_shuffled_spectra(layers[place], generator, draws)) for place in long_enough(spectra, smallest)
    )


def _shuffled_spectra(layer: Layer, generator: torch.Generator, draws: int) -> Iterator[Tensor]:
    slices = scaled_slices(layer)
    wanted = draws * _MOVED_MOST // max(_MOVED_MOST, len(slices) * min(slices.shape[1:]))
    for _ in range(max(wanted, min(draws, _FEWEST))):
        order = torch.randperm(slices.numel(), generator=generator, device=slices.device)
        shuffled = slices.flatten()[order].reshape(slices.shape)
        tall = slices.shape[1] > slices.shape[2]
        # Cheaper than singular values; what it loses of the smallest eigenvalues is nothing beside chance.
        gram = shuffled.mT @ shuffled if tall else shuffled @ shuffled.mT
        yield pooled(torch.linalg.eigvalsh(gram))


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
def bulks(layers=_LAYERS, spectra=_SPECTRA, *, smallest: Count = 10) -> tuple[Bulk, ...]:
    """The `Bulk` of each of the `eigenvalues`.

    Parameters
    ----------
    smallest : int
        Layers with fewer eigenvalues are passed over.
    """
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
