"""Path norms: sums over all paths through the network; rescaling a ReLU unit leaves them unchanged."""

from __future__ import annotations

from torch import Tensor

import genbench
from genbench.constraints import Fraction
from genbench.measures.conventions import MARGIN, per_example, per_example_log
from genbench.probes.margins import MarginSign

__all__ = ["dpath_norm", "log_path_norm", "path_norm", "path_norm_over_margin"]

_PATHS = genbench.need("squared_paths", fold=genbench.setting("fold"))


@genbench.measure(
    family="path", direction="+", source="Jiang et al. 2020, eq. 44", formula="Σ_paths Π_{w on path} w²"
)
def path_norm(sample_size, paths=_PATHS, *, fold: bool = True, by_size: bool = False) -> Tensor:
    """Sum over all paths of the product of the squared weights: capacity that no rescaling of units hides."""
    return per_example(paths, sample_size, by_size)


@genbench.measure(
    family="path", direction="+", source="Jiang et al. 2020, eq. 43", formula="Σ_paths Π w² / γ²"
)
def path_norm_over_margin(
    sample_size, paths=_PATHS, margin=MARGIN,
    *, fold: bool = True, quantile: Fraction = 0.1, margin_sign: MarginSign = "absolute",
    by_size: bool = False,
) -> Tensor:  # fmt: skip
    """Path norm over the square of a low quantile of the training margins."""
    return per_example(paths / margin.square(), sample_size, by_size)


@genbench.measure(family="path", direction="+", source="Jiang et al. 2020, eq. 44", formula="ln Σ_paths Π w²")
def log_path_norm(sample_size, paths=_PATHS, *, fold: bool = True, by_size: bool = False) -> Tensor:
    """Natural logarithm of the path norm, of which single precision holds no more than e^88."""
    return per_example_log(paths.log(), sample_size, by_size)


@genbench.measure(
    family="path", direction="+", source="Zhang et al. 2017 (Theory of deep learning III), eq. 31",
    formula="√(Σ_paths Π w²)",
)  # fmt: skip
def dpath_norm(paths=_PATHS, *, fold: bool = True) -> Tensor:
    """Euclidean norm of the vector of all single-path products; orders fits as `path_norm` does."""
    return paths.sqrt()
