"""How far the layers' spectra are from those of random matrices; more correlation is said to be better.

After Martin, Peng & Mahoney 2021 (WeightWatcher): λ are the eigenvalues of WᵀW of a layer, batch norm not
folded in, means are over the layers with at least `smallest` of them. Two random matrices stand for
comparison: one whose entries are those of the layer in random order, of largest eigenvalue λ_rand (values are
means over `draws` orders, of large layers fewer; the published program takes one), and independent entries of
a variance fitted to the bulk of the spectrum, which ends at λ_+ by the law of Marchenko & Pastur. With
``form=program, smallest=8`` values are those that WeightWatcher 0.7.7 prints, but for its one draw.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

import genbench

__all__ = [
    "etpl_lambda",
    "ww_entropy",
    "ww_ks_distance",
    "ww_maxdist",
    "ww_mp_softrank",
    "ww_num_rand_spikes",
    "ww_num_spikes",
    "ww_rand_distance",
    "ww_softrank",
]

_SPECTRA = genbench.need("eigenvalues", shared=("fold", "smallest", "form"))
_LAWS = genbench.need("power_laws", shared=("fold", "smallest", "form"))
_TRUNCATED = genbench.need("truncated_power_laws", shared=("fold", "smallest", "tail"))
_BULKS = genbench.need("bulks", shared=("fold", "smallest", "form"))
_SHUFFLED = genbench.need("shuffled_eigenvalues", shared=("fold", "smallest", "draws", "form"))
_RANDOM_SPIKES = genbench.need("random_spikes", shared=("fold", "smallest", "draws", "form"))
_SOURCE = "Martin, Peng & Mahoney 2021 (WeightWatcher)"


@genbench.measure(family="heavy-tail", direction="+", source=_SOURCE, formula="mean_l λ_+ / λ_max")
def ww_mp_softrank(spectra=_SPECTRA, bulks=_BULKS) -> Tensor:
    """Where the bulk of the spectrum ends, over the largest eigenvalue; small where the tail is heavy.

    The bulk's variance is that of the eigenvalues in it. WeightWatcher 0.7.7 takes the variance at which the
    law is nearest to the estimated density of the whole spectrum, spikes included: ``form=program``. Of
    kernels with an even number of places and fewer outputs than inputs it takes N for M, unlike here.
    """
    each = [bulk.edge / float(spectrum[-1]) for bulk, spectrum in zip(bulks, spectra, strict=True)]
    return torch.tensor(each, dtype=torch.float64).mean()


@genbench.measure(
    family="heavy-tail", direction="?", source=_SOURCE, formula="mean_l #{λ > λ_+}", aliases=("num_spikes",)
)  # fmt: skip
def ww_num_spikes(bulks=_BULKS) -> Tensor:
    """Number of eigenvalues beyond the bulk, of which wider layers have more.

    In the form of the program, by more than the largest one fluctuates (Tracy & Widom).
    """
    return torch.tensor([bulk.spikes for bulk in bulks], dtype=torch.float64).mean()


@genbench.measure(
    family="heavy-tail", direction="-", source=_SOURCE, formula="mean_l √JS(λ / Σλ, λ_rand / Σλ_rand)",
    version=2,
)  # fmt: skip
def ww_rand_distance(spectra=_SPECTRA, shuffled=_SHUFFLED) -> Tensor:
    """Root of the Jensen-Shannon divergence, in nats, of the sorted spectrum from that of the shuffled layer.

    The published program takes the eigenvalues themselves, divided by their sum, for probabilities of their
    ranks. What training wrote into the weights shuffling takes out, so that a large distance is good.
    """
    distances = [
        torch.stack([_rank_distance(spectrum, random) for random in randoms]).mean()
        for spectrum, randoms in zip(spectra, shuffled, strict=True)
    ]
    return torch.stack(distances).mean()


@genbench.measure(
    family="heavy-tail", direction="?", source=_SOURCE, formula="mean_l λ_rand / λ_max", version=2
)
def ww_softrank(spectra=_SPECTRA, shuffled=_SHUFFLED) -> Tensor:
    """Largest eigenvalue of the shuffled layer over that of the layer."""
    return torch.stack([random / top for top, random in _largest(spectra, shuffled)]).mean()


@genbench.measure(
    family="heavy-tail", direction="?", source=_SOURCE, formula="mean_l (λ_max − λ_rand)", version=2
)
def ww_maxdist(spectra=_SPECTRA, shuffled=_SHUFFLED) -> Tensor:
    """By how much the largest eigenvalue of the layer exceeds that of the shuffled one.

    A convolution's weights are scaled by √(kh kw / 2), in the form of the program by √(1/2).
    """
    return torch.stack([top - random for top, random in _largest(spectra, shuffled)]).mean()


@genbench.measure(
    family="heavy-tail", direction="?", source=_SOURCE, formula="mean_l #{λ > λ_rand}",
    aliases=("num_rand_spikes",), version=2,
)  # fmt: skip
def ww_num_rand_spikes(spikes=_RANDOM_SPIKES) -> Tensor:
    """Number of eigenvalues above the largest one of the shuffled layer, a mean over its random orders.

    In the form of the program, where it is ``rand_num_spikes``: eigenvalues of the shuffled layer beyond the
    bulk fitted to themselves, mostly none.
    """
    return spikes.mean()


@genbench.measure(
    family="heavy-tail", direction="?", source=_SOURCE, formula="mean_l H(λ / Σλ) / ln r, r eigenvalues"
)
def ww_entropy(spectra=_SPECTRA) -> Tensor:
    """Entropy of the eigenvalues as shares of their sum, over the largest that it can be."""
    shares = [spectrum / spectrum.sum() for spectrum in spectra if len(spectrum) > 1]
    if not shares:
        raise genbench.NotApplicable("no layer has two eigenvalues")
    entropies = [torch.special.entr(each).sum() / each.new_tensor(float(len(each))).log() for each in shares]
    return torch.stack(entropies).mean()


@genbench.measure(
    family="heavy-tail", direction="?", source=f"{_SOURCE}; Clauset, Shalizi & Newman 2009, eq. 3.9",
    formula="mean_l max_λ |F(λ) − F_fit(λ)|", aliases=("ww_D",),
)  # fmt: skip
def ww_ks_distance(laws=_LAWS) -> Tensor:
    """Kolmogorov-Smirnov distance of the tail of the spectrum from the power law fitted to it.

    F is the share of the tail's n eigenvalues below each, (0, 1, ..., n − 1) / n: the lower side of each step
    only, as published programs have it, so that the distance may be 1/n less than over all λ.
    """
    return torch.tensor([law.distance for law in laws], dtype=torch.float64).mean()


@genbench.measure(
    family="heavy-tail", direction="+", source="Yang et al. 2023, section 3 (E-TPL)",
    formula="mean_l r_l of densities ∝ λ^−α e^{−r λ}", version=2,
)  # fmt: skip
def etpl_lambda(laws=_TRUNCATED) -> Tensor:
    """Rate at which the power law of the tail is cut off: the sooner, the lighter the tail.

    The tail is the one of the power law without a cut-off; layers with fewer than `tail` eigenvalues in it do
    not count. A tail that is fitted best without a cut-off gets 10⁻⁶ over its smallest eigenvalue, for zero.
    α and r are the most likely ones, found together; α has no bound, and is below 1 of many a tail that ends
    soon. Public programs hold it above 1 or stop before the likelihood is largest, and find another rate.
    """
    return torch.tensor([law.rate for law in laws], dtype=torch.float64).mean()


def _largest(
    spectra: tuple[Tensor, ...], shuffled: tuple[tuple[Tensor, ...], ...]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each layer λ_max, and λ_rand, the mean over the random orders."""
    for spectrum, randoms in zip(spectra, shuffled, strict=True):
        yield spectrum[-1], torch.stack([random[-1] for random in randoms]).mean()


def _rank_distance(first: Tensor, second: Tensor) -> Tensor:
    size = max(len(first), len(second))
    # Eigenvalues of zero are not listed; they come first.
    p, q = (torch.cat([each.new_zeros(size - len(each)), each]) / each.sum() for each in (first, second))
    middle = (p + q) / 2
    entropy = torch.special.entr
    divergence = entropy(middle).sum() - (entropy(p).sum() + entropy(q).sum()) / 2
    return divergence.clamp_min(0).sqrt()
