"""Jacobians of the outputs by the input and by the hidden layers, all from the same backward passes.

A backward pass for each output goes through the hidden layers on its way to the input; what it finds there is
kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count
from genbench.networks.hidden import Place, captured, hidden_places
from genbench.networks.passes import chunks, evenly_spaced, forward, require_differentiable
from genbench.networks.watching import watched

__all__ = ["Entrance", "OutputJacobians", "lengths_of", "output_jacobians", "sizes_of"]


@dataclass(frozen=True)
class OutputJacobians:
    """Jacobians of the outputs f by the input x and by L hidden layers h_i, of s examples, all double.

    Attributes
    ----------
    gram : Tensor, shape (s, outputs, outputs)
        J Jᵀ with J = ∂f/∂x.
    norms, operator, frobenius : Tensor, shape (s, L)
        ‖h_i‖₂, ‖∂f/∂h_i‖₂ and ‖∂f/∂h_i‖_F.
    outputs : Tensor, shape (s, outputs)
    targets : Tensor, shape (s,) or (s, outputs)
    no_gram, no_hidden : str
        Why there is no Jacobian by the input, or none by hidden layers; then `gram`, or the other three, are
        without meaning. Empty where there is.
    """

    gram: Tensor
    norms: Tensor
    operator: Tensor
    frobenius: Tensor
    outputs: Tensor
    targets: Tensor
    no_gram: str = ""
    no_hidden: str = ""


@genbench.probe(cost="C")
def output_jacobians(model, inputs, targets, task, device, *, examples: Count = 500) -> OutputJacobians:
    """Jacobians of the outputs (logits) by the input and by the outputs of blocks.

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
    labels = evenly_spaced(targets, examples).to(device)
    try:
        places = hidden_places(model, "blocks", picked[:2])
        return _differentiated(model, picked, labels, task.outputs, device, places)
    except genbench.NotApplicable as why:
        return _differentiated(model, picked, labels, task.outputs, device, (), no_hidden=str(why))


def _differentiated(
    model: nn.Module, inputs: Tensor, targets: Tensor, outputs: int, device: torch.device,
    places: Sequence[Place], no_hidden: str = "",
) -> OutputJacobians:  # fmt: skip
    entrance = Entrance(model, inputs[:1].to(device), places)
    columns: dict[str, list[Tensor]] = {
        name: [] for name in ("gram", "norms", "operator", "frobenius", "outputs")
    }
    reached = False
    for part in chunks(inputs, device, copies=2 + outputs // 4):
        values, point, hidden = entrance.enter(inputs[part].to(device))
        rows = _rows(values, [point, *hidden])
        reached = reached or any(row[0] is not None for row in rows)
        by_place = [[_or_zeros(row[i], layer) for row in rows] for i, layer in enumerate([point, *hidden])]
        jacobian = torch.stack([row.flatten(1) for row in by_place[0]], 1)
        columns["gram"].append((entrance.times_metric(jacobian) @ jacobian.transpose(1, 2)).double())
        sizes = [sizes_of(each) for each in by_place[1:]]
        empty = values.new_zeros(len(values), 0, dtype=torch.float64)
        columns["operator"].append(torch.stack([each for each, _ in sizes], 1) if sizes else empty)
        columns["frobenius"].append(torch.stack([each for _, each in sizes], 1) if sizes else empty)
        columns["norms"].append(lengths_of(hidden) if hidden else empty)
        columns["outputs"].append(values.detach().double())
    return OutputJacobians(
        **{name: torch.cat(parts) for name, parts in columns.items()},
        targets=targets,
        no_gram="" if reached else "the network cuts its outputs off from its inputs: no gradients",
        no_hidden=no_hidden,
    )


def _rows(values: Tensor, layers: Sequence[Tensor]) -> list[tuple[Tensor | None, ...]]:
    """Of each output its gradients by the layers, for all examples; None where it does not hang on one."""
    nothing: tuple[Tensor | None, ...] = (None,) * len(layers)
    with torch.enable_grad():
        return [
            torch.autograd.grad(row.sum(), layers, retain_graph=True, allow_unused=True)
            if row.requires_grad
            else nothing
            for row in values.unbind(1)
        ]


def _or_zeros(gradient: Tensor | None, layer: Tensor) -> Tensor:
    return torch.zeros_like(layer) if gradient is None else gradient


def lengths_of(layers: Sequence[Tensor]) -> Tensor:
    """Euclidean norms, shape (s, layers), double."""
    return torch.stack(
        [torch.linalg.vector_norm(each.detach().flatten(1).double(), dim=1) for each in layers], 1
    )


def sizes_of(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Operator norm and Frobenius norm of the Jacobians with these rows."""
    jacobian = torch.stack([row.flatten(1) for row in rows], 1).double()
    gram = jacobian @ jacobian.transpose(1, 2)
    finite = gram.isfinite().all(2).all(1)
    safe = torch.where(finite[:, None, None], gram, torch.zeros_like(gram))
    operator = torch.linalg.eigvalsh(safe)[:, -1].clamp_min(0).sqrt().masked_fill(~finite, torch.nan)
    return operator, gram.diagonal(dim1=1, dim2=2).sum(1).sqrt()


class Entrance:
    """Where derivatives by the input may end early: at the linear layer, if any, that alone reads the input.

    With z = W x + b, the Jacobian by x is that by z times W. Its Gram matrix needs W Wᵀ only, which is the
    smaller where the layer has fewer units than inputs.
    """

    def __init__(self, model: nn.Module, example: Tensor, places: Sequence[Place] = ()):
        self._model = model
        self._places = list(places)
        self._layer: nn.Linear | None = None
        self._metric: Tensor | None = None
        linear = [layer for layer in model.modules() if type(layer) is nn.Linear]
        for layer in linear:
            fewer = layer.out_features <= layer.in_features == example.numel()
            if fewer and _reads_alone(layer, model, example, self._places):
                weight = layer.weight.detach()
                self._layer, self._metric = layer, weight @ weight.T
                break

    def enter(self, inputs: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Outputs for examples, what to differentiate them by, and what stands in the places.

        One differentiates by the layer's outputs, or by the input.

        Raises
        ------
        NotApplicable
            As `captured`; or the network switches gradients off at one of the places.
        """
        values, point, hidden = _cut_behind(
            self._layer, self._model, inputs.clone().requires_grad_(), self._places
        )
        if hidden and not all(each.requires_grad for each in (values, *hidden)):
            raise genbench.NotApplicable("the network switches gradients off at a hidden layer")
        return values, point, hidden

    def times_metric(self, derivatives: Tensor) -> Tensor:
        """What, times the derivatives themselves, makes products of the derivatives by the input."""
        return derivatives if self._metric is None else derivatives @ self._metric


def _reads_alone(layer: nn.Linear, model: nn.Module, example: Tensor, places: list[Place]) -> bool:
    """Whether the layer reads the input as it is, and nothing else does; and all places lie behind it."""
    point = example.clone().requires_grad_()
    try:
        values, leaf, hidden = _cut_behind(layer, model, point, places)
    except genbench.NotApplicable:  # one example may not reach all places, as where a router chooses
        return False
    if leaf is point or not all(each.requires_grad for each in (values, *hidden)):
        return False
    by_input, *others = torch.autograd.grad(
        values, [point, *hidden], torch.ones_like(values), allow_unused=True
    )
    return by_input is None and all(each is not None for each in others)


def _cut_behind(
    layer: nn.Linear | None, model: nn.Module, point: Tensor, places: list[Place]
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Outputs at a point, what they are a function of, and what stands in the places.

    They are a function of the layer's outputs, if it reads the point, else of the point.
    """
    leaf = point

    def cut(_: str, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        nonlocal leaf
        if leaf is not point or not given or given[0].data_ptr() != point.data_ptr():
            return output
        leaf = output.detach().requires_grad_()
        return leaf.clone()  # an activation may overwrite it

    # Not where there is none: one cannot look into every network.
    seen: AbstractContextManager[list[Tensor]] = captured(model, places) if places else nullcontext([])
    # The cut comes first, so that a place behind the same layer is seen behind the cut.
    with torch.enable_grad(), watched({} if layer is None else {"": layer}, after=cut), seen as hidden:
        values = forward(model, point)
    return values, leaf, hidden
