"""Spectral norms of the layers, of kernels as matrices or of convolutions as the operators that they are.

Source of the operator view: Sedghi, Gupta & Long 2019, "The singular values of convolutional layers". Their
Fourier transform, as programs use it, is exact for circular padding and stride 1; the operator is applied as
the network applies it, at the layer's own input size, stride and padding included, mostly with zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

import genbench
from genbench.networks.layers import Layer, matched

__all__ = [
    "Kernel",
    "circular_norm",
    "matrix_norm",
    "most_stretched",
    "operator_norm",
    "spectral_distances",
    "spectral_norms",
]

Kernel = Literal["operator", "reshaped", "circular"]
"""A convolution as the linear map that it is; its kernel as a matrix of shape (out, in · kernel); or the map
that it would be with circular padding, stride and dilation 1."""

# Maps of at most so many inputs are written out as matrices.
_SMALL = 256
# What is left of earlier vectors is rounding, which grows from step to step until copies of the leading one
# come back. It is taken away at two steps of so many: the recurrence carries what two of its vectors hold.
_ORTHOGONAL_EVERY = 6

_LAYERS = genbench.need("layers", shared="fold")
_INITIAL = genbench.need("initial_layers", shared="fold")


@genbench.probe
def spectral_norms(input_shapes, generator, layers=_LAYERS, *, kernel: Kernel = "operator") -> Tensor:
    """σ_l, the largest singular value of each layer, shape (d,), double; its relative error is below 1e-6.

    Parameters
    ----------
    kernel : {"operator", "reshaped", "circular"}
        A convolution as the linear map that it is, with the padding of the network, mostly zeros; its kernel
        as a matrix of shape (out, in · kernel); or the map that it would be with circular padding and stride
        and dilation 1, which is what published programs find by Fourier transforms: mostly a little more, and
        much more where the stride is not 1.
    """
    return torch.stack(
        [_spectral_norm(layer, layer.weight, input_shapes, generator, kernel) for layer in layers]
    )


@genbench.probe
def spectral_distances(
    input_shapes, generator, layers=_LAYERS, initial_layers=_INITIAL, *, kernel: Kernel = "operator"
) -> Tensor:
    """‖W_l − W_l⁰‖₂ of each layer, shape (d,), double; its relative error is below 1e-6.

    Parameters
    ----------
    kernel : {"operator", "reshaped", "circular"}
        A convolution as the linear map that it is, with the padding of the network, mostly zeros; its kernel
        as a matrix of shape (out, in · kernel); or the map that it would be with circular padding and stride
        and dilation 1, which is what published programs find by Fourier transforms: mostly a little more, and
        much more where the stride is not 1.
    """
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
    if kernel == "circular":
        return circular_norm(weight, shapes[layer.module])
    start = torch.randn(1, *shapes[layer.module], generator=generator, device=weight.device)
    return operator_norm(convolve, weight, start)


def circular_norm(weight: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Norm of a convolution with circular padding and stride 1: the largest of one matrix for each frequency.

    Parameters
    ----------
    weight : Tensor, shape (out, in / groups, *kernel)
    shape : tuple of int
        Of an input, (in, *size).
    """
    sizes = shape[1:]
    for dim, size in enumerate(sizes, start=2):
        # A kernel that is larger than the input meets it again.
        over = -weight.shape[dim] % size
        padding = [0] * (2 * (weight.ndim - 1 - dim)) + [0, over]
        weight = F.pad(weight, padding).unflatten(dim, (-1, size)).sum(dim)
    frequencies = torch.fft.rfftn(weight, dim=tuple(range(2, weight.ndim)))
    matrices = frequencies.flatten(2).movedim(2, 0).unflatten(1, (shape[0] // weight.shape[1], -1))
    if not weight.isfinite().all():
        return weight.new_tensor(torch.nan)
    return torch.linalg.matrix_norm(matrices, ord=2).max()


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


def operator_norm(apply: Callable[[Tensor, Tensor], Tensor], weight: Tensor, start: Tensor) -> Tensor:
    """Norm of the linear map x -> apply(x, weight); its relative error is below 1e-6.

    The direction that it stretches most is searched in single precision, in which a convolution is several
    times as fast; its image in the precision of the weights has an error of second order only.

    Parameters
    ----------
    apply : callable
        Linear in both arguments, of any precision.
    weight : Tensor
    start : Tensor
        A random vector of the map's domain, in single precision.

    Returns
    -------
    Tensor, shape ()
    """
    if start.numel() <= _SMALL:
        units = torch.eye(start.numel(), dtype=weight.dtype, device=weight.device)
        return matrix_norm(apply(units.reshape(-1, *start.shape[1:]), weight).flatten(1))
    scale = weight.abs().max()  # very small or large weights leave the range of single precision
    if not scale.isfinite():
        return weight.new_tensor(torch.nan)
    if scale == 0:
        return weight.new_tensor(0.0)
    scaled = weight / scale
    single = scaled.to(start.dtype)
    # Those of cuDNN may round to ten bits, and then another direction would be the most stretched.
    with torch.backends.cudnn.flags(enabled=False):
        direction = most_stretched(lambda inputs: apply(inputs, single), start).to(weight.dtype)
    image = apply(direction, scaled)
    return scale * torch.linalg.vector_norm(image) / torch.linalg.vector_norm(direction)


def most_stretched(
    linear: Callable[[Tensor], Tensor], start: Tensor, tolerance: float = 1e-6, steps: int = 300
) -> Tensor:
    """The leading right singular vector of a linear map A, by the Lanczos method on AᵀA.

    Parameters
    ----------
    linear : callable
        The map; its transpose is taken by automatic differentiation.
    start : Tensor
        A random vector of the domain.
    tolerance : float
        Stop when the residual of the Ritz vector is at most this part of the Ritz value. An eigenvalue of
        AᵀA, which is the square, is then within that distance and mostly within its square; a looser stop
        would now and then take the second eigenvalue for the first.
    steps : int
        At most this many applications of A.

    Returns
    -------
    Tensor, shape of `start`
        Of any length.
    """
    from scipy.linalg import eigh_tridiagonal

    with torch.enable_grad():
        point = torch.zeros_like(start).requires_grad_()
        image = linear(point)

    def gram(vector: Tensor) -> Tensor:
        (pulled,) = torch.autograd.grad(image, point, linear(vector.reshape(start.shape)), retain_graph=True)
        return pulled.flatten()

    steps = min(steps, start.numel())
    basis = start.new_empty(steps, start.numel())
    following = start.flatten() / torch.linalg.vector_norm(start)
    diagonal: list[float] = []
    beside: list[float] = []
    for step in range(steps):
        basis[step] = following
        rest = gram(following)
        along = rest @ following
        rest -= along * following
        if beside:
            rest -= beside[-1] * basis[step - 1]
        before = basis[: step + 1]
        if step % _ORTHOGONAL_EVERY < 2:
            rest -= before.T @ (before @ rest)
        entry, length = torch.stack([along, torch.linalg.vector_norm(rest)]).tolist()  # read together
        diagonal.append(entry)
        (value,), vector = eigh_tridiagonal(diagonal, beside, select="i", select_range=(step, step))
        if length * abs(vector[-1, 0]) <= tolerance * value:
            break
        beside.append(length)
        following = rest / length
    return (before.T @ before.new_tensor(vector[:, 0])).reshape(start.shape)
