"""The Lanczos iteration: extreme eigenvalues of a symmetric map that is known by its products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.base.errors import NotApplicable

__all__ = ["Krylov", "lanczos", "rejected"]


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


def lanczos(
    product: Callable[[Tensor], Tensor], start: Tensor, steps: int, generator: torch.Generator,
    known: Krylov | None = None,
) -> Krylov:  # fmt: skip
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
    known : Krylov, optional
        A space of fewer dimensions that is continued, for one product more than the dimensions added; the
        start counts for nothing then.

    Raises
    ------
    NotApplicable
        A product is not finite.
    """
    size = min(steps, len(start))
    basis = start.new_zeros(size, len(start))
    projected = torch.zeros(size, size, dtype=torch.float64, device=start.device)
    negligible = 100 * torch.finfo(start.dtype).eps
    begun = 0 if known is None else min(size, len(known.basis))
    if known is not None:
        basis[:begun], projected[:begun, :begun] = known.basis[:begun], known.projected[:begun, :begun]
    image = start if begun == 0 or begun == size else product(basis[begun - 1])
    scale = torch.linalg.vector_norm(image)
    for step in range(begun, size):
        image, length = rejected(image, basis[:step])
        if length.double() <= negligible * scale.double():  # no start is given, or the space is closed
            drawn = torch.randn(len(start), generator=generator, device=start.device, dtype=torch.float32)
            image, length = rejected(drawn.to(start.dtype), basis[:step])
        basis[step] = image / length
        image = product(basis[step])
        scale = torch.linalg.vector_norm(image)
        projected[step, : step + 1] = projected[: step + 1, step] = (basis[: step + 1] @ image).double()
    if not projected.isfinite().all():
        raise NotApplicable("the second derivatives of the training loss are not finite")
    values, vectors = torch.linalg.eigh(projected)
    return Krylov(values.flip(0), vectors.flip(1), basis)


def rejected(vector: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """What is left of a vector orthogonal to a basis, and its length; twice, as rounding asks for."""
    for _ in range(2):
        vector = vector - (basis @ vector) @ basis
    return vector, torch.linalg.vector_norm(vector)
