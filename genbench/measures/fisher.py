"""Curvature by the Fisher information, and flatness in proportion to the weights.

Fisher-Rao norm and relative flatness stay as they are when consecutive ReLU layers are rescaled so that the
function remains the same; the trace of the Fisher information moves.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

import genbench

__all__ = ["fisher_rao", "fisher_trace", "relative_flatness"]

_RADIAL = genbench.need("radial_derivatives", shared=("fold", "biases", "examples"))
_NORMS = genbench.need("fisher_norms", shared=("labels", "examples"))
_RELATIVE = genbench.need("relative_curvature", shared="examples")


@genbench.measure(
    family="curvature", direction="+", source="Jiang et al. 2020, eq. 45; Liang et al. 2019, definition 2",
    formula="(d + 1)² mean_i ⟨w, ∇_w ℓ_i⟩²",
)  # fmt: skip
def fisher_rao(
    derivatives=_RADIAL, layers=genbench.need("layers", fold=False),
    *, prefactor: Literal["depth", "none"] = "depth",
) -> Tensor:  # fmt: skip
    """Squared length of the weights in the metric of the empirical Fisher information, wᵀ F w.

    Parameters
    ----------
    prefactor : {"depth", "none"}
        (d + 1)² before it, d being the number of weight layers, as published by Jiang et al.; or 1: the norm
        itself. In a network of ReLUs without biases ⟨w, ∇_w ℓ⟩ = d ⟨f, ∂ℓ/∂f⟩, so it counts depth already.
    """
    factor = (len(layers) + 1) ** 2 if prefactor == "depth" else 1
    return factor * derivatives.square().mean()


@genbench.measure(
    family="curvature", direction="+", source="Jastrzebski et al. 2021 (Catastrophic Fisher explosion)",
    formula="tr F = mean_i E_{y ~ p(x_i)} ‖∇_w ℓ(x_i, y)‖²",
)  # fmt: skip
def fisher_trace(norms=_NORMS) -> Tensor:
    """Trace of the Fisher information, the Gauss-Newton part of the trace of the Hessian."""
    return norms.mean()


@genbench.measure(
    family="curvature", direction="+", source="Petzka et al. 2021 (Relative flatness), definition 3",
    formula="Σ_{s,s'} ⟨w_s, w_s'⟩ Tr ∂²L/∂w_s∂w_s', w_s the rows of the last layer's weight",
)  # fmt: skip
def relative_flatness(curvature=_RELATIVE) -> Tensor:
    """Curvature of the loss by the last layer's weights, in proportion to these weights.

    A small value means that features may be off by a share of themselves without harm. It is exact: the loss
    has a known second derivative by the weights of the last layer.
    """
    return curvature.mean()
