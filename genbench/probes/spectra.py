"""Spectral norms of the layers, of kernels as matrices or of convolutions as the operators that they are.

Source of the operator view: Sedghi, Gupta & Long 2019, "The singular values of convolutional layers". Their
Fourier transform is exact for circular padding and stride 1; here the operator is applied as the network
applies it, at the layer's own input size, stride and padding included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

import genbench
from genbench.probes.layers import Layer, matched

__all__ = ["Kernel", "largest_singular_value", "matrix_norm", "spectral_distances", "spectral_norms"]

Kernel = Literal["operator", "reshaped"]
"""A convolution as the linear map that it is, or its kernel as a matrix of shape (out, in · kernel)."""

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))
_INITIAL = genbench.need("initial_layers", fold=genbench.setting("fold"))


@genbench.probe
def spectral_norms(
    input_shapes, generator, layers=_LAYERS, *, fold: bool = True, kernel: Kernel = "operator"
) -> Tensor:
    """σ_l, the largest singular value of each layer, shape (d,), double; its relative error is below 1e-5."""
    return torch.stack(
        [_spectral_norm(layer, layer.weight, input_shapes, generator, kernel) for layer in layers]
    )


@genbench.probe
def spectral_distances(
    input_shapes, generator, layers=_LAYERS, initial_layers=_INITIAL,
    *, fold: bool = True, kernel: Kernel = "operator",
) -> Tensor:  # fmt: skip
    """‖W_l − W_l⁰‖₂ of each layer, shape (d,), double; its relative error is below 1e-5."""
    return torch.stack(
        [
            _spectral_norm(now, now.weight - then.weight, input_shapes, generator, kernel)
            for now, then in matched(layers, initial_layers)
        ]
    )


def _spectral_norm(
    layer: Layer,
    weight: Tensor,
    shapes: dict[str, tuple[int, ...]],
    generator: torch.Generator,
    kernel: Kernel,
) -> Tensor:
    convolve = layer.convolution
    if convolve is None or kernel == "reshaped":
        return matrix_norm(weight.flatten(1))
    if layer.module not in shapes:
        raise genbench.NotApplicable(f"layer '{layer.module}' is never applied to an input")
    start = torch.randn(
        1, *shapes[layer.module], generator=generator, dtype=weight.dtype, device=weight.device
    )
    return largest_singular_value(lambda inputs: convolve(inputs, weight), start)


def matrix_norm(matrix: Tensor) -> Tensor:
    """Largest singular value, from the smaller of the two Gram matrices."""
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    if not matrix.isfinite().all():
        return matrix.new_tensor(torch.nan)
    # Scaled first: squares of very small or large weights leave the range of doubles.
    scale = matrix.abs().max().clamp_min(torch.finfo(matrix.dtype).tiny)
    matrix = matrix / scale
    return torch.linalg.eigvalsh(matrix @ matrix.T)[-1].clamp_min(0).sqrt() * scale


def largest_singular_value(
    linear: Callable[[Tensor], Tensor], start: Tensor, tolerance: float = 1e-5, steps: int = 300
) -> Tensor:
    """Largest singular value of a linear map A, by the Lanczos method on AᵀA with full reorthogonalization.

    Parameters
    ----------
    linear : callable
        The map; its transpose is taken by automatic differentiation.
    start : Tensor
        A random vector of the domain.
    tolerance : float
        Stop when the residual of the Ritz pair is at most this part of the Ritz value; an eigenvalue of AᵀA,
        which is the square, then lies within that distance.
    steps : int
        At most this many applications of A.

    Returns
    -------
    Tensor, shape ()
    """
    with torch.enable_grad():
        point = torch.zeros_like(start).requires_grad_()
        image = linear(point)
    covector = torch.zeros_like(image).requires_grad_()
    # The gradient of ⟨covector, A point⟩ by the point is Aᵀ covector, whose gradient by the covector is A.
    with torch.enable_grad():
        (pulled,) = torch.autograd.grad(image, point, covector, create_graph=True)

    def gram(vector: Tensor) -> Tensor:
        (pushed,) = torch.autograd.grad(pulled, covector, vector, retain_graph=True)
        (result,) = torch.autograd.grad(image, point, pushed, retain_graph=True)
        return result

    basis = [start / torch.linalg.vector_norm(start)]
    diagonal: list[float] = []
    beside: list[float] = []
    for _ in range(min(steps, start.numel())):
        image_of_last = gram(basis[-1])
        diagonal.append(float((image_of_last * basis[-1]).sum()))
        stacked = torch.stack([vector.flatten() for vector in basis])
        rest = image_of_last.flatten()
        for _ in range(2):  # twice is enough (Kahan & Parlett)
            rest = rest - stacked.T @ (stacked @ rest)
        length = float(torch.linalg.vector_norm(rest))
        if not math.isfinite(length):
            return start.new_tensor(math.nan)
        values, vectors = eigh_tridiagonal(diagonal, beside)
        if length * abs(vectors[-1, -1]) <= tolerance * values[-1]:
            break
        beside.append(length)
        basis.append((rest / length).reshape(start.shape))
    return start.new_tensor(math.sqrt(max(0.0, values[-1])))
