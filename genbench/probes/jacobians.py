"""Derivatives of the outputs by the input: whole Jacobians, and what random directions see of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.freezing import slope
from genbench.networks.passes import chunks, evenly_spaced, require_differentiable
from genbench.probes.output_jacobians import Entrance

__all__ = ["InputJacobians", "input_jacobians", "projected_jacobians"]


@dataclass(frozen=True)
class InputJacobians:
    """Input-output Jacobians J = ∂f/∂x of s training examples, as their Gram matrices.

    Attributes
    ----------
    gram : Tensor, shape (s, outputs, outputs)
        J Jᵀ, double: its trace is ‖J‖_F², its largest eigenvalue ‖J‖₂², and uᵀ J Jᵀ u the squared norm of the
        gradient of uᵀ f.
    outputs : Tensor, shape (s, outputs)
        f(x), double.
    targets : Tensor, shape (s,) or (s, outputs)
    """

    gram: Tensor
    outputs: Tensor
    targets: Tensor


@genbench.probe
def input_jacobians(jacobians=genbench.need("output_jacobians", shared="examples")) -> InputJacobians:
    """Jacobians of the outputs (logits) by the input.

    Raises
    ------
    NotApplicable
        The network cuts its outputs off from its inputs.
    """
    if jacobians.no_gram:
        raise genbench.NotApplicable(jacobians.no_gram)
    return InputJacobians(jacobians.gram, jacobians.outputs, jacobians.targets)


@genbench.probe(cost="C")
def projected_jacobians(
    model, inputs, logits, device, generator, *, projections: Count = 1, examples: Count = 2000
) -> Tensor:
    """Estimates of ‖∂f/∂x‖_F² of s training examples, shape (s,), double, each unbiased.

    k ‖Jᵀ u‖² with u one of the k rows of a random orthogonal matrix. Examples that the network takes for the
    same class share a matrix, a row each in turn: their Jacobians are alike, and the rows together see all of
    one, so that errors cancel in the mean.

    Parameters
    ----------
    projections : int
        Rows for each example, at the cost of a backward pass each.
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        The inputs are not numbers that one can differentiate by.
    """
    require_differentiable(inputs)
    picked = evenly_spaced(inputs, examples)
    outputs = evenly_spaced(logits, examples)
    directions = torch.stack([_in_turn(outputs, generator) for _ in range(projections)])
    entrance = Entrance(model, picked[:1].to(device))
    squares = []
    for part in chunks(picked, device, copies=1 + projections):
        values, point, _ = entrance.enter(picked[part].to(device))
        pulled = _pulled_back(values, point, directions[:, part]).flatten(2)
        squares.append((entrance.times_metric(pulled) * pulled).double().sum(2).mean(0))
    return torch.cat(squares)


def _in_turn(values: Tensor, generator: torch.Generator) -> Tensor:
    """√k times a row of a random orthogonal matrix for each example, shape (n, k)."""
    n, k = values.shape
    drawn = torch.randn(-(-n // k), k, k, generator=generator, device=generator.device, dtype=torch.float64)
    rows = torch.linalg.qr(drawn).Q.flatten(0, 1)[:n].to(values.device, values.dtype) * k**0.5
    order = values.argmax(1).argsort(stable=True)
    return torch.empty_like(rows).index_copy_(0, order, rows)


def _pulled_back(values: Tensor, point: Tensor, directions: Tensor) -> Tensor:
    """Jᵀ u of every example for several u.

    Parameters
    ----------
    values : Tensor, shape (n, outputs)
    point : Tensor, shape (n, *input_shape)
    directions : Tensor, shape (m, n, outputs)

    Returns
    -------
    Tensor, shape (m, n, *input_shape)
    """
    directions = directions.to(values.dtype)
    try:
        return slope(values, point, directions, retain_graph=True, is_grads_batched=True)
    except RuntimeError:  # a layer without a rule for batches, such as recurrent ones
        rows = [slope(values, point, each, retain_graph=True) for each in directions]
        return torch.stack(rows)
