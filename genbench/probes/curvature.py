"""The Hessian of the training loss by the weights, known through its products with vectors only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

import genbench
from genbench.constraints import Count
from genbench.probes.objective import Objective
from genbench.probes.perturbation import normal_direction

__all__ = ["Krylov", "Remainder", "hessian_krylov", "hessian_product", "hessian_remainder"]

_SAMPLE = {name: genbench.setting(name) for name in ("fold", "biases", "examples")}
_OBJECTIVE = genbench.need("objective", **_SAMPLE)
_KRYLOV = genbench.need("hessian_krylov", steps=genbench.setting("steps"), **_SAMPLE)
_SEEDS = genbench.need("direction_seeds", draws=genbench.setting("draws"))


@dataclass(frozen=True)
class Krylov:
    """An orthonormal basis Q of a Krylov space of the Hessian H, and T = Qᵀ H Q.

    Attributes
    ----------
    values : Tensor, shape (k,)
        Ritz values, the eigenvalues of T, falling, double. The outer ones are eigenvalues of H.
    weights : Tensor, shape (k,)
        Squared first components of the eigenvectors of T, double: `values` with these weights are the
        quadrature of the spectral density of H as the first vector sees it.
    basis : Tensor, shape (k, parameters)
        Q, one vector in a row, in the precision of the weights.
    """

    values: Tensor
    weights: Tensor
    basis: Tensor


def hessian_product(objective: Objective, vector: Tensor) -> Tensor:
    """H v for the training loss at the trained weights, shape (parameters,), by differentiating ⟨∇L, v⟩."""
    product = torch.zeros_like(vector)
    # The fast kernels of attention have no second derivative.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        point = objective.weights.detach().clone().requires_grad_()
        for part in objective.losses(point, copies=4):
            (slope,) = torch.autograd.grad(part.sum() / len(objective.inputs), point, create_graph=True)
            if slope.requires_grad:  # the loss of a linear function has no second derivative
                product += torch.autograd.grad(slope @ vector, point)[0]
    return product


@genbench.probe(cost="D")
def hessian_krylov(
    generator, objective=_OBJECTIVE,
    *, steps: Count = 30, fold: bool = False, biases: bool = True, examples: Count = 500,
) -> Krylov:  # fmt: skip
    """Lanczos iteration with full reorthogonalization from a random start.

    Parameters
    ----------
    steps : int
        Products with the Hessian, at most as many as there are weights. Where the space closes before, it is
        continued with a new random vector.
    fold, biases, examples
        As of `objective`.
    """
    weights = objective.weights
    size = min(steps, len(weights))
    basis = weights.new_zeros(size, len(weights))
    projected = torch.zeros(size, size, dtype=torch.float64, device=weights.device)
    negligible = 100 * torch.finfo(weights.dtype).eps
    image, scale = weights.new_zeros(len(weights)), 1.0
    for step in range(size):
        image, length = _rejected(image, basis[:step])
        if length <= negligible * scale:  # the start, or the space is closed
            drawn = torch.randn(len(weights), generator=generator, device=weights.device, dtype=torch.float32)
            image, length = _rejected(drawn.to(weights.dtype), basis[:step])
        basis[step] = image / length
        image = hessian_product(objective, basis[step])
        scale = float(torch.linalg.vector_norm(image))
        projected[step, : step + 1] = projected[: step + 1, step] = (basis[: step + 1] @ image).double()
    if not projected.isfinite().all():
        raise genbench.NotApplicable("the second derivatives of the training loss are not finite")
    values, vectors = torch.linalg.eigh(projected)
    return Krylov(values.flip(0), vectors[0].square().flip(0), basis)


@dataclass(frozen=True)
class Remainder:
    """What a Krylov space leaves of the Hessian: P H P, P being the projection on its complement.

    Attributes
    ----------
    trace : float
    squares : float
        The squared Frobenius norm, the sum of the squared eigenvalues.
    """

    trace: float
    squares: float


@genbench.probe(cost="D")
def hessian_remainder(
    objective=_OBJECTIVE, krylov=_KRYLOV, seeds=_SEEDS,
    *, steps: Count = 30, draws: Count = 10, fold: bool = False, biases: bool = True, examples: Count = 500,
) -> Remainder:  # fmt: skip
    """Hutchinson's estimates E zᵀ P H P z and E ‖P H P z‖², for z of independent random signs.

    The large eigenvalues, which would make the estimates noisy, lie in the Krylov space, where they are known
    (as in Hutch++, Meyer et al. 2021).

    Parameters
    ----------
    steps, fold, biases, examples
        As of `hessian_krylov`.
    draws : int
        Vectors z, each for one product with the Hessian.
    """
    trace = squares = 0.0
    for seed in seeds:
        signs = normal_direction(seed, objective.weights).sign()
        rest, _ = _rejected(signs, krylov.basis)
        image, length = _rejected(hessian_product(objective, rest), krylov.basis)
        trace += float((rest.double() * image.double()).sum())
        squares += length**2
    return Remainder(trace / len(seeds), squares / len(seeds))


def _rejected(vector: Tensor, basis: Tensor) -> tuple[Tensor, float]:
    """What is left of a vector orthogonal to a basis, and its length; twice, as rounding asks for."""
    for _ in range(2):
        vector = vector - (basis @ vector) @ basis
    return vector, float(torch.linalg.vector_norm(vector))
