"""Gradients of ⟨u_i, f(x_i)⟩ for each example: their inner products, or a layer after the other.

Networks of linear layers, convolutions and normalizations go by the formulas of `layer_gradients`; of any
other the gradients are written out, a few examples at a time, by `torch.func`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from genbench.base.errors import NotApplicable
from genbench.networks.kinds import Convolution, is_batch_norm
from genbench.networks.layer_gradients import Calls, Factors, captured, factors_or_gradients, trained_layers
from genbench.networks.passes import chunks, forward, require_real_weights
from genbench.networks.per_example import per_example_gradients
from genbench.networks.watching import called, watched

__all__ = [
    "common_scale",
    "gradient_pieces",
    "gradient_products",
    "has_small_factors",
    "outputs_of",
    "trained_parameters",
]

# At most this many bytes of gradients, or of their factors, are kept for their products: each further group
# of layers costs a pass. And at most this many numbers at a time elsewhere.
_KEPT_BYTES = 576 * 2**20
_KEPT = 2**26
# Rows of a symmetric product that are computed together.
_BLOCK = 128
_TRIED_EXAMPLES = 2
# Patches are cut out and multiplied twice, so that gradients with up to twice as many numbers take less time.
_PATCHES_WORTH = 2
# What the trial of a network said, for that it costs a tenth of a pass and several probes look at one: the
# parameters it had, and the names of the layers whose formulas hold.
_TRIED: WeakKeyDictionary[nn.Module, tuple[list[tuple[int, bool]], list[str] | None]] = WeakKeyDictionary()


def gradient_products(model: nn.Module, inputs: Tensor, cotangents: Tensor, device: torch.device) -> Tensor:
    """Inner products of the gradients of ⟨u_i / s_i, f(x_i)⟩ by the parameters that are trained.

    Parameters
    ----------
    model : Module
    inputs : Tensor, shape (n, *input_shape)
    cotangents : Tensor, shape (n, outputs)
        The u_i, double; s_i is the largest absolute entry of u_i.
    device : torch.device

    Returns
    -------
    Tensor, shape (n, n), double

    Raises
    ------
    NotApplicable
        See `trained_parameters`; or the examples have no gradients of their own.
    """
    sizes = cotangents.abs().amax(1, keepdim=True)
    cotangents = cotangents / torch.where(sizes == 0, 1.0, sizes)
    layers = _layers(model, inputs)
    n = len(inputs)
    products: Tensor = torch.zeros(n, n, dtype=torch.float64, device=device)
    if layers is None:
        _add_products_written_out(products, model, inputs, cotangents, device)
        return products
    for group in _groups(model, layers, inputs[:1], n):
        _add_products(products, model, layers, group, inputs, cotangents, device)
    return products


def gradient_pieces(
    model: nn.Module,
    inputs: Tensor,
    cotangents: Callable[[Tensor, slice], Tensor],
    device: torch.device,
    *,
    together: int = 1,
) -> Iterator[tuple[Tensor, Iterable[tuple[str, Factors | Tensor]]]]:
    """The gradients of ⟨u_i, f(x_i)⟩ of all examples, a chunk of examples after the other.

    Parameters
    ----------
    model : Module
    inputs : Tensor, shape (n, *input_shape)
    cotangents : callable
        From the outputs of a chunk, double, and the chunk to its u_i.
    device : torch.device
    together : int
        So many examples that follow each other count as one, whose gradient is the sum of theirs.

    Yields
    ------
    scale : Tensor, shape (), double
    pieces : iterable of (name, Factors or Tensor)
        A layer's gradients over that scale; written out they have the shape (examples of the chunk, size).
    """
    layers = _layers(model, inputs)
    limit = len(inputs)
    if layers is None:
        size = sum(each.numel() for each in trained_parameters(model).values())
        limit = max(1, _KEPT // size // together) * together
    copies = 8 if layers is None or _has_patches(layers) else 1
    for part in _limited(chunks(inputs, device, copies, together=together), len(inputs), limit):
        if layers is None:
            scaled, scale = common_scale(cotangents(outputs_of(model, inputs[part], device), part))
            yield scale, [("all", _together(_written_out(model, inputs[part], scaled, device), together))]
            continue
        with captured(layers) as gradients:
            with torch.enable_grad():
                outputs = forward(model, inputs[part].to(device))
            scaled, scale = common_scale(cotangents(outputs.detach().double(), part))
            calls, _ = gradients(outputs, scaled)
        yield (
            scale,
            (
                (name, _together(factors_or_gradients(layers[name], pairs), together))
                for name, pairs in calls.items()
            ),
        )


def _together(piece: Factors | Tensor, count: int) -> Factors | Tensor:
    if isinstance(piece, Factors):
        return piece.together(count)
    return piece.reshape(-1, count, piece.shape[1]).sum(1)


def has_small_factors(model: nn.Module, inputs: Tensor, together: int) -> bool:
    """Whether the gradient of so many examples has far more numbers than what `gradient_pieces` makes it of.

    The formulas must hold, and the layers see no patches, or few: as in a large network of small pictures.
    """
    layers = _layers(model, inputs)
    if layers is None or not _has_patches(layers):
        return layers is not None
    numbers = 0
    for name, pairs in _calls_of(model, layers, inputs[:1]).items():
        piece = factors_or_gradients(layers[name], pairs)
        factors = (piece.inputs, piece.deltas) if isinstance(piece, Factors) else (piece,)
        numbers += sum(each.numel() for each in factors)
    return _PATCHES_WORTH * together * numbers < sum(
        each.numel() for each in trained_parameters(model).values()
    )


def _has_patches(layers: Mapping[str, nn.Module]) -> bool:
    return any(isinstance(layer, Convolution) for layer in layers.values())


def common_scale(cotangents: Tensor) -> tuple[Tensor, Tensor]:
    """All u over the largest absolute entry of all, and that entry."""
    size = cotangents.abs().max()
    return cotangents / torch.where(size == 0, 1.0, size), size


def outputs_of(model: nn.Module, inputs: Tensor, device: torch.device) -> Tensor:
    """Outputs of the network, shape (n, outputs), double."""
    with torch.no_grad():
        return torch.cat(
            [forward(model, inputs[part].to(device)).double() for part in chunks(inputs, device)]
        )


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters by which one differentiates, by name; a tied one once.

    Raises
    ------
    NotApplicable
        None is trained; some weights are complex; or a batch norm depends on the batch even in evaluation
        mode.
    """
    require_real_weights(model)
    for name, module in model.named_modules():
        frozen: Any = module
        if is_batch_norm(module) and (frozen.running_mean is None or frozen.running_var is None):
            raise NotApplicable(
                f"batch norm '{name}' keeps no running statistics: an example has no gradient of its own"
            )
    trained = {name: each for name, each in model.named_parameters() if each.requires_grad and each.numel()}
    if not trained:
        raise NotApplicable("the network has no parameters that are trained")
    return trained


def _layers(model: nn.Module, inputs: Tensor) -> dict[str, nn.Module] | None:
    trained_parameters(model)
    parameters = [(id(each), each.requires_grad) for each in model.parameters()]
    if model not in _TRIED or _TRIED[model][0] != parameters:
        found = trained_layers(model, inputs[:_TRIED_EXAMPLES])
        if found is not None and not _see_every_example(model, found, inputs):
            found = None
        _TRIED[model] = parameters, None if found is None else list(found)
    names = _TRIED[model][1]
    return None if names is None else {name: model.get_submodule(name) for name in names}


def _see_every_example(model: nn.Module, layers: Mapping[str, nn.Module], inputs: Tensor) -> bool:
    """Whether each layer that is called has a row for each example.

    A pass over all of them tells; it is made where the trial leaves out a layer, as networks do that choose
    by the example.
    """
    tried = set(called(model, inputs[:_TRIED_EXAMPLES]))
    if not tried or layers.keys() <= tried | {""}:
        return True
    rows: list[int] = []
    with torch.no_grad(), watched(layers, before=lambda _, given: rows.append(len(given[0]))):
        for part in chunks(inputs, next(model.parameters()).device):
            count = len(forward(model, inputs[part].clone()))
            if any(each != count for each in rows):
                return False
            rows.clear()
    return True


@dataclass(frozen=True)
class _Unit:
    """A layer, or a part of it: some of its outputs, or where gradients are written out some entries."""

    layer: str
    part: slice
    numbers: int


def _groups(model: nn.Module, layers: Mapping[str, nn.Module], one: Tensor, n: int) -> Iterator[list[_Unit]]:
    """Work that fits in memory at a time, each group for a pass over the data of its own."""
    limit = max(1, _KEPT_BYTES // (n * next(model.parameters()).element_size()))
    group: list[_Unit] = []
    for unit in _units(layers, _calls_of(model, layers, one), limit):
        if group and sum(each.numbers for each in group) + unit.numbers > limit:
            yield group
            group = []
        group.append(unit)
    if group:
        yield group


def _units(layers: Mapping[str, nn.Module], calls: Mapping[str, Calls], limit: int) -> Iterator[_Unit]:
    for name, pairs in calls.items():
        piece = factors_or_gradients(layers[name], pairs)
        if isinstance(piece, Tensor):
            entries = piece.shape[1]
            for start in range(0, entries, limit):
                yield _Unit(name, slice(start, start + limit), min(limit, entries - start))
        elif piece.smaller_as_products:
            yield _Unit(name, slice(None), piece.inputs.numel() + piece.deltas.numel())
        else:
            columns, total = piece.inputs.shape[2] + piece.bias, piece.deltas.shape[2]
            rows = max(1, limit // columns)
            for start in range(0, total, rows):
                yield _Unit(name, slice(start, start + rows), min(rows, total - start) * columns)


def _calls_of(model: nn.Module, layers: Mapping[str, nn.Module], inputs: Tensor) -> dict[str, Calls]:
    with captured(layers) as gradients, torch.enable_grad():
        outputs = forward(model, inputs)
        return gradients(outputs, torch.ones_like(outputs))[0]


def _add_products(
    products: Tensor, model: nn.Module, layers: Mapping[str, nn.Module], group: list[_Unit],
    inputs: Tensor, cotangents: Tensor, device: torch.device,
) -> None:  # fmt: skip
    written: dict[int, Tensor] = {}
    factors: dict[int, list[Factors]] = {}
    with captured({unit.layer: layers[unit.layer] for unit in group}) as gradients:
        for part in chunks(inputs, device, copies=8):
            with torch.enable_grad():
                outputs = forward(model, inputs[part].to(device))
            calls, _ = gradients(outputs, cotangents[part])
            layer: str | None = None  # "" is the name of a network that is one layer
            whole: Factors | Tensor = inputs[:0]
            for place, unit in enumerate(group):
                if unit.layer != layer:  # the parts of a layer follow each other
                    layer, whole = unit.layer, factors_or_gradients(layers[unit.layer], calls.pop(unit.layer))
                if isinstance(whole, Tensor):
                    rows = whole[:, unit.part]
                elif whole.smaller_as_products:
                    factors.setdefault(place, []).append(whole)
                    continue
                else:
                    rows = whole.rows(unit.part).written_out()
                if place not in written:
                    written[place] = rows.new_empty(len(inputs), rows.shape[1])
                written[place][part] = rows
    for gradients_of_unit in written.values():
        _add_symmetric(products, gradients_of_unit)
    for pieces in factors.values():
        joined = _joined(pieces)
        rows_at_once = max(1, _KEPT // (len(products) * joined.inputs.shape[1] ** 2))
        for start in range(0, len(products), rows_at_once):
            some = slice(start, start + rows_at_once)
            few = Factors(joined.inputs[some], joined.deltas[some], joined.bias)
            products[some] += few.products(joined)


def _add_symmetric(products: Tensor, rows: Tensor) -> None:
    """Add the products of all rows with each other; of two blocks that mirror each other one is computed."""
    for start in range(0, len(rows), _BLOCK):
        some = slice(start, start + _BLOCK)
        block = rows[some] @ rows[start:].T
        products[some, start:] += block
        products[start + _BLOCK :, some] += block[:, _BLOCK:].T


def _joined(pieces: list[Factors]) -> Factors:
    inputs, deltas = ([getattr(each, name) for each in pieces] for name in ("inputs", "deltas"))
    return Factors(torch.cat(inputs), torch.cat(deltas), pieces[0].bias)


def _add_products_written_out(
    products: Tensor, model: nn.Module, inputs: Tensor, cotangents: Tensor, device: torch.device
) -> None:
    """Gradients of blocks of examples; those that do not fit in memory together are computed again."""
    size = max(1, _KEPT // (2 * sum(each.numel() for each in trained_parameters(model).values())))
    blocks = [slice(start, start + size) for start in range(0, len(inputs), size)]
    for place, block in enumerate(blocks):
        ours = _written_out(model, inputs[block], cotangents[block], device)
        products[block, block] += ours @ ours.T
        for other in blocks[place + 1 :]:
            mixed = ours @ _written_out(model, inputs[other], cotangents[other], device).T
            products[block, other] += mixed
            products[other, block] += mixed.T


def _written_out(model: nn.Module, inputs: Tensor, cotangents: Tensor, device: torch.device) -> Tensor:
    """Gradients of ⟨u_i, f(x_i)⟩, shape (n, parameters)."""
    dtype = next(iter(trained_parameters(model).values())).dtype
    rows = []
    for part in chunks(inputs, device, copies=8):
        some = inputs[part].to(device, dtype if inputs.is_floating_point() else inputs.dtype)
        gradients, _ = per_example_gradients(
            model, some, cotangents[part].to(dtype), lambda outputs, u: (outputs * u).sum()
        )
        rows.append(torch.cat([each.detach().flatten(1) for each in gradients.values()], 1))
    return torch.cat(rows)


def _limited(parts: Iterable[slice], total: int, limit: int) -> Iterator[slice]:
    """Slices that are no longer than a limit."""
    for part in parts:
        stop = min(part.stop, total)
        for start in range(part.start, stop, limit):
            yield slice(start, min(start + limit, stop))
