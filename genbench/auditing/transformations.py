"""Changes of a fit whose effect on the network's function is known exactly.

All but two leave the function as it is: `class_permutation` renames the classes, `logit_scaling` doubles the
outputs. Those on hidden units are made along the chain of layers of a network without branches and are
refused elsewhere. Factors are powers of two, so that rounding has no part in what moves.

What a change does to the network it does to the initial one, to the siblings and to the weights kept along
training: a measure of distances sees a whole history that was changed alike. Distances that were recorded at
every step follow no change; measures of the trajectory go by the weights kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

import genbench
from genbench.base.data import Split
from genbench.networks.copying import copy_of
from genbench.networks.kinds import is_batch_norm
from genbench.networks.passes import at_most
from genbench.networks.watching import watched

__all__ = ["TRANSFORMATIONS", "Hidden", "Transformation", "hidden_layers", "transformed"]

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_FACTOR = 4.0
_LOGIT_FACTOR = 2.0
# How many examples a chunk holds under `batch_size`: few, and no divisor of the usual numbers of examples.
_CHUNK = 7

Roots = Mapping[str, Any]


@dataclass(frozen=True)
class Hidden:
    """One hidden layer of a chain: its name, that of the batch norm behind it, of the layer that reads it."""

    layer: str
    norm: str | None
    reader: str


@dataclass(frozen=True)
class Transformation:
    """A change of a fit.

    Attributes
    ----------
    title : str
        What is changed, in a few words.
    network : callable, optional
        Changes a network in place.
    targets : callable, optional
        ``targets(classes, number of classes)`` are the new ones; a change that has it needs classes.
    computation : callable
        Makes the context in which measures are computed.
    dtype : torch.dtype
    outputs : callable
        From the outputs before to those after.
    """

    title: str
    network: Callable[[nn.Module, Tensor], None] | None = None
    targets: Callable[[Tensor, int], Tensor] | None = None
    computation: Callable[[], AbstractContextManager[None]] = nullcontext
    dtype: torch.dtype = torch.float64
    outputs: Callable[[Tensor], Tensor] = lambda outputs: outputs


def hidden_layers(model: nn.Module, inputs: Tensor) -> list[Hidden]:
    """The hidden layers of a chain, in the order in which they are called.

    Raises
    ------
    NotApplicable
        A layer is called twice or is of a kind that cannot be changed; whether the network branches only its
        function shows, see `transformed`.
    """
    called = _called(model, inputs)
    found: list[Hidden] = []
    layer, norm = "", None
    for name in called:
        module = model.get_submodule(name)
        if called.count(name) > 1 or not (isinstance(module, _LAYERS) or is_batch_norm(module)):
            raise genbench.NotApplicable(f"the network is no chain of layers: '{name}'")
        if is_batch_norm(module):
            norm = name
            continue
        if layer:
            found.append(Hidden(layer, norm, name))
        layer, norm = name, None
    if not found:
        raise genbench.NotApplicable("the network has no hidden layers")
    return found


def _called(model: nn.Module, inputs: Tensor) -> list[str]:
    """Names of the modules with parameters of their own, in the order in which they are called."""
    called: list[str] = []
    modules = {
        name: module
        for name, module in model.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    }
    with watched(modules, after=lambda name, *_: called.append(name)):
        model(inputs[:2])
    return called


@torch.no_grad()
def transformed(given: Roots, change: Transformation) -> dict[str, Any]:
    """The roots of a fit after a change, on copies.

    Raises
    ------
    NotApplicable
        The change cannot be made in this network: its outputs are not those that they should be.
    """
    roots = {name: _in_precision(root, change.dtype) for name, root in given.items()}
    inputs = roots["inputs"]
    if change.targets is not None:
        if roots["task"].kind != "classification":
            raise genbench.NotApplicable("there are no classes in regression")
        _rename_classes(roots, change.targets)
    if change.network is not None:
        before = roots["model"](inputs)
        template = copy_of(roots["model"])
        for name, root in roots.items():
            roots[name] = _changed(root, change.network, inputs, template)
        expected = change.outputs(before)
        scale = float(expected.abs().max())
        if not torch.allclose(roots["model"](inputs), expected, rtol=1e-9, atol=1e-9 * scale):
            raise genbench.NotApplicable("the network branches, or its activation does not let factors pass")
    return roots


def _in_precision(root: Any, dtype: torch.dtype) -> Any:
    """A copy of a root with its floating-point numbers in another precision."""
    if isinstance(root, nn.Module):
        return copy_of(root).to(dtype).eval()
    if isinstance(root, Tensor):
        return root.to(dtype) if root.is_floating_point() else root.clone()
    if isinstance(root, Split):
        return replace(
            root, inputs=_in_precision(root.inputs, dtype), targets=_in_precision(root.targets, dtype)
        )
    if isinstance(root, list) and all(isinstance(each, nn.Module | tuple) for each in root):
        return [_in_precision(each, dtype) for each in root]
    if isinstance(root, tuple):
        return tuple(_in_precision(each, dtype) for each in root)
    if _is_state(root):
        return {name: _in_precision(each, dtype) for name, each in root.items()}
    return root


def _changed(
    root: Any, change: Callable[[nn.Module, Tensor], None], inputs: Tensor, template: nn.Module
) -> Any:
    """A network changed in place; weights kept along training changed through a network that holds them."""
    if isinstance(root, nn.Module):
        change(root, inputs)
        return root
    if _is_state(root):
        holder = copy_of(template)
        holder.load_state_dict(root)
        change(holder, inputs)
        return {name: tensor.clone() for name, tensor in holder.state_dict().items()}
    if isinstance(root, list) and all(isinstance(each, nn.Module | tuple) for each in root):
        return [_changed(each, change, inputs, template) for each in root]
    if isinstance(root, tuple):
        return tuple(_changed(each, change, inputs, template) for each in root)
    return root


def _is_state(root: Any) -> bool:
    return (
        isinstance(root, Mapping) and bool(root) and all(isinstance(each, Tensor) for each in root.values())
    )


def _rename_classes(roots: dict[str, Any], rename: Callable[[Tensor, int], Tensor]) -> None:
    classes = roots["task"].outputs
    roots["targets"] = rename(roots["targets"], classes)
    if "validation" in roots:
        held_out = roots["validation"]
        roots["validation"] = replace(held_out, targets=rename(held_out.targets, classes))


def _order(size: int) -> Tensor:
    """A permutation of 0 to size − 1, the same on every machine."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(size))


def _scale_rows(module: Any, factors: Tensor) -> None:
    module.weight.mul_(factors.reshape(-1, *[1] * (module.weight.ndim - 1)))
    if module.bias is not None:
        module.bias.mul_(factors)


def _columns(reader: Any, units: int) -> int:
    """How many inputs of the reading layer come from one unit: several behind a flattening."""
    return reader.weight.shape[1] // units


@torch.no_grad()
def _rescale(model: nn.Module, inputs: Tensor, *, per_unit: bool) -> None:
    for index, each in enumerate(hidden_layers(model, inputs)):
        writer: Any = model.get_submodule(each.norm or each.layer)
        reader: Any = model.get_submodule(each.reader)
        units = len(writer.weight)
        if per_unit:
            factors = 2.0 ** ((torch.arange(units) * 3 + index) % 5 - 2)
        else:
            factors = torch.full((units,), _FACTOR if index % 2 == 0 else 1 / _FACTOR**2)
        factors = factors.to(writer.weight)
        _scale_rows(writer, factors)
        repeated = factors.repeat_interleave(_columns(reader, units))
        reader.weight.div_(repeated.reshape(1, -1, *[1] * (reader.weight.ndim - 2)))


def _rescale_layers(model: nn.Module, inputs: Tensor) -> None:
    _rescale(model, inputs, per_unit=False)


def _rescale_units(model: nn.Module, inputs: Tensor) -> None:
    _rescale(model, inputs, per_unit=True)


@torch.no_grad()
def _scale_before_batch_norm(model: nn.Module, inputs: Tensor) -> None:
    """Scale weights and the statistics that training would have seen; ε stays, hence the running variance."""
    scaled = [each for each in hidden_layers(model, inputs) if each.norm]
    if not scaled:
        raise genbench.NotApplicable("the network has no batch norm")
    for each in scaled:
        layer: Any = model.get_submodule(each.layer)
        norm: Any = model.get_submodule(str(each.norm))
        _scale_rows(layer, torch.full((len(layer.weight),), _FACTOR).to(layer.weight))
        norm.running_mean.mul_(_FACTOR)
        norm.running_var.add_(norm.eps).mul_(_FACTOR**2).sub_(norm.eps)


@torch.no_grad()
def _permute_units(model: nn.Module, inputs: Tensor) -> None:
    for each in hidden_layers(model, inputs):
        layer: Any = model.get_submodule(each.layer)
        reader: Any = model.get_submodule(each.reader)
        order = _order(len(layer.weight))
        norm: Any = model.get_submodule(each.norm) if each.norm else None
        statistics = (norm.weight, norm.bias, norm.running_mean, norm.running_var) if norm else ()
        for tensor in (layer.weight, layer.bias, *statistics):
            if tensor is not None:
                tensor.copy_(tensor[order].clone())
        width = _columns(reader, len(order))
        columns = (order[:, None] * width + torch.arange(width)).flatten()
        reader.weight.copy_(reader.weight[:, columns].clone())


def _last_layer(model: nn.Module, inputs: Tensor) -> Any:
    """The layer that yields the outputs: the last one called, which must be linear."""
    called = [model.get_submodule(name) for name in _called(model, inputs)]
    if not called or not isinstance(called[-1], nn.Linear):
        raise genbench.NotApplicable("the last layer is not linear")
    return called[-1]


@torch.no_grad()
def _permute_outputs(model: nn.Module, inputs: Tensor) -> None:
    last = _last_layer(model, inputs)
    order = _order(last.out_features)
    for tensor in (last.weight, last.bias):
        tensor.copy_(tensor[order].clone())


@torch.no_grad()
def _scale_outputs(model: nn.Module, inputs: Tensor) -> None:
    last = _last_layer(model, inputs)
    _scale_rows(last, torch.full((last.out_features,), _LOGIT_FACTOR).to(last.weight))


def _renamed(targets: Tensor, classes: int) -> Tensor:
    """The place to which `_permute_outputs` moves each class."""
    return torch.argsort(_order(classes))[targets]


TRANSFORMATIONS: Mapping[str, Transformation] = {
    "relu_rescaling_layers": Transformation("ReLU rescaling, whole layers", _rescale_layers),
    "relu_rescaling_units": Transformation("ReLU rescaling, unit by unit", _rescale_units),
    "batch_norm_scaling": Transformation("weights before batch norm × 4", _scale_before_batch_norm),
    "unit_permutation": Transformation("hidden units permuted", _permute_units),
    "class_permutation": Transformation(
        "classes permuted", _permute_outputs, _renamed, outputs=lambda each: each[:, _order(each.shape[1])]
    ),
    "logit_scaling": Transformation(
        "logits × 2",
        _scale_outputs,
        lambda targets, classes: targets,
        outputs=lambda each: _LOGIT_FACTOR * each,
    ),
    "batch_size": Transformation("computed in small batches", computation=lambda: at_most(_CHUNK)),
    "float32": Transformation("single precision", dtype=torch.float32),
}
"""Every change of the audit by its name, in the order of tables."""
