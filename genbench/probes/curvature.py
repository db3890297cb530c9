"""The Hessian of the training loss by the weights, known through its products with vectors only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.hessian import Hessian
from genbench.probes.perturbation import normal_direction

__all__ = [
    "Krylov",
    "hessian_krylov",
    "hessian_remainder",
    "lanczos",
    "rejected",
]

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
    vectors : Tensor, shape (k, k)
        Eigenvectors of T in the same order, double, one in a column: their sums of `basis` are Ritz vectors.
    basis : Tensor, shape (k, parameters)
        Q, one vector in a row, in the precision of the weights.
    """

    values: Tensor
    vectors: Tensor
    basis: Tensor

    @property
    def projected(self) -> Tensor:
        """T, shape (k, k), double."""
        return (self.vectors * self.values) @ self.vectors.T

    def ritz_vector(self, place: int) -> Tensor:
        """The Ritz vector of one of `values`, shape (parameters,)."""
        return self.vectors[:, place].to(self.basis.dtype) @ self.basis


@genbench.probe(cost="D")
def hessian_krylov(
    generator, objective=_OBJECTIVE,
    *, steps: Count = 30, fold: bool = False, biases: bool = True, examples: Count = 250,
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
    start = torch.zeros_like(objective.weights)
    return lanczos(Hessian(objective).product, start, steps, generator)


def lanczos(
    product: Callable[[Tensor], Tensor], start: Tensor, steps: int, generator: torch.Generator
) -> Krylov:
    """The Krylov space of a symmetric matrix.

    Parameters
    ----------
    product : callable
        From a vector to its product with the matrix.
    start : Tensor, shape (n,)
        The first vector, of any length; a random one where it is zero.
    steps : int
        Dimensions, n at most.
    generator : torch.Generator
        For the start and where the space closes before.

    Raises
    ------
    NotApplicable
        A product is not finite.
    """
    size = min(steps, len(start))
    basis = start.new_zeros(size, len(start))
    projected = torch.zeros(size, size, dtype=torch.float64, device=start.device)
    negligible = 100 * torch.finfo(start.dtype).eps
    image, scale = start, float(torch.linalg.vector_norm(start))
    for step in range(size):
        image, length = rejected(image, basis[:step])
        if length <= negligible * scale:  # no start is given, or the space is closed
            drawn = torch.randn(len(start), generator=generator, device=start.device, dtype=torch.float32)
            image, length = rejected(drawn.to(start.dtype), basis[:step])
        basis[step] = image / length
        image = product(basis[step])
        scale = float(torch.linalg.vector_norm(image))
        projected[step, : step + 1] = projected[: step + 1, step] = (basis[: step + 1] @ image).double()
    if not projected.isfinite().all():
        raise genbench.NotApplicable("the second derivatives of the training loss are not finite")
    values, vectors = torch.linalg.eigh(projected)
    return Krylov(values.flip(0), vectors.flip(1), basis)


@genbench.probe(cost="D")
def hessian_remainder(
    objective=_OBJECTIVE, krylov=_KRYLOV, seeds=_SEEDS,
    *, steps: Count = 30, draws: Count = 12, fold: bool = False, biases: bool = True, examples: Count = 250,
) -> float:  # fmt: skip
    """Trace of P H P, what a Krylov space leaves of the Hessian, P being the projection on its complement.

    It is Hutchinson's estimate E zᵀ P H P z for z of independent random signs. The large eigenvalues, which
    would make it noisy, lie in the Krylov space, where they are known (as in Hutch++, Meyer et al. 2021).

    Parameters
    ----------
    steps, fold, biases, examples
        As of `hessian_krylov`.
    draws : int
        Vectors z, each for one product with the Hessian.
    """
    trace = 0.0
    hessian = Hessian(objective)
    for seed in seeds:
        signs = normal_direction(seed, objective.weights).sign()
        rest, _ = rejected(signs, krylov.basis)
        image, _ = rejected(hessian.product(rest), krylov.basis)
        trace += float((rest.double() * image.double()).sum())
    return trace / len(seeds)


def rejected(vector: Tensor, basis: Tensor) -> tuple[Tensor, float]:
    """What is left of a vector orthogonal to a basis, and its length; twice, as rounding asks for."""
    for _ in range(2):
        vector = vector - (basis @ vector) @ basis
    return vector, float(torch.linalg.vector_norm(vector))
