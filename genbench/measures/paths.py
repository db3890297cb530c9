"""Path norms: sums over all paths through the network; rescaling a ReLU unit leaves them unchanged.

Biases count as paths from a constant input of 1. What is no parameter is not squared: an average pool over n
positions enters as 1/n, where Π w² along its paths would have 1/n².
"""

from __future__ import annotations

import torch
from torch import Tensor

import genbench
from genbench.measures.conventions import MARGIN, per_example, per_example_log

__all__ = [
    "active_path_norm",
    "active_path_share",
    "linear_path_norm",
    "log_path_norm",
    "path_norm",
    "path_norm_over_margin",
]

_PATHS = genbench.need("squared_paths", shared="fold")
_LINEAR = genbench.need("linear_paths", shared="fold")
_ACTIVE = genbench.need("active_paths", shared=("fold", "examples"))


@genbench.measure(
    family="path", direction="+", source="Jiang et al. 2020, eq. 44", formula="Σ_paths Π_{w on path} w²",
    aliases=("dpath_norm",),
)  # fmt: skip
def path_norm(sample_size, paths=_PATHS, *, by_size: bool = False) -> Tensor:
    """Sum over all paths of the product of the squared weights: capacity that no rescaling of units hides.

    Biases count as paths from a constant input of 1; an average pool over n positions enters as 1/n, not
    squared.
    Its square root is the "Dpath norm" ‖ŵ‖₂ of Zhang et al. 2017 (Theory of deep learning III), section 9.3,
    which ranks networks in the same order.
    """
    return per_example(paths, sample_size, by_size)


@genbench.measure(
    family="path", direction="+", source="Jiang et al. 2020, eq. 43", formula="Σ_paths Π w² / γ²"
)
def path_norm_over_margin(sample_size, paths=_PATHS, margin=MARGIN, *, by_size: bool = False) -> Tensor:
    """Path norm over the square of a low quantile of the training margins.

    Biases count as paths from a constant input of 1; an average pool over n positions enters as 1/n, not
    squared.
    """
    return per_example(paths / margin.square(), sample_size, by_size)


@genbench.measure(family="path", direction="+", source="Jiang et al. 2020, eq. 44", formula="ln Σ_paths Π w²")
def log_path_norm(sample_size, paths=_PATHS, *, by_size: bool = False) -> Tensor:
    """Natural logarithm of the path norm, of which single precision holds no more than e^88.

    Biases count as paths from a constant input of 1; an average pool over n positions enters as 1/n, not
    squared.
    """
    return per_example_log(paths.log(), sample_size, by_size)


@genbench.measure(
    family="path", direction="+", source="Zhang et al. 2017 (Theory of deep learning III), section 9.3",
    formula="‖w̃‖₂, w̃_ij = Σ_paths from i to j Π w",
)  # fmt: skip
def linear_path_norm(matrix=_LINEAR) -> Tensor:
    """Frobenius norm of the network without its ReLUs, in which signed products of paths add up.

    Paths start at the inputs; biases do not enter. An average pool over n positions enters as 1/n.
    """
    return torch.linalg.matrix_norm(matrix)


@genbench.measure(
    family="path", direction="+", source="Zhang et al. 2017 (Theory of deep learning III), eq. 41",
    formula="mean_x Σ_active paths Π w²",
)  # fmt: skip
def active_path_norm(paths=_ACTIVE) -> Tensor:
    """Path norm of the paths that are open, averaged over training examples.

    Biases count as paths from a constant input of 1; an average pool over n positions enters as 1/n, not
    squared.
    """
    return paths.mean()


@genbench.measure(
    family="path", direction="+", source="after Taborsky & Hansen (Generalization by design), section 5",
    formula="mean_x Σ_active paths Π w² / Σ_paths Π w²",
)  # fmt: skip
def active_path_share(paths=_PATHS, active=_ACTIVE) -> Tensor:
    """Share of the path norm that is open, averaged over training examples.

    Biases count as paths from a constant input of 1; an average pool over n positions enters as 1/n, not
    squared.

    Raises
    ------
    NotApplicable
        The path norm is zero.
    """
    if paths == 0:
        raise genbench.NotApplicable("the path norm is zero, no share of it can be open")
    return (active / paths).mean()
