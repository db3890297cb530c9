"""Hidden layers: what stands in them, and the derivatives of outputs, margins and later layers by them.

A hidden layer is the output of a block, as the network names its blocks (`genbench.models.roles`); in a
network that has no blocks, what enters each weight layer behind the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd

import genbench
from genbench.constraints import Count
from genbench.models.roles import module_roles
from genbench.probes.sample import chunks, evenly_spaced, forward, require_differentiable

__all__ = [
    "At",
    "HiddenJacobians",
    "InterlayerJacobians",
    "LayerChoice",
    "Place",
    "Representation",
    "captured",
    "hidden_jacobians",
    "hidden_places",
    "interlayer_jacobians",
    "jacobian_norms",
    "representation",
]

At = Literal["blocks", "normalizations", "both"]
"""By which layers one differentiates: outputs of blocks, of normalizations, or both."""

LayerChoice = Literal["first", "middle", "last", "penultimate"]
"""One hidden layer: of the blocks the first, the middle or the last, or what enters the classifier."""

# Decomposing the small matrices of the Lanczos method costs more than a step of it.
_CHECK_EVERY = 6


@dataclass(frozen=True)
class Place:
    """A hidden layer: what leaves a module, or what enters it."""

    module: str
    side: Literal["output", "input"]


@dataclass(frozen=True)
class Representation:
    """What stands in one hidden layer for s training examples.

    Attributes
    ----------
    features : Tensor, shape (s, d), double
    targets : Tensor, shape (s,) or (s, outputs)
    """

    features: Tensor
    targets: Tensor


@dataclass(frozen=True)
class HiddenJacobians:
    """Sizes of L hidden layers h_i and of derivatives by them, for s training examples, all double.

    Attributes
    ----------
    norms : Tensor, shape (s, L)
        ‖h_i‖₂.
    operator, frobenius : Tensor, shape (s, L)
        ‖∂f/∂h_i‖₂ and ‖∂f/∂h_i‖_F of the outputs.
    margin : Tensor, shape (s, L)
        ‖∂(f_y − max_{j≠y} f_j)/∂h_i‖₂; NaN in regression and with a single output.
    outputs : Tensor, shape (s, outputs)
    targets : Tensor, shape (s,) or (s, outputs)
    """

    norms: Tensor
    operator: Tensor
    frobenius: Tensor
    margin: Tensor
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


@genbench.probe(cost="B")
def representation(
    model, inputs, targets, device,
    *, layer: LayerChoice = "penultimate", pool: Count = 4, examples: Count = 500,
) -> Representation:  # fmt: skip
    """What stands in one hidden layer, flattened, for training examples.

    Parameters
    ----------
    layer : {"first", "middle", "last", "penultimate"}
        Which one; ``penultimate`` is what enters the classifier.
    pool : int
        Feature maps are reduced to the maxima of windows of this size (or of the whole map, where it is
        smaller), as the winners of PGDL do; 1 leaves them as they are.
    examples : int
        At most this many training examples, evenly spaced over the training split.
    """
    chosen = evenly_spaced(len(inputs), examples).to(inputs.device)
    picked = inputs[chosen]
    place = chosen_place(model, layer)
    features = []
    for part in chunks(picked, device):
        with captured(model, [place]) as hidden:
            forward(model, picked[part])
        (values,) = hidden
        if values.ndim == 4 and pool > 1:
            values = F.max_pool2d(values, [min(pool, size) for size in values.shape[2:]])
        features.append(values.flatten(1).double())
    return Representation(torch.cat(features), targets[chosen.to(targets.device)].to(device))


@genbench.probe(cost="C")
def hidden_jacobians(
    model, inputs, targets, task, device, *, at: At = "blocks", examples: Count = 500
) -> HiddenJacobians:
    """Norms of hidden layers and of the derivatives of outputs and margin by them.

    Parameters
    ----------
    at : {"blocks", "normalizations", "both"}
        By which layers.
    examples : int
        At most this many training examples, evenly spaced over the training split. The cost is that of as
        many backward passes as there are outputs.
    """
    require_differentiable(inputs)
    chosen = evenly_spaced(len(inputs), examples).to(inputs.device)
    picked, labels = inputs[chosen], targets[chosen.to(targets.device)].to(device)
    places = hidden_places(model, at)
    rows: dict[str, list[Tensor]] = {name: [] for name in ("norms", "operator", "frobenius", "margin")}
    outputs = []
    for part in chunks(picked, device, copies=2 + task.outputs * len(places)):
        with torch.enable_grad():
            with captured(model, places) as hidden:
                values = forward(model, picked[part].to(device, copy=True).requires_grad_())
            gradients = [
                torch.autograd.grad(row.sum(), hidden, retain_graph=True, materialize_grads=True)
                for row in values.unbind(1)
            ]
        values = values.detach().double()
        direction = _margin_direction(values, labels[part], task)
        sizes = [_sizes([each[place] for each in gradients], direction) for place in range(len(places))]
        for name, columns in zip(("operator", "frobenius", "margin"), zip(*sizes, strict=True), strict=True):
            rows[name].append(torch.stack(columns, 1))
        norms = [torch.linalg.vector_norm(each.detach().flatten(1).double(), dim=1) for each in hidden]
        rows["norms"].append(torch.stack(norms, 1))
        outputs.append(values)
    tables = {name: torch.cat(parts) for name, parts in rows.items()}
    return HiddenJacobians(**tables, outputs=torch.cat(outputs), targets=labels)


@genbench.probe(cost="E")
def interlayer_jacobians(model, inputs, device, generator, *, examples: Count = 20) -> InterlayerJacobians:
    """Operator norms of the Jacobians between hidden layers, the outputs included.

    Parameters
    ----------
    examples : int
        At most this many training examples, evenly spaced over the training split. For each pair of layers
        the cost is that of some tens of backward passes over them.
    """
    require_differentiable(inputs)
    picked = inputs[evenly_spaced(len(inputs), examples).to(inputs.device)]
    places = hidden_places(model, "blocks")
    pairs = tuple((early, late) for late in range(1, len(places) + 1) for early in range(late))
    norms = []
    for part in chunks(picked, device, copies=20):
        with torch.enable_grad(), captured(model, places) as hidden:
            values = forward(model, picked[part].to(device, copy=True).requires_grad_())
        layers = [*hidden, values]
        norms.append(
            torch.stack([jacobian_norms(layers[late], layers[early], generator) for early, late in pairs], 1)
        )
    return InterlayerJacobians(torch.cat(norms), pairs)


def hidden_places(model: nn.Module, at: At) -> list[Place]:
    """The hidden layers of a network, in the order of its modules.

    Raises
    ------
    NotApplicable
        There are none.
    """
    roles = module_roles(model)
    names = list(roles["block_outputs"]) if at != "normalizations" else []
    if at != "blocks":
        wanted = {*names, *roles["normalizations"]}
        names = [name for name, _ in model.named_modules() if name in wanted]
    places = [Place(name, "output") for name in names]
    if not places and at != "normalizations":
        weighted = [name for name, each in model.named_modules() if isinstance(each, nn.Linear | _ConvNd)]
        places = [Place(name, "input") for name in weighted[1:]]
    if not places:
        what = "normalizations" if at == "normalizations" else "hidden layers"
        raise genbench.NotApplicable(f"the network has no {what}")
    return places


def chosen_place(model: nn.Module, layer: LayerChoice) -> Place:
    """The hidden layer of that description."""
    if layer == "penultimate":
        classifier = module_roles(model)["classifier"]
        if not classifier:
            raise genbench.NotApplicable("the network has no classifier layer")
        return Place(classifier[0], "input")
    places = hidden_places(model, "blocks")
    return places[{"first": 0, "middle": (len(places) - 1) // 2, "last": -1}[layer]]


@contextmanager
def captured(model: nn.Module, places: list[Place]) -> Iterator[list[Tensor]]:
    """A list that a forward pass inside the block fills with the hidden layers, in the order of `places`.

    The network goes on with a copy, so that an operation in place behind a hidden layer leaves it alone.

    Raises
    ------
    NotApplicable
        A hidden layer is no tensor, or is computed several times or never.
    """
    found: dict[Place, Tensor] = {}
    hidden: list[Tensor] = []

    def keep(place: Place, value: Any) -> Any:
        first = value[0] if isinstance(value, tuple) else value
        if not isinstance(first, Tensor):
            raise genbench.NotApplicable(f"module '{place.module}' yields no tensor")
        if place in found:
            raise genbench.NotApplicable(f"module '{place.module}' is called several times in one pass")
        found[place] = first
        return (first.clone(), *value[1:]) if isinstance(value, tuple) else first.clone()

    handles = []
    for place in places:
        module = model.get_submodule(place.module)
        if place.side == "output":
            handles.append(module.register_forward_hook(lambda _m, _i, value, at=place: keep(at, value)))
        else:
            handles.append(module.register_forward_pre_hook(lambda _m, value, at=place: keep(at, value)))
    try:
        yield hidden
        missing = [place.module for place in places if place not in found]
        if missing:
            raise genbench.NotApplicable(f"module '{missing[0]}' is never called")
        hidden.extend(found[place] for place in places)
    finally:
        for handle in handles:
            handle.remove()


def jacobian_norms(
    image: Tensor, point: Tensor, generator: torch.Generator,
    *, only_largest: bool = False, tolerance: float | None = None, steps: int = 100,
) -> Tensor:  # fmt: skip
    """Largest singular value of ∂image/∂point for each example of a batch, shape (s,), double.

    By the Lanczos method on JᵀJ with full reorthogonalization, for all examples at once; the examples must
    not mix, as they do not in evaluation mode.

    Parameters
    ----------
    image, point : Tensor, shape (s, ...)
        Of one graph, `image` a function of `point`.
    only_largest : bool
        The largest value of the batch is all that is wanted: those that stay behind it may be inexact.
    tolerance : float, optional
        Stop when the residual of each Ritz pair is at most this part of the Ritz value; 1e-7 in double
        precision, 1e-2 in single. The error of the value is mostly of the order of its square.
    steps : int
        At most this many applications of JᵀJ; after as many as `point` has numbers the value is exact.
    """
    count = len(point)
    if image is point:
        return torch.ones(count, dtype=torch.float64, device=point.device)
    covector = torch.zeros_like(image).requires_grad_()
    with torch.enable_grad():
        # The gradient of ⟨covector, image⟩ by the point is Jᵀ covector, whose gradient by the covector is J.
        (pulled,) = torch.autograd.grad(image, point, covector, create_graph=True, materialize_grads=True)
    if not pulled.requires_grad:  # the image does not depend on the point
        return torch.zeros(count, dtype=torch.float64, device=point.device)

    def gram(vector: Tensor) -> Tensor:
        step = vector.reshape(point.shape).to(point.dtype)
        (pushed,) = torch.autograd.grad(pulled, covector, step, retain_graph=True)
        (back,) = torch.autograd.grad(image, point, pushed, retain_graph=True)
        return back.reshape(count, -1).double()

    size = point[0].numel()
    start = torch.randn(1, size, generator=generator, dtype=torch.float64, device=point.device)
    basis = (start / torch.linalg.vector_norm(start)).expand(count, -1).unsqueeze(1)
    band = torch.zeros(count, 0, 0, dtype=torch.float64, device=point.device)
    values = torch.zeros(count, dtype=torch.float64, device=point.device)
    beside = values
    if tolerance is None:
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


def _margin_direction(values: Tensor, labels: Tensor, task: Any) -> Tensor:
    """Vectors u with uᵀ f = f_y − max_{j≠y} f_j, shape (s, outputs); NaN where there are no classes."""
    if task.kind != "classification" or values.shape[1] < 2:
        return torch.full_like(values, torch.nan)
    column = labels.unsqueeze(1)
    other = values.scatter(1, column, -torch.inf).argmax(1, keepdim=True)
    return torch.zeros_like(values).scatter(1, column, 1.0).scatter(1, other, -1.0)


def _sizes(rows: list[Tensor], direction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Operator norm, Frobenius norm and ‖uᵀJ‖ of the Jacobians with these rows."""
    jacobian = torch.stack([row.flatten(1) for row in rows], 1).double()
    gram = jacobian @ jacobian.transpose(1, 2)
    finite = gram.isfinite().all(2).all(1)
    safe = torch.where(finite[:, None, None], gram, torch.zeros_like(gram))
    operator = torch.linalg.eigvalsh(safe)[:, -1].clamp_min(0).sqrt().masked_fill(~finite, torch.nan)
    frobenius = gram.diagonal(dim1=1, dim2=2).sum(1).sqrt()
    margin = torch.einsum("si,sid->sd", direction, jacobian)
    return operator, frobenius, torch.linalg.vector_norm(margin, dim=1)
