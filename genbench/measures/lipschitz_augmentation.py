"""The bounds of Wei & Ma 2019 by hidden layers and Jacobians between layers, at the training data.

They hold for F(x) = W_r φ(… φ(W_1 x) …) with an activation φ that is 1-Lipschitz and has a σ̄-Lipschitz
derivative; constants and logarithmic factors are left out, as in the paper. Biases shift the layers and do
not enter. Reference matrices are zero. Values are far above 1 for the networks of today: vacuous as bounds on
an error rate, given as logarithms for their order. Maxima over the training data are taken over a sample, the
margin over all of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Fraction, NonNegative, Risk
from genbench.measures.conventions import LAYERS
from genbench.networks.layers import Layer
from genbench.probes.layer_chain import LayerChain
from genbench.probes.margins import MarginSign

__all__ = ["lipaug_bound", "lipaug_simple", "log_simple_bound"]

KernelNorm = Literal["operator", "reshaped"]
"""Norms of a convolution as a matrix with a row for each place (but for padding), or of its kernel."""

_MARGIN = genbench.need(
    "reference_margin", quantile=genbench.setting("quantile"), margin_sign=genbench.setting("margin_sign")
)
_CHAIN = genbench.need("layer_chain", shared=("kinks", "fold", "examples"))


@genbench.measure(
    family="bound", direction="+", source="Wei & Ma 2019 (data-dependent sample complexity), Theorem 1.1",
    formula="ln{[(σ/γ + r³σ²) t (1 + Σ‖W_iᵀ‖_{2,1}^{2/3})^{3/2} + r²σ (1 + Σ‖W_i‖_{1,1}^{2/3})^{3/2}]/√m "
    "+ r√(ln(1/δ)/m)}",
)  # fmt: skip
def lipaug_simple(
    sample_size, margin=_MARGIN, layers=LAYERS, chain=_CHAIN,
    *, kernel: KernelNorm = "operator", delta: Risk = 0.05, quantile: Fraction = 0.0,
    margin_sign: MarginSign = "signed",
) -> Tensor:  # fmt: skip
    """Logarithm of the simplified bound, by the largest Jacobian σ between layers and the largest layer t.

    Infinite where the margin γ is not positive; σ and t are at least 1, as the theorem asks.

    Parameters
    ----------
    kernel : {"operator", "reshaped"}
        As of `lipaug_bound`.
    quantile : float
        γ is this quantile of the training margins; the theorem's is the smallest one.
    """
    units, entries = _norms(layers, chain, kernel)
    return log_simple_bound(
        units, entries, max(chain.sigma.values()), max(chain.norms), margin, sample_size, delta
    )


def log_simple_bound(
    units: Tensor, entries: Tensor, sigma: float, largest: float, margin: Tensor, m: int, delta: float
) -> Tensor:
    """ln of the bound of Theorem 1.1.

    Parameters
    ----------
    units, entries : Tensor, shape (r,)
        ‖W_iᵀ‖_{2,1} and ‖W_i‖_{1,1} of all r layers.
    sigma, largest : float
        σ and t, here raised to 1 where they are smaller.
    margin : Tensor
        γ.
    """
    r = len(units)
    sigma, largest = max(1.0, sigma), max(1.0, largest)
    hidden = (sigma / margin + r**3 * sigma**2) * largest * (1 + units.pow(2 / 3).sum()).pow(3 / 2)
    jacobian = r**2 * sigma * (1 + entries.pow(2 / 3).sum()).pow(3 / 2)
    return ((hidden + jacobian + r * math.sqrt(math.log(1 / delta))) / math.sqrt(m)).log()


@genbench.measure(
    family="bound", direction="+", source="Wei & Ma 2019 (data-dependent sample complexity), Theorem 5.1",
    formula="ln{[Σ_i (κ^h_i a_i t_{i−1})^{2/3} + (κ^J_i b_i)^{2/3}]^{3/2}/√m + r√(ln(1/δ)/m)}",
)  # fmt: skip
def lipaug_bound(
    sample_size, margin=_MARGIN, layers=LAYERS, chain=_CHAIN,
    *, kernel: KernelNorm = "operator", xi: NonNegative = 0.0, delta: Risk = 0.05, quantile: Fraction = 0.0,
    margin_sign: MarginSign = "signed",
) -> Tensor:  # fmt: skip
    """Logarithm of the full bound, by the Jacobians between all pairs of layers.

    With σ_{j'←j} the largest norm of the Jacobian of layers j to j' composed, 1 for none, t_i the largest
    output of layer 2i, a_i = ‖W_iᵀ‖_{2,1} + ξ and b_i = ‖W_i‖_{1,1} + ξ,

    κ^h_i = ξ + σ_{2r−1←2i}/γ + Σ_{i≤i'<r} σ_{2i'←2i}/t_{i'}
    + Σ_{j≤j'} Σ_{j'' even, max(2i,j)≤j''≤j'} σ̄ σ_{j'←j''+1} σ_{j''−1←2i} σ_{j''−1←j} / σ_{j'←j},
    κ^J_i = Σ_{j≤2i−1≤j'} σ_{j'←2i} σ_{2i−2←j} / σ_{j'←j}.

    Infinite where the margin γ is not positive.

    Parameters
    ----------
    kernel : {"operator", "reshaped"}
        Norms of a convolution as a matrix with a row for each place and channel of its output, each with all
        entries of the kernel, also those that meet padding: somewhat above the matrix's own. Or of the kernel
        as one matrix.
    xi : float
        ξ, which the theorem adds to every norm and leaves open as 1/poly(r).
    quantile : float
        γ is this quantile of the training margins; the theorem's is the smallest one.
    """
    units, entries = _norms(layers, chain, kernel)
    r = len(units)
    sigma = {pair: norm + xi for pair, norm in chain.sigma.items()}
    norms = [norm + xi for norm in chain.norms]
    terms = []
    for i in range(1, r + 1):
        hidden = _kappa_hidden(i, r, sigma, norms, chain.bend, float(margin), xi)
        terms += [hidden * float(units[i - 1] + xi) * norms[i - 1]]
        terms += [_kappa_jacobian(i, r, sigma) * float(entries[i - 1] + xi)]
    bound = units.new_tensor(terms).pow(2 / 3).sum().pow(3 / 2)
    return ((bound + r * math.sqrt(math.log(1 / delta))) / math.sqrt(sample_size)).log()


def _kappa_hidden(
    i: int, r: int, sigma: Mapping[tuple[int, int], float], norms: list[float],
    bend: float, margin: float, xi: float,
) -> float:  # fmt: skip
    """Lipschitz constant of the augmented loss in the output of W_i."""
    last = 2 * r - 1
    total = xi + _ratio(_sigma(sigma, last, 2 * i), margin)
    total += sum(_ratio(_sigma(sigma, 2 * late, 2 * i), norms[late]) for late in range(i, r))
    if bend == 0:
        return total
    for j in range(1, last + 1):
        for late in range(j, last + 1):
            for even in range(max(2 * i, j + j % 2), late + 1, 2):
                product = _sigma(sigma, late, even + 1) * _sigma(sigma, even - 1, 2 * i)
                product *= _sigma(sigma, even - 1, j)
                total += bend * _ratio(product, _sigma(sigma, late, j))
    return total


def _kappa_jacobian(i: int, r: int, sigma: Mapping[tuple[int, int], float]) -> float:
    """Lipschitz constant of the augmented loss in W_i as a factor of the Jacobians."""
    return sum(
        _ratio(_sigma(sigma, late, 2 * i) * _sigma(sigma, 2 * i - 2, j), _sigma(sigma, late, j))
        for j in range(1, 2 * i)
        for late in range(2 * i - 1, 2 * r)
    )


def _sigma(sigma: Mapping[tuple[int, int], float], late: int, early: int) -> float:
    """σ_{late←early}; 1 for the empty composition, late = early − 1."""
    return 1.0 if late == early - 1 else sigma[late, early]


def _ratio(upper: float, lower: float) -> float:
    """A term of a bound: zero has no effect, whatever divides it."""
    if upper == 0:
        return 0.0
    return upper / lower if lower > 0 else math.inf


def _norms(layers: tuple[Layer, ...], chain: LayerChain, kernel: str) -> tuple[Tensor, Tensor]:
    """‖W_iᵀ‖_{2,1} and ‖W_i‖_{1,1} in the order of the chain, shape (r,)."""
    by_module = {layer.module: layer for layer in layers}
    units, entries = [], []
    for name, positions in zip(chain.weights, chain.positions, strict=True):
        times = positions if kernel == "operator" else 1
        matrix = by_module[name].matrix
        units.append(times * torch.linalg.vector_norm(matrix, dim=1).sum())
        entries.append(times * matrix.abs().sum())
    return torch.stack(units), torch.stack(entries)
