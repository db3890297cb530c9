"""Curvature of the training loss: eigenvalues of its Hessian H by the network's parameters.

Batch norm stays as it is, in evaluation mode, and its scales and shifts are parameters like all others, as in
PyHessian (Yao et al. 2020); ``fold=true`` looks at the folded weights. The measures share one Lanczos
iteration over `examples` training examples; those of single layers and of rescaled weights have their own,
over fewer.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

import genbench
from genbench.base.constraints import Fraction, Positive

__all__ = [
    "hessian_effective_dimension",
    "hessian_negative_share",
    "hessian_outliers",
    "hessian_top_eig",
    "hessian_top_eig_per_layer",
    "hessian_trace",
    "riemannian_sharpness",
]

_ITERATION = ("steps", "fold", "biases", "examples")
_KRYLOV = genbench.need("hessian_krylov", shared=_ITERATION)
_REMAINDER = genbench.need("hessian_remainder", shared=("draws", *_ITERATION))
_DENSITY = genbench.need("hessian_density", shared=("draws", "points", "further", *_ITERATION))
_BLOCKS = genbench.need("layer_curvatures", shared=_ITERATION)
_RESCALED = genbench.need("rescaled_krylov", shared=_ITERATION)


@genbench.measure(
    family="curvature", direction="+", source="Yao et al. 2020 (PyHessian), section 3; Keskar et al. 2017",
    formula="λ_max(H)",
)  # fmt: skip
def hessian_top_eig(krylov=_KRYLOV) -> Tensor:
    """Largest eigenvalue of the Hessian: the curvature of the sharpest direction."""
    return krylov.values[0]


@genbench.measure(
    family="curvature", direction="+", source="Yao et al. 2020 (PyHessian), section 3", formula="tr H",
    version=2,
)  # fmt: skip
def hessian_trace(krylov=_KRYLOV, remainder=_REMAINDER) -> Tensor:
    """Sum of the eigenvalues of the Hessian: the curvature of all directions together.

    It is exact on a Krylov space of `steps` dimensions and estimated with `draws` random vectors outside.
    """
    return krylov.values.sum() + remainder


@genbench.measure(
    family="curvature", direction="+",
    source="Maddox et al. 2020 (Rethinking parameter counting), section 2; MacKay 1992",
    formula="Σ_i λ_i / (λ_i + z) over λ_i > 0", version=4,
)  # fmt: skip
def hessian_effective_dimension(density=_DENSITY, *, damping: Positive = 0.1) -> Tensor:
    """Number of directions in the weights that the training data determine.

    The large eigenvalues are those of the Lanczos iteration, the many small ones enter by the density of the
    probe `hessian_density`. Negative eigenvalues, along which the loss falls and which no minimum has, count
    for nothing. On networks of 500 to 2,000 weights, before, amid and after training, it was within 9 %
    of the one of the dense Hessian; a smaller damping asks for more `further` and `points`, and so do
    larger networks, which get fewer of them.

    Parameters
    ----------
    damping : float
        z, the curvature of the prior: directions of higher curvature count as determined.
    """
    positive = density.values.clamp_min(0)
    return density.total(positive / (positive + damping))


@genbench.measure(
    family="curvature", direction="+", source="Ghorbani et al. 2019 (Hessian eigenvalue density), section 4",
    formula="#{i: λ_i > q λ_max(H)}",
)  # fmt: skip
def hessian_outliers(krylov=_KRYLOV, *, share: Fraction = 0.1) -> Tensor:
    """Number of eigenvalues that stand out of the bulk of the Hessian's spectrum, at most `steps`.

    Near a minimum they are few and the Lanczos iteration finds them all. Far from one, where twenty and more
    lie close together, it finds some of them: 17 to 20 where there are 20 to 30, and 14 of 82.

    Parameters
    ----------
    share : float
        q: eigenvalues above this share of the largest one stand out.
    """
    top = krylov.values[0]
    if top <= 0:
        raise genbench.NotApplicable("the Hessian has no positive eigenvalue")
    return (krylov.values > share * top).sum()


@genbench.measure(
    family="curvature", direction="+", source="Yao et al. 2020 (PyHessian), section 3, block by block",
    formula="max_l λ_max(H_ll), H_ll = ∂²L/∂w_l²",
)  # fmt: skip
def hessian_top_eig_per_layer(
    curvatures=_BLOCKS, *, aggregate: Literal["max", "mean", "sum"] = "max"
) -> Tensor:
    """Curvature of the sharpest direction in the weights and bias of a single layer.

    It is no larger than that of all weights together.

    Parameters
    ----------
    aggregate : {"max", "mean", "sum"}
        What stands for the layers.
    """
    return {"max": curvatures.max, "mean": curvatures.mean, "sum": curvatures.sum}[aggregate]()


@genbench.measure(
    family="curvature", direction="?", source="Ghorbani et al. 2019 (Hessian eigenvalue density), section 4",
    formula="∫_{λ<0} |λ| φ(λ) dλ / ∫ |λ| φ(λ) dλ", version=3,
)  # fmt: skip
def hessian_negative_share(density=_DENSITY) -> Tensor:
    """Share of the curvature that goes downwards: zero at a minimum, more where training has not settled.

    φ is the spectral density of the Hessian, see the probe `hessian_density`. The source follows negative
    eigenvalues along training; nothing is claimed of the gap. Of spectra that crowd at zero the quadrature
    takes some for negative that are not: on small networks the share is up to a tenth off that of all
    eigenvalues.
    """
    sizes = density.masses * density.values.abs()
    if not sizes.any():
        raise genbench.NotApplicable("the Hessian is zero")
    return sizes[density.values < 0].sum() / sizes.sum()


@genbench.measure(
    family="curvature", direction="+",
    source="Rangamani et al. 2019 (A scale invariant flatness measure for deep network minima), section 4",
    formula="max_v vᵀ H v / Σ_l (‖v_l‖ / ‖W_l‖_F)²",
)  # fmt: skip
def riemannian_sharpness(krylov=_RESCALED) -> Tensor:
    """Largest curvature where each layer's weights are measured in units of their own norm.

    It stays as it is when consecutive ReLU layers are rescaled so that the function remains the same. At a
    minimum it is the largest eigenvalue of the Hessian on the manifold of networks up to such rescaling;
    elsewhere that has terms of the gradient too, which are left out.
    """
    return krylov.values[0]
