"""Conventions on which publications differ, written once for all families that follow them."""

from __future__ import annotations

import math

from torch import Tensor

import genbench

__all__ = [
    "FOLDED_MODEL",
    "FROBENIUS",
    "FROBENIUS_DISTANCES",
    "LAYERS",
    "LOG_RHO",
    "MARGIN",
    "SPECTRAL",
    "log_over_margin",
    "per_example",
    "per_example_log",
    "require_no_zero_layer",
]

# Needs of several families, each with the settings that measures share with the probe.
FOLDED_MODEL = genbench.need("folded_model", shared="fold")
LAYERS = genbench.need("layers", shared="fold")
FROBENIUS = genbench.need("frobenius_norms", shared="fold")
FROBENIUS_DISTANCES = genbench.need("frobenius_distances", shared="fold")
SPECTRAL = genbench.need("spectral_norms", shared=("fold", "kernel"))
MARGIN = genbench.need("reference_margin", shared=("quantile", "margin_sign"))
LOG_RHO = genbench.need("log_rho", shared=("norm", "fold", "first_bias"))


def per_example(value: Tensor, m: int, by_size: bool) -> Tensor:
    """√(value / m) where asked for, as Dziugaite et al. 2020 report all but the logarithmic measures.

    It keeps the order of fits with the same number of examples m, and changes it along training-set size.
    """
    return (value / m).sqrt() if by_size else value


def per_example_log(value: Tensor, m: int, by_size: bool) -> Tensor:
    """½ (value − ln m) where asked for: `per_example` of a measure given as its logarithm."""
    return (value - math.log(m)) / 2 if by_size else value


def log_over_margin(norms: Tensor, margin: Tensor) -> Tensor:
    """ln of (Π_l ‖W_l‖ / γ)², shape ().

    Raises
    ------
    NotApplicable
        A layer is zero, and the margin too.
    """
    logarithm = 2 * (norms.log().sum() - margin.log())
    if logarithm.isnan() and not (norms.isnan().any() or margin.isnan()):
        raise genbench.NotApplicable("a layer and the margin are zero, and 0/0 has no logarithm")
    return logarithm


def require_no_zero_layer(spectral: Tensor) -> None:
    """Raise NotApplicable where one of the layers' spectral norms is zero, for what divides by them."""
    for place, norm in enumerate(spectral, start=1):
        if norm == 0:
            raise genbench.NotApplicable(
                f"layer {place} of {len(spectral)} is zero: weights that are all zero have no inverse norm"
            )
