"""Per-example gradients of a layer, from what enters it and the gradient by what leaves it.

The gradient of ⟨u, f(x)⟩ by the weight of a linear layer is Σ_t δ_t x_tᵀ, x_t being what enters at position
t and δ_t the gradient by what leaves there. A convolution is a linear layer whose x_t are patches; where its
gradients are smaller than all its patches, they are written out, if possible without cutting one out. A layer
that is called several times has the positions of all calls. The parameters of a normalization with frozen
statistics are few, and their gradients are written out. One backward pass that stops at the layers' outputs
is all that is needed, and no gradient of a large layer has to be stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.nn import functional as F

from genbench.base.errors import NotApplicable
from genbench.networks.freezing import require_gradients
from genbench.networks.passes import forward
from genbench.networks.watching import watched

__all__ = [
    "Calls",
    "Factors",
    "RowsMissing",
    "captured",
    "factors_or_gradients",
    "power_sums",
    "trained_layers",
]

Calls = list[tuple[Tensor, Tensor]]
"""Of each call of a layer: what entered and the gradient by what left, both with a row for each example."""

Gradients = Callable[..., tuple[dict[str, Calls], list[Tensor]]]

# At most this many numbers of gradients are written out at a time.
_WRITTEN_OUT = 2**24
# With fewer channels the products of `_by_shifts` are too thin to be faster than those of patches.
_SHIFTED_CHANNELS = 16

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_KNOWN = (nn.Linear, *_CONVOLUTIONS, *_BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)


class RowsMissing(NotApplicable):
    """A layer sees some of the examples only, or something between examples."""


@dataclass(frozen=True)
class Factors:
    """Gradients Σ_t δ_t x_tᵀ by a weight of n examples, and Σ_t δ_t by its bias.

    Attributes
    ----------
    inputs : Tensor, shape (n, positions, in)
    deltas : Tensor, shape (n, positions, out)
    bias : bool
        Whether the layer has a bias that is trained.
    """

    inputs: Tensor
    deltas: Tensor
    bias: bool

    @property
    def smaller_as_products(self) -> bool:
        """Whether an inner product of two gradients takes less work from the factors than written out."""
        positions, rows, columns = self.deltas.shape[1], self.deltas.shape[2], self.inputs.shape[2]
        return positions**2 * (rows + columns) < rows * columns

    def rows(self, chosen: slice) -> Factors:
        """The part of the gradient that belongs to some of the layer's outputs."""
        return Factors(self.inputs, self.deltas[:, :, chosen], self.bias)

    def written_out(self) -> Tensor:
        """The gradients, shape (n, out · in), with a bias (n, out · in + out)."""
        weight = (self.deltas.transpose(1, 2) @ self.inputs).flatten(1)
        return torch.cat([weight, self.deltas.sum(1)], 1) if self.bias else weight

    def together(self, count: int) -> Factors:
        """The summed gradients of each `count` examples that follow each other, as those of one example."""
        inputs, deltas = (
            each.reshape(-1, count * each.shape[1], each.shape[2]) for each in (self.inputs, self.deltas)
        )
        return Factors(inputs, deltas, self.bias)

    def total(self) -> Tensor:
        """Sum of the gradients over the examples, shape (out · in,) or (out · in + out,)."""
        deltas = self.deltas.flatten(0, 1)
        weight = (deltas.T @ self.inputs.flatten(0, 1)).flatten()
        return torch.cat([weight, deltas.sum(0)]) if self.bias else weight

    def power_sums(self, count: int) -> Tensor:
        """Sums over the examples of the first so many powers of the gradients' entries, as `power_sums`."""
        if self.inputs.shape[1] > 1:
            return reduce(torch.add, (power_sums(each, count) for each in self._few_written_out()))
        sums = []
        for inputs, deltas in zip(
            *(_powers(each[:, 0], count) for each in (self.inputs, self.deltas)), strict=True
        ):
            weight = (deltas.T @ inputs).flatten()
            sums.append(torch.cat([weight, deltas.sum(0)]) if self.bias else weight)
        return torch.stack(sums)

    def squared_norms(self) -> Tensor:
        """‖Σ_t δ_t x_tᵀ‖² + ‖Σ_t δ_t‖² of each example, shape (n,), double."""
        positions, rows, columns = self.deltas.shape[1], self.deltas.shape[2], self.inputs.shape[2]
        if positions == 1:
            inputs, deltas = (
                torch.linalg.vector_norm(each[:, 0], dim=1).double() for each in (self.inputs, self.deltas)
            )
            return deltas.square() * (inputs.square() + self.bias)
        if positions * (rows + columns) < rows * columns:
            products = self.inputs @ self.inputs.transpose(1, 2) + float(self.bias)
            return (products.double() * (self.deltas @ self.deltas.transpose(1, 2))).sum((1, 2))
        return torch.cat([each.double().square().sum(1) for each in self._few_written_out()])

    def _few_written_out(self) -> Iterator[Tensor]:
        """The gradients of a few examples at a time."""
        size = max(1, _WRITTEN_OUT // (self.deltas.shape[2] * self.inputs.shape[2]))
        for inputs, deltas in zip(self.inputs.split(size), self.deltas.split(size), strict=True):
            yield Factors(inputs, deltas, self.bias).written_out()

    def products(self, others: Factors) -> Tensor:
        """Inner products with the gradients of other examples, shape (n, n of the others)."""
        n, positions = self.inputs.shape[:2]
        inputs = self.inputs.flatten(0, 1) @ others.inputs.flatten(0, 1).T
        if self.bias:
            inputs += 1
        inputs *= self.deltas.flatten(0, 1) @ others.deltas.flatten(0, 1).T
        if positions == 1:
            return inputs
        return inputs.reshape(n, positions, -1, others.inputs.shape[1]).sum((1, 3))


def power_sums(rows: Tensor, count: int) -> Tensor:
    """Σ_i g_i^k, entry by entry, for k = 1 … count, from rows (n, size): shape (count, size), double."""
    return torch.stack([each.sum(0) for each in _powers(rows, count)])


def _powers(values: Tensor, count: int) -> Iterator[Tensor]:
    values = values.double()
    power = values
    for exponent in range(count):
        power = power * values if exponent else values
        yield power


def trained_layers(model: nn.Module, inputs: Tensor) -> dict[str, nn.Module] | None:
    """The layers that have the parameters that are trained, by name; None where the formulas do not hold.

    They hold where every trained parameter belongs to one layer of a known type, and where, tried on the
    examples given, they yield what automatic differentiation yields for each example alone. A weight that two
    layers share, that is computed from other parameters, or that is used otherwise than by calling its layer,
    fails.
    """
    layers: dict[str, nn.Module] = {}
    owned: set[int] = set()
    for name, module in model.named_modules():
        own = {
            key: each
            for key, each in module.named_parameters(recurse=False)
            if each.requires_grad and each.numel()
        }
        if not own:
            continue
        identities = {id(each) for each in own.values()}
        if type(module) not in _KNOWN or not own.keys() <= {"weight", "bias"} or identities & owned:
            return None
        owned |= identities
        layers[name] = module
    return layers if _hold(model, layers, inputs) else None


@contextmanager
def captured(layers: Mapping[str, nn.Module]) -> Iterator[Gradients]:
    """Watch layers during forward passes.

    Yields
    ------
    callable (outputs, cotangents, parameters=()) -> calls by the names of the layers, gradients
        To be called behind each forward pass with its outputs and the u of ⟨u, f(x)⟩. Layers without
        influence on the outputs are missing. The gradients of Σ_i ⟨u_i, f(x_i)⟩ by any parameters come from
        the same backward pass.
    """
    seen: list[tuple[str, Tensor, Any]] = []

    def record(name: str, given: tuple[Tensor, ...], output: Tensor) -> None:
        if not output.requires_grad:
            return  # the network switched gradients off: without influence, as far as these go
        # The edge, not the tensor: an activation may overwrite the tensor in place.
        seen.append((name, given[0].detach(), get_gradient_edge(output)))

    def gradients(
        outputs: Tensor, cotangents: Tensor, parameters: Sequence[nn.Parameter] = ()
    ) -> tuple[dict[str, Calls], list[Tensor]]:
        require_gradients(outputs)
        edges = [edge for _, _, edge in seen]
        wanted = [*edges, *parameters]
        if not wanted:
            return {}, []
        found = torch.autograd.grad(outputs, wanted, cotangents.to(outputs.dtype), allow_unused=True)
        deltas, by_parameters = found[: len(edges)], found[len(edges) :]
        calls: dict[str, Calls] = {}
        for (name, entered, _), delta in zip(seen, deltas, strict=True):
            if delta is not None:
                calls.setdefault(name, []).append((entered, delta))
        seen.clear()
        for name, pairs in calls.items():
            if any(len(each) != len(outputs) for pair in pairs for each in pair):
                raise RowsMissing(f"layer '{name}' is not called with a row for each example")
        return calls, [
            torch.zeros_like(parameter) if gradient is None else gradient
            for parameter, gradient in zip(parameters, by_parameters, strict=True)
        ]

    with watched(layers, after=record):
        yield gradients


def factors_or_gradients(layer: Any, calls: Calls) -> Factors | Tensor:
    """The gradients of one layer, as factors where that saves anything, else written out, shape (n, size)."""
    trained = [name for name, each in layer.named_parameters(recurse=False) if each.requires_grad]
    if all(_smaller_written_out(layer, entered, delta) for entered, delta in calls) and "weight" in trained:
        of_calls = [_by_shifts(layer, entered, delta) for entered, delta in calls]
    elif isinstance(layer, (nn.Linear, *_CONVOLUTIONS)) and getattr(layer, "groups", 1) == 1:
        pairs = [_positions(layer, entered, delta) for entered, delta in calls]
        inputs, deltas = pairs[0] if len(pairs) == 1 else map(_side_by_side, zip(*pairs, strict=True))
        return Factors(inputs, deltas, "bias" in trained) if "weight" in trained else deltas.sum(1)
    elif isinstance(layer, _CONVOLUTIONS):
        of_calls = [_grouped(layer, entered, delta) for entered, delta in calls]
    else:
        of_calls = [_normalization(layer, entered, delta) for entered, delta in calls]
    columns = [reduce(torch.add, (each[name] for each in of_calls)) for name in trained]
    return columns[0] if len(columns) == 1 else torch.cat(columns, 1)


def _side_by_side(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(parts), 1)


def _positions(layer: Any, entered: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """What enters at each position, shape (n, positions, in), and the gradient by what leaves it there."""
    if isinstance(layer, nn.Linear):
        n = len(entered)
        return entered.reshape(n, -1, entered.shape[-1]), delta.reshape(n, -1, delta.shape[-1])
    return _patches(layer, entered).flatten(2), delta.flatten(2).transpose(1, 2)


def _patches(layer: Any, entered: Tensor) -> Tensor:
    """What a convolution sees at each position, shape (n, positions, channels, kernel)."""
    entered = _padded(layer, entered)
    dimensions = len(layer.kernel_size)
    if dimensions == 2:  # several times as fast as in general
        columns = F.unfold(entered, layer.kernel_size, layer.dilation, 0, layer.stride)
        return columns.transpose(1, 2).unflatten(2, (entered.shape[1], -1))
    for place, (kernel, stride, dilation) in enumerate(
        zip(layer.kernel_size, layer.stride, layer.dilation, strict=True)
    ):
        window = (kernel - 1) * dilation + 1
        entered = entered.unfold(2 + place, window, stride)[..., ::dilation]
    places = range(2, 2 + dimensions)
    kernels = range(2 + dimensions, 2 + 2 * dimensions)
    moved = entered.permute(0, *places, 1, *kernels)
    return moved.reshape(len(entered), -1, entered.shape[1], math.prod(layer.kernel_size))


def _padded(layer: Any, entered: Tensor) -> Tensor:
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.pad(entered, layer._reversed_padding_repeated_twice, mode=mode)


def _smaller_written_out(layer: Any, entered: Tensor, delta: Tensor) -> bool:
    """Whether the gradients take less room than the patches, and no patch is needed for them."""
    return (
        isinstance(layer, nn.Conv2d)
        and entered.ndim == 4
        and layer.groups == 1
        and set(layer.stride) == {1}
        and delta[0, 0].numel() >= delta.shape[1]
        and entered.shape[1] >= _SHIFTED_CHANNELS
    )


def _by_shifts(layer: Any, entered: Tensor, delta: Tensor) -> dict[str, Tensor]:
    """Gradients of a convolution with stride 1, an entry of the kernel after the other.

    With images as long as their rows laid end to end, and the rows of δ filled up with zeros to the length
    of those of the padded input, each entry of the kernel sees the input shifted by a number of places: its
    gradient is a product with a view, and no patch is ever copied.
    """
    padded = _padded(layer, entered)
    width = padded.shape[3]
    (_, columns), (down, right) = layer.kernel_size, layer.dilation
    beyond = width - delta.shape[3]
    images = padded.flatten(2)
    rows = F.pad(delta, (0, beyond)).flatten(2)[:, :, : delta.shape[2] * width - beyond]
    entries = math.prod(layer.kernel_size)
    gradients = delta.new_empty(entries, len(delta), delta.shape[1], entered.shape[1])
    for entry in range(entries):
        start = entry // columns * down * width + entry % columns * right
        seen = images[:, :, start : start + rows.shape[2]]
        torch.bmm(rows, seen.transpose(1, 2), out=gradients[entry])
    weight = gradients.permute(1, 2, 3, 0).flatten(1)
    return {"weight": weight, "bias": delta.sum((2, 3))} if layer.bias is not None else {"weight": weight}


def _grouped(layer: Any, entered: Tensor, delta: Tensor) -> dict[str, Tensor]:
    groups = layer.groups
    patches = _patches(layer, entered).unflatten(2, (groups, -1)).flatten(3)
    deltas = delta.flatten(2).unflatten(1, (groups, -1))
    weight = torch.einsum("ngot,ntgi->ngoi", deltas, patches)
    return {"weight": weight.flatten(1), "bias": delta.flatten(2).sum(2)}


def _normalization(layer: Any, entered: Tensor, delta: Tensor) -> dict[str, Tensor]:
    """Sums over all places that share a scale and a shift, statistics taken as given."""
    if isinstance(layer, nn.LayerNorm):
        normalized = F.layer_norm(entered, layer.normalized_shape, None, None, layer.eps)
        shape = (len(entered), -1, math.prod(layer.normalized_shape))
        return {
            "weight": (delta * normalized).reshape(shape).sum(1),
            "bias": delta.reshape(shape).sum(1),
        }
    if isinstance(layer, nn.GroupNorm):
        normalized = F.group_norm(entered, layer.num_groups, None, None, layer.eps)
    else:
        normalized = F.batch_norm(entered, layer.running_mean, layer.running_var, eps=layer.eps)
    shape = (*entered.shape[:2], -1)
    return {"weight": (delta * normalized).reshape(shape).sum(2), "bias": delta.reshape(shape).sum(2)}


def _hold(model: nn.Module, layers: Mapping[str, nn.Module], inputs: Tensor) -> bool:
    """Whether the first of several examples has outputs of its own and the gradient that the formulas say."""
    parameters = [
        [each for each in layer.parameters(recurse=False) if each.requires_grad] for layer in layers.values()
    ]
    with captured(layers) as gradients, torch.enable_grad():
        outputs = forward(model, inputs)
        cotangents = torch.zeros_like(outputs)
        cotangents[0] = torch.linspace(1, 2, outputs.shape[1], device=outputs.device)
        try:
            calls, by_parameters = gradients(
                outputs, cotangents, [each for own in parameters for each in own]
            )
        except RowsMissing:
            return False
    root = torch.finfo(outputs.dtype).eps ** 0.5
    outputs = outputs.detach()
    if (forward(model, inputs[:1])[0].detach() - outputs[0]).norm() > root * outputs.norm():
        return False
    overall = torch.stack([each.norm() for each in by_parameters]).norm()
    for (name, layer), own in zip(layers.items(), parameters, strict=True):
        of_layer, by_parameters = by_parameters[: len(own)], by_parameters[len(own) :]
        expected = torch.cat([each.flatten() for each in of_layer])
        if name in calls:
            piece = factors_or_gradients(layer, calls[name])
            errors = piece.written_out() if isinstance(piece, Factors) else piece
            errors[0] -= expected
        else:
            errors = expected.unsqueeze(0)
        first, *others = errors.norm(dim=1).tolist()
        # A formula that does not hold is off by parts of a layer's gradient, not by a trace.
        if first > root**0.5 * expected.norm() + root * overall or max(others, default=0) > root * overall:
            return False
    return True
