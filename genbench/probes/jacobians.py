"""Derivatives of the outputs by the input, one Jacobian pass for all measures that need them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import genbench
from genbench.constraints import Count
from genbench.probes.sample import chunks, evenly_spaced, forward, require_differentiable

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


@genbench.probe(cost="C")
def input_jacobians(model, inputs, targets, task, device, *, examples: Count = 500) -> InputJacobians:
    """Jacobians of the outputs (logits) by the input.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split. The cost is that of as
        many backward passes as there are outputs.

    Raises
    ------
    NotApplicable
        The inputs are not numbers that one can differentiate by.
    """
    require_differentiable(inputs)
    chosen = evenly_spaced(len(inputs), examples).to(inputs.device)
    picked = inputs[chosen]
    grams, outputs = [], []
    for part in chunks(picked, device, copies=1 + task.outputs // 2):
        with torch.enable_grad():
            point = picked[part].to(device, copy=True).requires_grad_()
            values = forward(model, point)
            jacobian = _pulled_back(values, point, torch.eye(values.shape[1], device=device)).flatten(2)
        jacobian = jacobian.transpose(0, 1)
        grams.append((jacobian @ jacobian.transpose(1, 2)).double())
        outputs.append(values.detach().double())
    return InputJacobians(torch.cat(grams), torch.cat(outputs), targets[chosen.to(targets.device)])


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
    chosen = evenly_spaced(len(inputs), examples)
    picked = inputs[chosen.to(inputs.device)]
    outputs = logits[chosen.to(logits.device)]
    directions = torch.stack([_in_turn(outputs, generator) for _ in range(projections)])
    squares = []
    for part in chunks(picked, device, copies=1 + projections):
        with torch.enable_grad():
            point = picked[part].to(device, copy=True).requires_grad_()
            pulled = _pulled_back(forward(model, point), point, directions[:, part])
        squares.append(pulled.flatten(2).double().square().sum(2).mean(0))
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
    directions : Tensor, shape (m, outputs) or (m, n, outputs)

    Returns
    -------
    Tensor, shape (m, n, *input_shape)
    """
    if directions.ndim == 2:
        directions = directions.unsqueeze(1)
    directions = directions.to(values.dtype).expand(-1, *values.shape)
    try:
        return torch.autograd.grad(values, point, directions, retain_graph=True, is_grads_batched=True)[0]
    except RuntimeError:  # a layer without a rule for batches, such as recurrent ones
        rows = [torch.autograd.grad(values, point, each, retain_graph=True)[0] for each in directions]
        return torch.stack(rows)
