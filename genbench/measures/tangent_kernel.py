"""The tangent kernel K of the trained network: which functions a step of gradient descent can learn.

K holds the inner products ⟨∇_w f_c(x_i), ∇_w f_d(x_j)⟩ of all outputs c, d (logits) on s training examples,
by all parameters that are trained. It is divided by s, so that its eigenvalues are those of the second moment
of the tangent features, and do not grow with the number of examples.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Count
from genbench.networks.gradient_products import trained_parameters
from genbench.networks.passes import evenly_spaced, require_classes

__all__ = [
    "tk_alignment",
    "tk_effective_rank",
    "tk_rademacher",
    "tk_residual_alignment",
    "tk_top_eigenvalue",
    "tk_top_share",
    "tk_trace",
]

# A centred kernel that is smaller than this, relative to the kernel, is rounding.
_ROUNDING = 1e-12
# Eigenvalues that are nearer to each other, relative to the largest, count as one.
_APART = 1e-9

_KERNEL = genbench.need("tangent_kernel", shared="examples")
_OWN_KERNEL = genbench.need("tangent_kernel", examples=genbench.setting("examples"))
_EIGENVALUES = genbench.need("tangent_eigenvalues", shared="examples")


@genbench.measure(
    family="tangent_kernel", direction="+", source="Walker 2023, section 4.1",
    formula="tr K / s = mean_i Σ_c ‖∇_w f_c(x_i)‖²",
)  # fmt: skip
def tk_trace(kernel=_KERNEL) -> Tensor:
    """Trace of the tangent kernel for each example: how far a step in the weights can move the outputs."""
    return _trace(kernel)


@genbench.measure(
    family="tangent_kernel", direction="+", source="Walker 2023, section 4.1", formula="λ_1(K) / s"
)
def tk_top_eigenvalue(kernel=_KERNEL, eigenvalues=_EIGENVALUES) -> Tensor:
    """Largest eigenvalue of the second moment of the tangent features."""
    return eigenvalues[-1] / len(kernel.targets)


@genbench.measure(
    family="tangent_kernel", direction="+", source="Walker 2023, section 4.1", formula="λ_1(K) / tr K",
    aliases=("tk_top_eig",),
)  # fmt: skip
def tk_top_share(eigenvalues=_EIGENVALUES) -> Tensor:
    """Share of the largest eigenvalue in the trace: how far one direction of the kernel stands out.

    It is that of the Gauss-Newton curvature for squared errors, and sharp directions are said to widen the
    gap. Baratin et al. 2021 read the same dominance as compression, which would narrow it; the survey cited
    above decides for neither, so that this direction is the weakest of the family.
    """
    return eigenvalues[-1] / _positive(eigenvalues.sum())


@genbench.measure(
    family="tangent_kernel", direction="?", source="Roy & Vetterli 2007; Baratin et al. 2021",
    formula="exp(−Σ_j p_j ln p_j), p_j = λ_j / tr K",
)  # fmt: skip
def tk_effective_rank(eigenvalues=_EIGENVALUES) -> Tensor:
    """Exponential of the entropy of the kernel's spectrum: the number of directions in which it learns.

    Few directions may mean compression or curvature, see `tk_top_share`; no source claims a direction.
    """
    shares = eigenvalues / _positive(eigenvalues.sum())
    return (-torch.xlogy(shares, shares).sum()).exp()


@genbench.measure(
    family="tangent_kernel", direction="-", source="Baratin et al. 2021, section 4.1; Cortes et al. 2012",
    formula="yᵀ K y / (‖K‖_F ‖y‖²), K and y centred",
)  # fmt: skip
def tk_alignment(
    task, kernel=_KERNEL, *, centre: Literal["each_output", "all", "none"] = "each_output"
) -> Tensor:
    """Alignment of the tangent kernel with the targets y, labels as unit vectors e_y.

    Parameters
    ----------
    centre : {"each_output", "all", "none"}
        Take from the tangent features of each output their mean over the examples; of all outputs the
        common mean; nothing.
    """
    matrix = kernel.matrix
    whole = _positive(torch.linalg.matrix_norm(matrix))
    targets = kernel.targets.to(matrix.device)
    if task.kind == "classification":
        if task.outputs < 2:
            raise genbench.NotApplicable("needs an output for each class, the network has one output in all")
        targets = F.one_hot(targets, task.outputs)
    wanted = targets.double().reshape(-1)
    if centre != "none":
        groups = task.outputs if centre == "each_output" else 1
        matrix = _centred(_centred(matrix, groups).T, groups)
        wanted = _centred(wanted, groups)
    size = wanted.square().sum()
    if size == 0:
        raise genbench.NotApplicable("the targets of the examples taken are all the same")
    norm = torch.linalg.matrix_norm(matrix)
    if norm <= _ROUNDING * whole:
        raise genbench.NotApplicable("the centred tangent kernel vanishes: all examples have equal features")
    return wanted @ matrix @ wanted / (norm * size)


@genbench.measure(
    family="tangent_kernel", direction="+", source="Walker 2023, proposition 4.4 with A = I",
    formula="‖w − w⁰‖ ‖Φ‖_F / m, ‖Φ‖_F² = Σ_i Σ_c ‖∇_w f_c(x_i)‖²",
)  # fmt: skip
def tk_rademacher(model, initial_model, sample_size, kernel=_KERNEL) -> Tensor:
    """Bound on the Rademacher complexity of the linear model in the tangent features, within ‖w − w⁰‖ of w⁰.

    The sum over all m training examples is estimated from those taken; the distance is of all parameters that
    are trained.
    """
    now, then = trained_parameters(model), dict(initial_model.named_parameters())
    if any(name not in then or then[name].shape != each.shape for name, each in now.items()):
        raise genbench.NotApplicable("the initial network has other parameters than the trained one")
    moved = torch.stack(
        [(each.double() - then[name].double().to(each.device)).square().sum() for name, each in now.items()]
    )
    return moved.sum().sqrt() * (_trace(kernel) / sample_size).sqrt()


@genbench.measure(
    family="tangent_kernel", direction="?", source="Walker 2023, lemma 4.2",
    formula="Σ_{j≤k} ⟨u_j, g⟩² / ‖g‖², g = ∇_f ℓ, u_j eigenvectors of K",
)  # fmt: skip
def tk_residual_alignment(
    task, logits, kernel=_OWN_KERNEL, *, top: Count = 10, examples: Count = 50
) -> Tensor:
    """Share of the gradient of the loss by the outputs that lies in the largest eigenvectors of the kernel.

    A step of gradient descent changes the outputs along u_j by −η λ_j ⟨u_j, g⟩: a residual in the largest
    ones is what training goes on to fit soon. No source claims a direction at the end of training.

    Parameters
    ----------
    top : int
        k, how many eigenvectors.

    Raises
    ------
    NotApplicable
        The loss has no gradient; the kernel has no more than k eigenvectors, in which all of it lies; or
        eigenvalues k and k + 1 are equal, so that the k largest are not defined.
    """
    targets = kernel.targets.to(logits.device)
    outputs = evenly_spaced(logits, examples)
    if task.kind == "classification":
        require_classes(task, logits)
        gradient = outputs.softmax(1) - F.one_hot(targets, task.outputs)
    else:
        gradient = outputs - targets.double().reshape(outputs.shape)
    residual = gradient.reshape(-1).to(kernel.matrix.device)
    size = residual.square().sum()
    if size == 0:
        raise genbench.NotApplicable("the loss of the examples taken has no gradient")
    if top >= len(residual):
        raise genbench.NotApplicable(f"all {len(residual)} eigenvectors of the tangent kernel would be taken")
    if not kernel.matrix.isfinite().all():
        return size * torch.nan
    values, vectors = _largest(kernel.matrix, top + 1)
    if values[-top] - values[-top - 1] <= _APART * values[-1]:
        raise genbench.NotApplicable(f"eigenvalues {top} and {top + 1} of the tangent kernel are the same")
    return (vectors[:, -top:].T @ residual).square().sum() / size


def _largest(matrix: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest eigenvalues of a symmetric matrix, rising, and their eigenvectors.

    On the CPU no others are computed, for a third of the time that all take; they agree to rounding.
    """
    if matrix.device.type != "cpu":
        values, vectors = torch.linalg.eigh(matrix)
        return values[-count:], vectors[:, -count:]
    from scipy.linalg import eigh

    size = len(matrix)
    found = eigh(matrix.numpy(), subset_by_index=(size - count, size - 1), check_finite=False)
    values, vectors = map(torch.from_numpy, found)
    return values, vectors


def _trace(kernel) -> Tensor:
    return kernel.matrix.diagonal().sum() / len(kernel.targets)


def _positive(value: Tensor) -> Tensor:
    if value == 0:
        raise genbench.NotApplicable("the tangent kernel vanishes")
    return value


def _centred(values: Tensor, groups: int) -> Tensor:
    """Less the mean over the rows, those of each of several interleaved groups apart."""
    apart = values.unflatten(0, (-1, groups))
    return (apart - apart.mean(0)).flatten(0, 1)
