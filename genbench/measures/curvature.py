"""Curvature of the training loss: eigenvalues of its Hessian H by the network's parameters.

Batch norm stays as it is, in evaluation mode, and its scales and shifts are parameters like all others, as in
PyHessian (Yao et al. 2020); ``fold=true`` looks at the folded weights. All measures share one Lanczos
iteration over `examples` training examples.
"""

from __future__ import annotations

from torch import Tensor

import genbench
from genbench.constraints import Count, Fraction, Positive

__all__ = ["hessian_effective_dimension", "hessian_outliers", "hessian_top_eig", "hessian_trace"]

_SAMPLE = {name: genbench.setting(name) for name in ("steps", "fold", "biases", "examples")}
_KRYLOV = genbench.need("hessian_krylov", **_SAMPLE)
_REMAINDER = genbench.need("hessian_remainder", draws=genbench.setting("draws"), **_SAMPLE)


@genbench.measure(
    family="curvature", direction="+", source="Yao et al. 2020 (PyHessian), section 3; Keskar et al. 2017",
    formula="λ_max(H)",
)  # fmt: skip
def hessian_top_eig(
    krylov=_KRYLOV,
    *, steps: Count = 30, fold: bool = False, biases: bool = True, examples: Count = 500,
) -> Tensor:  # fmt: skip
    """Largest eigenvalue of the Hessian: the curvature of the sharpest direction."""
    return krylov.values[0]


@genbench.measure(
    family="curvature", direction="+", source="Yao et al. 2020 (PyHessian), section 3", formula="tr H"
)
def hessian_trace(
    krylov=_KRYLOV, remainder=_REMAINDER,
    *, steps: Count = 30, draws: Count = 10, fold: bool = False, biases: bool = True, examples: Count = 500,
) -> Tensor:  # fmt: skip
    """Sum of the eigenvalues of the Hessian: the curvature of all directions together.

    Parameters
    ----------
    steps : int
        Size of the Krylov space on which the trace is exact.
    draws : int
        Random vectors for the rest.
    """
    return krylov.values.sum() + remainder.trace


@genbench.measure(
    family="curvature", direction="+",
    source="Maddox et al. 2020 (Rethinking parameter counting), section 2; MacKay 1992",
    formula="Σ_i λ_i / (λ_i + z) over λ_i > 0",
)  # fmt: skip
def hessian_effective_dimension(
    krylov=_KRYLOV, remainder=_REMAINDER,
    *, damping: Positive = 0.1, steps: Count = 30, draws: Count = 10, fold: bool = False, biases: bool = True,
    examples: Count = 500,
) -> Tensor:  # fmt: skip
    """Number of directions in the weights that the training data determine.

    The large eigenvalues are those of the Lanczos iteration. The many small ones enter by two moments, as
    r equal eigenvalues and zeros besides: with t their sum and s the sum of their squares, t² / (s + z t). Of
    eigenvalues that are not negative this is a lower bound; where many are, far from a minimum, it is low.

    Parameters
    ----------
    damping : float
        z, the curvature of the prior: directions of higher curvature count as determined.
    """
    positive = krylov.values.clamp_min(0)
    large = (positive / (positive + damping)).sum()
    trace = max(0.0, remainder.trace)
    return large + (trace**2 / (remainder.squares + damping * trace) if trace > 0 else 0.0)


@genbench.measure(
    family="curvature", direction="+", source="Ghorbani et al. 2019 (Hessian eigenvalue density), section 4",
    formula="#{i: λ_i > q λ_max(H)}",
)  # fmt: skip
def hessian_outliers(
    krylov=_KRYLOV,
    *, share: Fraction = 0.1, steps: Count = 30, fold: bool = False, biases: bool = True,
    examples: Count = 500,
) -> Tensor:  # fmt: skip
    """Number of eigenvalues that stand out of the bulk of the Hessian's spectrum, at most `steps`.

    Parameters
    ----------
    share : float
        q: eigenvalues above this share of the largest one stand out.
    """
    top = krylov.values[0]
    if top <= 0:
        raise genbench.NotApplicable("the Hessian has no positive eigenvalue")
    return (krylov.values > share * top).sum()
