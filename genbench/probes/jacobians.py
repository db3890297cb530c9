"""Derivatives of the outputs by the input, one Jacobian pass for all measures that need them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count
from genbench.networks.freezing import slope
from genbench.networks.passes import chunks, evenly_spaced, forward, require_differentiable
from genbench.networks.watching import watched

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
    picked = evenly_spaced(inputs, examples)
    entrance = _Entrance(model, picked[:1].to(device))
    grams, outputs = [], []
    for part in chunks(picked, device, copies=1 + task.outputs // 2):
        values, point = entrance.enter(picked[part].to(device))
        jacobian = _pulled_back(values, point, torch.eye(values.shape[1], device=device)).flatten(2)
        jacobian = jacobian.transpose(0, 1)
        grams.append((entrance.times_metric(jacobian) @ jacobian.transpose(1, 2)).double())
        outputs.append(values.detach().double())
    return InputJacobians(torch.cat(grams), torch.cat(outputs), evenly_spaced(targets, examples))


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
    entrance = _Entrance(model, picked[:1].to(device))
    squares = []
    for part in chunks(picked, device, copies=1 + projections):
        values, point = entrance.enter(picked[part].to(device))
        pulled = _pulled_back(values, point, directions[:, part]).flatten(2)
        squares.append((entrance.times_metric(pulled) * pulled).double().sum(2).mean(0))
    return torch.cat(squares)


class _Entrance:
    """Where derivatives by the input may end early: at the linear layer, if any, that alone reads the input.

    With z = W x + b, the Jacobian by x is that by z times W. Its Gram matrix needs W Wᵀ only, which is the
    smaller where the layer has fewer units than inputs.
    """

    def __init__(self, model: nn.Module, example: Tensor):
        self._model = model
        self._layer: nn.Linear | None = None
        self._metric: Tensor | None = None
        linear = [layer for layer in model.modules() if type(layer) is nn.Linear]
        for layer in linear:
            fewer = layer.out_features <= layer.in_features == example.numel()
            if fewer and _reads_alone(layer, model, example):
                weight = layer.weight.detach()
                self._layer, self._metric = layer, weight @ weight.T
                break

    def enter(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs for examples and what to differentiate them by: the layer's outputs, or the input."""
        return _cut_behind(self._layer, self._model, inputs.clone().requires_grad_())

    def times_metric(self, derivatives: Tensor) -> Tensor:
        """What, times the derivatives themselves, makes products of the derivatives by the input."""
        return derivatives if self._metric is None else derivatives @ self._metric


def _reads_alone(layer: nn.Linear, model: nn.Module, example: Tensor) -> bool:
    """Whether the layer reads the input as it is, and nothing else does."""
    point = example.clone().requires_grad_()
    values, leaf = _cut_behind(layer, model, point)
    if leaf is point or not values.requires_grad:
        return False
    return torch.autograd.grad(values, point, torch.ones_like(values), allow_unused=True)[0] is None


def _cut_behind(layer: nn.Linear | None, model: nn.Module, point: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs at a point and what they are a function of: the layer's outputs, if it reads the point."""
    leaf = point

    def cut(_: str, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        nonlocal leaf
        if leaf is not point or not given or given[0].data_ptr() != point.data_ptr():
            return output
        leaf = output.detach().requires_grad_()
        return leaf.clone()  # an activation may overwrite it

    with torch.enable_grad(), watched({} if layer is None else {"": layer}, after=cut):
        values = forward(model, point)
    return values, leaf


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
        return slope(values, point, directions, retain_graph=True, is_grads_batched=True)
    except RuntimeError:  # a layer without a rule for batches, such as recurrent ones
        rows = [slope(values, point, each, retain_graph=True) for each in directions]
        return torch.stack(rows)
