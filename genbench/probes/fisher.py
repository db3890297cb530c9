"""What the Fisher information of the trained network says of its weights, example by example."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Count
from genbench.networks.adapting import ONE_LOGIT, has_one_logit
from genbench.networks.ambient import forward_mode, twice_differentiable
from genbench.networks.derivatives import is_missing_derivative
from genbench.networks.freezing import FrozenForwardToo
from genbench.networks.gradient_products import gradient_pieces
from genbench.networks.layers import Layer, last_layer
from genbench.networks.objective import Objective
from genbench.networks.passes import chunks, evenly_spaced, forward, require_classes
from genbench.networks.watching import watched
from genbench.probes.gradients import loss_derivatives, squared_norms

__all__ = ["Labels", "fisher_norms", "radial_derivatives", "relative_curvature"]

Labels = Literal["model", "given"]

_OBJECTIVE = genbench.need(
    "objective", fold=genbench.setting("fold"), examples=genbench.setting("examples"), shared="biases"
)


@genbench.probe(cost="C", version=2)
def radial_derivatives(objective=_OBJECTIVE, *, fold: bool = False, examples: Count = 2000) -> Tensor:
    """⟨w, ∇_w ℓ_i⟩ of the examples' losses, shape (s,), double: how each changes when all weights grow alike.

    One forward pass that carries the derivative along; a backward pass for each example, where an operation
    of the network does not carry it.

    Parameters
    ----------
    fold : bool
        Fold batch norm into the weights beside it first, see `objective`.
    examples : int
        At most this many training examples, evenly spaced over the training split.
    """
    try:
        return _carried_along(objective)
    except (NotImplementedError, RuntimeError) as fault:
        if not is_missing_derivative(fault):
            raise
    slopes = (part.gradient(objective.weights) for part in objective.batches(1))
    return torch.stack([slope.double() @ objective.weights.double() for slope in slopes])


def _carried_along(objective: Objective) -> Tensor:
    # Neither the fast kernels of attention nor those of recurrent layers carry a derivative along.
    recurrent = any(isinstance(module, nn.RNNBase) for module in objective.model.modules())
    found = []
    for part in objective.parts(copies=2):
        plain = torch.backends.mkldnn.flags(enabled=False) if recurrent else nullcontext()
        # A level of its own for each part: it keeps all derivatives that it has seen until it ends.
        with (
            forward_mode(), forward_ad.dual_level(), torch.enable_grad(), FrozenForwardToo(),
            twice_differentiable(), plain,
        ):  # fmt: skip
            # As variables, for the kernels that inference alone is given cannot carry a derivative.
            moving = forward_ad.make_dual(objective.weights.clone().requires_grad_(), objective.weights)
            for losses in part.losses(moving):
                derivative = forward_ad.unpack_dual(losses).tangent
                found.append(torch.zeros_like(losses) if derivative is None else derivative.detach())
    return torch.cat(found)


@genbench.probe(cost="D")
def fisher_norms(
    model, inputs, targets, task, device, *, labels: Labels = "model", examples: Count = 200
) -> Tensor:
    """Each example's share of the trace of the Fisher information, shape (s,), double.

    Parameters
    ----------
    labels : {"model", "given"}
        E ‖∇ℓ(x, y)‖² with y as the network predicts it, a sum over the classes with their probabilities; in
        regression y is normal around the output with the variance, outputs / 2, of which the loss is the
        negative logarithm. Or with the label that was trained on: the empirical Fisher information.
    examples : int
        At most this many training examples, evenly spaced over the training split. With labels of the
        network the cost is that of as many backward passes as there are outputs.
    """
    picked, wanted = evenly_spaced(inputs, examples), evenly_spaced(targets, examples)
    if labels == "given":
        return _squared(
            model, picked, device, lambda outputs, part: loss_derivatives(outputs, wanted[part], task)
        )
    total: Tensor = torch.zeros(len(picked), dtype=torch.float64, device=device)
    for output in range(task.outputs):
        total += _squared(
            model, picked, device, lambda outputs, part, one=output: _surprise(outputs, one, task)
        )
    return total


def _squared(model: nn.Module, inputs: Tensor, device: torch.device, cotangents) -> Tensor:
    norms = []
    for scale, pieces in gradient_pieces(model, inputs, cotangents, device):
        norms.append(sum(squared_norms(piece) for _, piece in pieces) * scale**2)
    return torch.cat(norms)


def _surprise(outputs: Tensor, output: int, task) -> Tensor:
    """√q ∂ℓ/∂f for one of the labels that the network may draw, q being its probability."""
    one = torch.full((len(outputs),), output, device=outputs.device)
    if task.kind != "classification":
        return F.one_hot(one, outputs.shape[1]).double() * (2 / outputs.shape[1]) ** 0.5
    return outputs.softmax(1)[:, output : output + 1].sqrt() * loss_derivatives(outputs, one, task)


@genbench.probe(cost="B", version=2)
def relative_curvature(
    model, inputs, task, device, layers=genbench.need("layers", fold=False), *, examples: Count = 2000
) -> Tensor:
    """Σ_{s,s'} ⟨w_s, w_s'⟩ Tr ∂²ℓ_i/∂w_s∂w_s' of each example, shape (s,), w_s being rows of the last layer.

    With φ what enters the last layer, W its weight and S = ∂²ℓ/∂f², which is diag(p) − ppᵀ for cross-entropy
    and 2/outputs for squared errors, it is ‖φ‖² tr(S W Wᵀ).

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        The outputs are not those of a linear layer.
    """
    last = last_layer(model, layers, inputs[:2])
    products = last.matrix @ last.matrix.T
    parts = []
    for features, outputs in _at_the_top(model, evenly_spaced(inputs, examples), device, last):
        if task.kind == "classification":
            require_classes(task, outputs)
            probabilities = outputs.softmax(1)
            # tr((diag p − ppᵀ) W Wᵀ) as a sum over pairs of classes has no difference that could vanish.
            squares = products.diagonal()
            distances = squares.unsqueeze(1) + squares - 2 * products
            curvature = ((probabilities @ distances.clamp_min(0)) * probabilities).sum(1) / 2
        else:
            curvature = 2 * products.trace() / outputs.shape[1]
        parts.append(features.square().sum(1) * curvature)
    return torch.cat(parts)


def _at_the_top(
    model: nn.Module, inputs: Tensor, device: torch.device, last: Layer
) -> Iterator[tuple[Tensor, Tensor]]:
    """What enters the last layer and what leaves it, double, a chunk of examples after the other."""
    module = model.get_submodule(last.module)
    seen: list[tuple[Tensor, Tensor]] = []
    with watched({"": module}, after=lambda _, given, left: seen.append((given[0], left))):
        for part in chunks(inputs, device):
            outputs = forward(model, inputs[part].to(device))
            calls = seen.copy()
            seen.clear()
            if len(calls) != 1 or calls[0][1] is not outputs or not isinstance(module, nn.Linear):
                what = "the outputs are not those of one linear layer, called once"
                raise genbench.NotApplicable(ONE_LOGIT if has_one_logit(model) else what)
            yield calls[0][0].double(), outputs.double()
