"""Derivatives of outputs, margins and later layers by the hidden layers of `hidden`, example by example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

import genbench
from genbench.base.constraints import Count
from genbench.networks.ambient import twice_differentiable
from genbench.networks.derivatives import needing_derivatives, require_derivatives
from genbench.networks.hidden import At, differentiable_pass, hidden_places
from genbench.networks.passes import chunks, evenly_spaced, require_classes, require_differentiable
from genbench.probes.output_jacobians import lengths_of, sizes_of

__all__ = [
    "HiddenJacobians",
    "InterlayerJacobians",
    "MarginJacobians",
    "hidden_jacobians",
    "interlayer_jacobians",
    "jacobian_norms",
    "margin_jacobians",
]

# Decomposing the small matrices of the Lanczos method costs more than a step of it.
_CHECK_EVERY = 3


@dataclass(frozen=True)
class HiddenJacobians:
    """Sizes of L hidden layers h_i and of the Jacobians of the outputs by them, for s examples, all double.

    Attributes
    ----------
    norms : Tensor, shape (s, L)
        ‖h_i‖₂.
    operator, frobenius : Tensor, shape (s, L)
        ‖∂f/∂h_i‖₂ and ‖∂f/∂h_i‖_F of the outputs.
    outputs : Tensor, shape (s, outputs)
    targets : Tensor, shape (s,) or (s, outputs)
    """

    norms: Tensor
    operator: Tensor
    frobenius: Tensor
    outputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class MarginJacobians:
    """Derivatives of the margin by L hidden layers h_i, for s training examples, all double.

    Attributes
    ----------
    norms : Tensor, shape (s, L)
        ‖∂(f_y − max_{j≠y} f_j)/∂h_i‖₂.
    outputs : Tensor, shape (s, outputs)
    targets : Tensor, shape (s,)
    """

    norms: Tensor
    outputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class InterlayerJacobians:
    """‖∂h_{i'}/∂h_i‖₂ for pairs i < i' of the hidden layers, the outputs the last of them.

    Attributes
    ----------
    norms : Tensor, shape (s, pairs), double
    pairs : tuple of pairs of int
        (i, i'), counted from 0.
    """

    norms: Tensor
    pairs: tuple[tuple[int, int], ...]


@genbench.probe(version=3)
def hidden_jacobians(jacobians=genbench.need("output_jacobians", shared="examples")) -> HiddenJacobians:
    """Norms of the outputs of blocks and of the Jacobians of the network's outputs by them.

    Raises
    ------
    NotApplicable
        The network has no hidden layers, or one that cannot be differentiated by.
    """
    if jacobians.no_hidden:
        raise genbench.NotApplicable(jacobians.no_hidden)
    return HiddenJacobians(
        norms=jacobians.norms,
        operator=jacobians.operator,
        frobenius=jacobians.frobenius,
        outputs=jacobians.outputs,
        targets=jacobians.targets,
    )


@genbench.probe(cost="C", version=3)
def margin_jacobians(
    model, inputs, targets, task, device, *, at: At = "blocks", examples: Count = 500
) -> MarginJacobians:
    """Norms of the derivatives of the margin by hidden layers, from one backward pass.

    Parameters
    ----------
    at : {"blocks", "normalizations", "both"}
        By which layers.
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        In regression, and with a single output.
    """
    require_differentiable(inputs)
    picked, labels = evenly_spaced(inputs, examples), evenly_spaced(targets, examples).to(device)
    places = hidden_places(model, at, picked[:2])
    norms, outputs = [], []
    for part in chunks(picked, device, copies=8):
        values, hidden = differentiable_pass(model, picked[part], places, device)
        require_classes(task, values)
        direction = _margin_direction(values.detach(), labels[part])
        norms.append(lengths_of(torch.autograd.grad(values, hidden, direction, materialize_grads=True)))
        outputs.append(values.detach().double())
    return MarginJacobians(torch.cat(norms), torch.cat(outputs), labels)


@genbench.probe(cost="E", version=3)
def interlayer_jacobians(model, inputs, device, generator, *, examples: Count = 20) -> InterlayerJacobians:
    """Operator norms of the Jacobians between hidden layers, the outputs included.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split. For each pair of layers
        the cost is that of some tens of backward passes over them.
    """
    require_differentiable(inputs)
    picked = evenly_spaced(inputs, examples)
    places = hidden_places(model, "blocks", picked[:2])
    pairs = tuple((early, late) for late in range(1, len(places) + 1) for early in range(late))
    norms = []
    for part in chunks(picked, device, copies=20):
        with twice_differentiable():
            values, hidden = differentiable_pass(model, picked[part], places, device)
        columns = [
            jacobian_norms(hidden[late], hidden[early], generator)
            for early, late in pairs
            if late < len(places)
        ]
        # Rows of the outputs' Jacobians come for all layers at once.
        columns += [operator for operator, _ in _of_outputs(values, hidden)]
        norms.append(torch.stack(columns, 1))
    return InterlayerJacobians(torch.cat(norms), pairs)


def jacobian_norms(
    image: Tensor, point: Tensor, generator: torch.Generator,
    *, only_largest: bool = False, steps: int = 100,
) -> Tensor:  # fmt: skip
    """Largest singular value of ∂image/∂point for each example of a batch, shape (s,), double.

    By the Lanczos method on JᵀJ with full reorthogonalization, for all examples at once; the examples must
    not mix, as they do not in evaluation mode. It ends when the residual of each Ritz pair is at most 1e-7 of
    the Ritz value in double precision, 1e-2 in single; the error of the value is mostly of the order of the
    square of that.

    Parameters
    ----------
    image, point : Tensor, shape (s, ...)
        Of one graph, `image` a function of `point`.
    only_largest : bool
        The largest value of the batch is all that is wanted: those that stay behind it may be inexact.
    steps : int
        At most this many applications of JᵀJ; after as many as `point` has numbers the value is exact.
    """
    count = len(point)
    if image is point:
        return torch.ones(count, dtype=torch.float64, device=point.device)
    covector = torch.zeros_like(image).requires_grad_()
    with torch.enable_grad(), needing_derivatives():
        # The gradient of ⟨covector, image⟩ by the point is Jᵀ covector, whose gradient by the covector is J.
        (pulled,) = torch.autograd.grad(image, point, covector, create_graph=True, materialize_grads=True)
    require_derivatives([pulled])
    if not pulled.requires_grad:  # the image does not depend on the point
        return torch.zeros(count, dtype=torch.float64, device=point.device)

    def gram(vector: Tensor) -> Tensor:
        step = vector.reshape(point.shape).to(point.dtype)
        with needing_derivatives():
            (pushed,) = torch.autograd.grad(pulled, covector, step, retain_graph=True, materialize_grads=True)
        (back,) = torch.autograd.grad(image, point, pushed, retain_graph=True, materialize_grads=True)
        return back.reshape(count, -1).double()

    size = point[0].numel()
    start = torch.randn(1, size, generator=generator, dtype=torch.float64, device=point.device)
    basis = (start / torch.linalg.vector_norm(start)).expand(count, -1).unsqueeze(1)
    band = torch.zeros(count, 0, 0, dtype=torch.float64, device=point.device)
    values = torch.zeros(count, dtype=torch.float64, device=point.device)
    beside = values
    tolerance = 1e-7 if point.dtype == torch.float64 else 1e-2
    limit = min(steps, size)
    for step in range(limit):
        rest = gram(basis[:, -1])
        diagonal = (rest * basis[:, -1]).sum(1)
        for _ in range(2):  # twice is enough (Kahan & Parlett)
            rest = rest - torch.einsum("skd,sk->sd", basis, torch.einsum("skd,sd->sk", basis, rest))
        band = F.pad(band, (0, 1, 0, 1))
        band[:, step, step] = diagonal
        if step:
            band[:, step, step - 1] = band[:, step - 1, step] = beside
        length = torch.linalg.vector_norm(rest, dim=1)
        if (step + 1) % _CHECK_EVERY == 0 or step + 1 == limit:
            if not band.isfinite().all() or not length.isfinite().all():
                return torch.full_like(values, torch.nan)
            ritz, vectors = torch.linalg.eigh(band)
            values = ritz[:, -1].clamp_min(0)
            residuals = length * vectors[:, -1, -1].abs()
            done = residuals <= tolerance * values
            if only_largest:
                done = done | (values + residuals < values.max())
            if done.all():
                break
        # Where a Krylov space is exhausted its basis goes on with zeros, which change nothing.
        going_on = length > 1e-14 * values.clamp_min(torch.finfo(torch.float64).tiny)
        beside = torch.where(going_on, length, torch.zeros_like(length))
        following = torch.where(going_on, 1 / length, torch.zeros_like(length)).unsqueeze(1) * rest
        basis = torch.cat([basis, following.unsqueeze(1)], 1)
    return values.sqrt()


def _margin_direction(values: Tensor, labels: Tensor) -> Tensor:
    """Vectors u with uᵀ f = f_y − max_{j≠y} f_j, shape (s, outputs)."""
    column = labels.unsqueeze(1)
    other = values.scatter(1, column, -torch.inf).argmax(1, keepdim=True)
    return torch.zeros_like(values).scatter(1, column, 1.0).scatter(1, other, -1.0)


def _of_outputs(values: Tensor, hidden: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Operator norm and Frobenius norm of ∂values/∂h for each of the hidden layers."""
    with torch.enable_grad():
        gradients = [
            torch.autograd.grad(row.sum(), hidden, retain_graph=True, materialize_grads=True)
            for row in values.unbind(1)
        ]
    return [sizes_of([each[place] for each in gradients]) for place in range(len(hidden))]
