"""Shape and scale of the weights' spectra: heavier tails are said to go with better training.

After Martin, Peng & Mahoney 2021, "Predicting trends in the quality of state-of-the-art neural networks
without access to training or testing data" (WeightWatcher). Their weights are not folded with batch norm,
hence the default here. λ are the eigenvalues of WᵀW of a layer, α the exponent of their tail; means are over
layers with at least `smallest` eigenvalues, of which trustworthy exponents need fifty or more. The program
has changed since the paper: with ``form=program, smallest=8`` values are those that its version 0.7.7 prints.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

import genbench

__all__ = [
    "weight_tail_kurtosis",
    "ww_alpha",
    "ww_alpha_weighted",
    "ww_log_alpha_norm",
    "ww_log_norm",
    "ww_log_spectral_norm",
    "ww_stable_rank",
]

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))
_SPECTRA = genbench.need("eigenvalues", shared=("fold", "smallest", "form"))
_LAWS = genbench.need("power_laws", shared=("fold", "smallest", "form"))
_SOURCE = "Martin, Peng & Mahoney 2021 (WeightWatcher)"


@genbench.measure(family="heavy-tail", direction="+", source=_SOURCE, formula="mean_l α_l")
def ww_alpha(laws=_LAWS) -> Tensor:
    """Exponent of the power law in the tail of the spectrum; small is a heavy tail.

    The tail begins at the eigenvalue that makes `ww_ks_distance` least, with F the share of the tail's
    eigenvalues below each: (0, 1, ..., n − 1) / n, as published programs have it. Tails of two count, as the
    method has it; of layers with fewer than 20 eigenvalues WeightWatcher 0.7.7 takes none under eight and
    reports less: its values are those of ``form=program``.
    """
    return torch.tensor([law.alpha for law in laws], dtype=torch.float64).mean()


@genbench.measure(family="heavy-tail", direction="+", source=_SOURCE, formula="mean_l α_l log10 λ_max,l")
def ww_alpha_weighted(spectra=_SPECTRA, laws=_LAWS) -> Tensor:
    """Exponent of the tail, weighted with the logarithm of the largest eigenvalue."""
    each = [law.alpha * spectrum[-1].log10() for law, spectrum in zip(laws, spectra, strict=True)]
    return torch.stack(each).mean()


@genbench.measure(family="heavy-tail", direction="+", source=_SOURCE, formula="mean_l log10 Σ_i λ_i^α_l")
def ww_log_alpha_norm(spectra=_SPECTRA, laws=_LAWS) -> Tensor:
    """Logarithm of the Schatten norm whose exponent is that of the tail."""
    each = [
        (law.alpha * spectrum.log()).logsumexp(0) / math.log(10)
        for law, spectrum in zip(laws, spectra, strict=True)
    ]
    return torch.stack(each).mean()


@genbench.measure(family="heavy-tail", direction="+", source=_SOURCE, formula="mean_l log10 Σ_i λ_i")
def ww_log_norm(spectra=_SPECTRA) -> Tensor:
    """Logarithm of the squared Frobenius norm, mean over layers.

    Of a convolution, kh · kw / 2 times that; WeightWatcher 0.7.7 has 1/2 for it, as has ``form=program``.
    """
    return torch.stack([spectrum.sum().log10() for spectrum in spectra]).mean()


@genbench.measure(family="heavy-tail", direction="+", source=_SOURCE, formula="mean_l log10 λ_max,l")
def ww_log_spectral_norm(spectra=_SPECTRA) -> Tensor:
    """Logarithm of the largest eigenvalue, mean over layers.

    Of a convolution, kh · kw / 2 times the largest of all places of its kernel; WeightWatcher 0.7.7 has 1/2
    for the factor, as has ``form=program``.
    """
    return torch.stack([spectrum[-1].log10() for spectrum in spectra]).mean()


@genbench.measure(family="heavy-tail", direction="?", source=_SOURCE, formula="mean_l Σ_i λ_i / λ_max,l")
def ww_stable_rank(spectra=_SPECTRA) -> Tensor:
    """Sum of the eigenvalues over the largest, mean over layers."""
    return torch.stack([spectrum.sum() / spectrum[-1] for spectrum in spectra]).mean()


@genbench.measure(
    family="heavy-tail", direction="+", source="Taborsky & Hansen (Generalization by design), figure 1",
    formula="mean_l (E[(w − w̄)⁴] / Var[w]² − 3)",
)  # fmt: skip
def weight_tail_kurtosis(
    layers=_LAYERS, *, fold: bool = False, aggregate: Literal["layers", "pooled"] = "layers"
) -> Tensor:
    """Excess kurtosis of the weights: their tails were seen to be heavier after training on random labels.

    Parameters
    ----------
    aggregate : {"layers", "pooled"}
        Mean over layers, or of all weights as one sample, in which differences of scale make tails too.
    """
    samples = [layer.weight.flatten() for layer in layers]
    if aggregate == "pooled":
        samples = [torch.cat(samples)]
    return torch.stack([_excess_kurtosis(sample) for sample in samples]).mean()


def _excess_kurtosis(sample: Tensor) -> Tensor:
    centred = sample - sample.mean()
    if not centred.any():
        raise genbench.NotApplicable("all weights of a layer are the same")
    return centred.pow(4).mean() / centred.square().mean().square() - 3
