"""The tangent kernel at the end of training, of all outputs, on training examples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.gradient_products import gradient_products
from genbench.networks.passes import evenly_spaced

__all__ = ["TangentKernel", "tangent_eigenvalues", "tangent_kernel"]


@dataclass(frozen=True)
class TangentKernel:
    """⟨∇_w f_c(x_i), ∇_w f_d(x_j)⟩ for s training examples and all pairs of outputs.

    Attributes
    ----------
    matrix : Tensor, shape (s · outputs, s · outputs)
        Double; the outputs of an example are side by side.
    targets : Tensor, shape (s,) or (s, outputs)
    """

    matrix: Tensor
    targets: Tensor


@genbench.probe(cost="D")
def tangent_kernel(model, inputs, targets, task, device, *, examples: Count = 50) -> TangentKernel:
    """Inner products of the gradients of the outputs by all parameters that are trained.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split. Each counts as many times
        as there are outputs.
    """
    picked = evenly_spaced(inputs, examples)
    directions = torch.eye(task.outputs, dtype=torch.float64, device=device).repeat(len(picked), 1)
    picked = picked.repeat_interleave(task.outputs, 0)
    matrix = gradient_products(model, picked, directions, device)
    return TangentKernel(matrix, evenly_spaced(targets, examples))


@genbench.probe
def tangent_eigenvalues(kernel=genbench.need("tangent_kernel", shared="examples")) -> Tensor:
    """Eigenvalues of the tangent kernel, ascending, shape (s · outputs,), double.

    They are NaN where an entry is not finite, at which the decomposition would stop.
    """
    if not kernel.matrix.isfinite().all():
        return kernel.matrix.new_full((len(kernel.matrix),), torch.nan)
    return torch.linalg.eigvalsh(kernel.matrix).clamp_min(0)
