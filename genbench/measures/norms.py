"""Norms of the weights: larger weights, it is said, mean a more complex function and a larger gap.

W_l are the weights of layer l, batch norm folded in, without biases unless `biases` adds those as a column;
d is their number, m that of training examples. `by_size` divides by m as Dziugaite et al. 2020 do.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.measures.conventions import LAYERS, MARGIN, log_over_margin, per_example, per_example_log

__all__ = [
    "Aggregate",
    "fanin_l1_norm",
    "l1_rademacher_bound",
    "l2",
    "log_prod_of_fro",
    "log_prod_of_fro_over_margin",
    "log_sum_of_fro",
    "log_sum_of_fro_over_margin",
    "norm_l11",
    "norm_l21",
    "over_layers",
    "param_norm",
    "prod_fro_norm",
    "unit_norms",
]

Aggregate = Literal["sum", "two_thirds"]
"""Over layers: Σ_l ‖·‖, or (Σ_l ‖·‖^{2/3})^{3/2} as in Theorems 1.1 and 5.1 of Wei & Ma 2019."""

_LOG_RHO = genbench.need("log_rho", shared=("fold", "first_bias"))
_NORMS = genbench.need("frobenius_norms", shared=("fold", "biases"))


@genbench.measure(family="norm", direction="+", source="Jiang et al. 2020, eq. 42", formula="Σ_l ‖W_l‖_F²")
def param_norm(sample_size, norms=_NORMS, *, by_size: bool = False) -> Tensor:
    """Squared Frobenius norms of all layers, summed."""
    return per_example(norms.square().sum(), sample_size, by_size)


@genbench.measure(family="norm", direction="+", source="Dziugaite et al. 2020, appendix C", formula="‖w‖₂")
def l2(sample_size, norms=_NORMS, *, by_size: bool = False) -> Tensor:
    """Euclidean norm of all weights as one vector."""
    return per_example(norms.square().sum().sqrt(), sample_size, by_size)


@genbench.measure(family="norm", direction="+", source="Jiang et al. 2020, eq. 37", formula="Σ_l ln ‖W_l‖_F²")
def log_prod_of_fro(sample_size, norms=_NORMS, *, by_size: bool = False) -> Tensor:
    """Logarithm of the product of the squared Frobenius norms, twice the ln ρ of Liao et al."""
    return per_example_log(2 * norms.log().sum(), sample_size, by_size)


@genbench.measure(
    family="norm", direction="+", source="Liao et al. 2020 (Generalization puzzles), eq. 1 and figure 4",
    formula="ρ = Π_l ‖W_l‖_F",
)  # fmt: skip
def prod_fro_norm(log_rho=_LOG_RHO, *, log: bool = False) -> Tensor:
    """Product of the Frobenius norms, by which a network of ReLUs is larger than one with norms of 1.

    Defined where the function is homogeneous in each layer; `log_prod_of_fro` is for any network.

    Parameters
    ----------
    log : bool
        Its natural logarithm.
    """
    return log_rho if log else log_rho.exp()


@genbench.measure(
    family="norm", direction="+", source="Jiang et al. 2020, eq. 36", formula="Σ_l ln ‖W_l‖_F² − 2 ln γ"
)
def log_prod_of_fro_over_margin(sample_size, norms=_NORMS, margin=MARGIN, *, by_size: bool = False) -> Tensor:
    """Logarithm of the product of the squared Frobenius norms over the squared margin."""
    return per_example_log(log_over_margin(norms, margin), sample_size, by_size)


@genbench.measure(
    family="norm", direction="+", source="Jiang et al. 2020, eq. 39", formula="ln d + (1/d) Σ_l ln ‖W_l‖_F²"
)
def log_sum_of_fro(sample_size, norms=_NORMS, *, by_size: bool = False) -> Tensor:
    """Logarithm of d times the geometric mean of the squared Frobenius norms, a lower bound of their sum."""
    return per_example_log(math.log(len(norms)) + 2 * norms.log().mean(), sample_size, by_size)


@genbench.measure(
    family="norm", direction="+", source="Jiang et al. 2020, eq. 38",
    formula="ln d + (1/d)(Σ_l ln ‖W_l‖_F² − 2 ln γ)",
)  # fmt: skip
def log_sum_of_fro_over_margin(sample_size, norms=_NORMS, margin=MARGIN, *, by_size: bool = False) -> Tensor:
    """`log_sum_of_fro` with the squared margin in the product."""
    depth = len(norms)
    value = math.log(depth) + log_over_margin(norms, margin) / depth
    return per_example_log(value, sample_size, by_size)


@genbench.measure(
    family="norm", direction="+", source="Zhang et al. 2017 (Theory of deep learning III), figure 16",
    formula="mean or max over units j of ‖w_j‖₁",
)  # fmt: skip
def fanin_l1_norm(layers=LAYERS, *, aggregate: Literal["mean", "max"] = "mean") -> Tensor:
    """L1 norm of the weights that enter a unit, over all units of all layers."""
    units = torch.cat([layer.matrix.abs().sum(1) for layer in layers])
    return units.mean() if aggregate == "mean" else units.max()


@genbench.measure(
    family="norm", direction="+", source="Zhang et al. 2017 (Theory of deep learning III), eq. 57",
    formula="Σ_l ln(2 B_l) + ½ ln(2 ln d_in) − ½ ln m",
)  # fmt: skip
def l1_rademacher_bound(inputs, layers=LAYERS) -> Tensor:
    """Logarithm of a bound on twice the Rademacher complexity by the layers' largest L1 norms B_l of a unit.

    Stated for inputs in [−1, 1], scalar output and 1-Lipschitz activations that vanish at zero; larger inputs
    enter as a factor max ‖x‖_∞, left out here since it is the same for all networks on one data set. d_in is
    max(2, number of input dimensions), since ln 1 = 0 would make the bound of a single one zero.
    """
    largest = torch.stack([layer.matrix.abs().sum(1).max() for layer in layers])
    features = max(2, inputs[:1].numel())
    return (2 * largest).log().sum() + 0.5 * math.log(2 * math.log(features)) - 0.5 * math.log(len(inputs))


@genbench.measure(
    family="norm", direction="+", source="Wei & Ma 2019 (data-dependent sample complexity), section 3",
    formula="Σ_l ‖W_lᵀ‖_{2,1}",
)  # fmt: skip
def norm_l21(layers=LAYERS, *, aggregate: Aggregate = "sum") -> Tensor:
    """Over the units, the sum of the Euclidean norms of their incoming weights.

    Parameters
    ----------
    aggregate : {"sum", "two_thirds"}
        ``two_thirds``: (Σ_l ‖·‖^{2/3})^{3/2} over layers, as in Theorems 1.1 and 5.1.
    """
    return over_layers([unit_norms(layer.matrix).sum() for layer in layers], aggregate)


@genbench.measure(
    family="norm", direction="+", source="Wei & Ma 2019 (data-dependent sample complexity), section 3",
    formula="Σ_l ‖W_l‖_{1,1}", aliases=("l1_norm",),
)  # fmt: skip
def norm_l11(layers=LAYERS, *, aggregate: Aggregate = "sum") -> Tensor:
    """Sum of the absolute weights of each layer, put together over layers.

    Parameters
    ----------
    aggregate : {"sum", "two_thirds"}
        ``two_thirds``: (Σ_l ‖·‖^{2/3})^{3/2} over layers, as in Theorems 1.1 and 5.1.
    """
    return over_layers([layer.weight.abs().sum() for layer in layers], aggregate)


def unit_norms(matrix: Tensor) -> Tensor:
    """Euclidean norm of the weights that enter each unit."""
    return torch.linalg.vector_norm(matrix, dim=1)


def over_layers(norms: list[Tensor], aggregate: Aggregate) -> Tensor:
    """The norms of the layers put together."""
    stacked = torch.stack(norms)
    return stacked.sum() if aggregate == "sum" else stacked.pow(2 / 3).sum().pow(3 / 2)
