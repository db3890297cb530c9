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
from genbench.probes.bulk_density import density_edge
from genbench.probes.eigenvalues import Form, long_enough, pooled, scaled_slices

__all__ = ["Bulk", "bulk_of", "bulks", "random_spikes", "shuffled_eigenvalues"]

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))
_SPECTRA = genbench.need("layer_spectra", shared="fold", form=genbench.setting("form"))
_SHUFFLED = genbench.need(
    "shuffled_eigenvalues",
    shared=("fold", "draws"),
    smallest=genbench.setting("smallest"),
    form=genbench.setting("form"),
)

# Layers of so many eigenvalues get all the random orders; others get no fewer than so many.
_MOVED_MOST, _FEWEST = 64, 3

# Numbers of all the random orders that are worked on at once.
_TOGETHER = 2**18

# The program pools so many random orders of a layer with fewer eigenvalues than that.
_PROGRAM_ORDERS, _PROGRAM_FEW = 5, 100


@genbench.probe
def shuffled_eigenvalues(
    generator,
    layers=_LAYERS,
    spectra=_SPECTRA,
    *,
    smallest: Count = 10,
    draws: Count = 120,
    form: Form = "paper",
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
    form : {"paper", "program"}
        All weights of a kernel change places, or as in WeightWatcher 0.7.7 those of each place of the kernel
        among themselves.
    """
    return tuple(
        tuple(_shuffled_spectra(layers[place], generator, draws, form))
        for place in long_enough(spectra, smallest)
    )


def _shuffled_spectra(layer: Layer, generator: torch.Generator, draws: int, form: Form) -> Iterator[Tensor]:
    slices = scaled_slices(layer, form)
    parts = slices.flatten(1) if form == "program" else slices.reshape(1, -1)
    wanted = draws * _MOVED_MOST // max(_MOVED_MOST, len(slices) * min(slices.shape[1:]))
    tall = slices.shape[1] > slices.shape[2]
    together = max(1, _TOGETHER // max(1, slices.numel()))
    for left in range(max(wanted, min(draws, _FEWEST)), 0, -together):
        count = min(left, together)
        # The order is the same in half the memory, which is what takes the time.
        orders = [
            torch.randperm(parts.shape[1], generator=generator, device=slices.device, dtype=torch.int32)
            for _ in range(count * len(parts))
        ]
        moved = [part.index_select(0, order) for part, order in zip([*parts] * count, orders, strict=True)]
        shuffled = torch.stack(moved).reshape(count, *slices.shape)
        # Cheaper than singular values; what it loses of the smallest eigenvalues is nothing beside chance.
        gram = shuffled.mT @ shuffled if tall else shuffled @ shuffled.mT
        yield from map(pooled, torch.linalg.eigvalsh(gram))


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
def bulks(
    layers=_LAYERS, spectra=_SPECTRA, *, smallest: Count = 10, form: Form = "paper"
) -> tuple[Bulk, ...]:
    """The `Bulk` of each of the `eigenvalues`.

    Parameters
    ----------
    smallest : int
        Layers with fewer eigenvalues are passed over.
    form : {"paper", "program"}
        Fitted as `bulk_of` does, or to the density of the eigenvalues, as `density_edge` does.
    """
    return tuple(
        _bulk(spectra[place], layers[place].weight, form) for place in long_enough(spectra, smallest)
    )


@genbench.probe
def random_spikes(
    layers=_LAYERS, all_spectra=_SPECTRA, shuffled=_SHUFFLED, *, smallest: Count = 10, form: Form = "paper"
) -> Tensor:
    """Eigenvalues of each layer that a random matrix does not have, or in the program, that it does have.

    Parameters
    ----------
    smallest : int
        Layers with fewer eigenvalues are passed over.
    form : {"paper", "program"}
        How many eigenvalues exceed the largest of the shuffled layer, a mean over its random orders; or how
        many of the shuffled layer's lie beyond the bulk fitted to themselves: WeightWatcher 0.7.7 fits five
        orders of a layer with fewer than a hundred eigenvalues together, one of others.

    Returns
    -------
    Tensor, shape (layers,), double
    """
    counts = []
    for place, randoms in zip(long_enough(all_spectra, smallest), shuffled, strict=True):
        if form == "paper":
            largest = torch.stack([random[-1] for random in randoms]).unsqueeze(1)
            each = (all_spectra[place] > largest).sum(1).tolist()
        else:
            together = _PROGRAM_ORDERS if len(randoms[0]) < _PROGRAM_FEW else 1
            batches = [randoms[first : first + together] for first in range(0, len(randoms), together)]
            each = [
                _bulk(torch.cat(batch), layers[place].weight, form, len(batch)).spikes for batch in batches
            ]
        counts.append(sum(each) / len(each))
    return torch.tensor(counts, dtype=torch.float64)


def _bulk(spectrum: Tensor, weight: Tensor, form: Form, orders: int = 1) -> Bulk:
    longer, shorter = max(weight.shape[:2]), min(weight.shape[:2])
    slices = weight[0, 0].numel()
    if form == "paper":
        return bulk_of(spectrum, longer, shorter, slices)
    # Eigenvalues of zero are not listed, and the program counts them.
    missing = spectrum.new_zeros(orders * shorter * slices - len(spectrum))
    return Bulk(*density_edge(torch.cat([missing, spectrum]), longer, shorter))


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
