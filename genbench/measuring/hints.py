"""What to do about a network that does not take the inputs, or returns something else than outputs."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from genbench.base.errors import nearest
from genbench.networks.adapting import Packing
from genbench.networks.passes import as_the_model_wants

__all__ = ["hint_at_inputs", "hint_at_output"]

CHANNELS = (1, 3, 4)
"""Of pictures."""


def hint_at_output(model: nn.Module, inputs: Tensor) -> str:
    """Which parts `output` may choose of what the network returns; empty where there are none."""
    try:
        with torch.no_grad():
            returned = model(as_the_model_wants(model, inputs.clone()))
    except Exception:  # it has run before, and has said what it had to
        return ""
    for name, each in _parts_of(returned).items():
        if isinstance(each, Tensor) and each.ndim == 2:
            return f"; output={name!r} would take one part of it"
    return ""


def _parts_of(returned: Any) -> dict[Any, Any]:
    """What `output` could choose, by key, place or attribute."""
    if isinstance(returned, Mapping):
        return dict(returned)
    if isinstance(returned, tuple | list):
        return dict(enumerate(returned))
    if dataclasses.is_dataclass(returned):  # it may have slots
        return {each.name: getattr(returned, each.name) for each in dataclasses.fields(returned)}
    held = {} if isinstance(returned, Tensor) else getattr(returned, "__dict__", {})
    return {name: each for name, each in held.items() if not name.startswith("_")}


def hint_at_inputs(model: nn.Module, inputs: Tensor, packing: Packing | None) -> str:
    """What would make a network take inputs that it refused; empty where nothing is known to."""
    if packing is not None:
        return _hint_at_names(model, packing)
    for what, changed in _changed(inputs):
        try:
            with torch.no_grad():
                model(as_the_model_wants(model, changed))
        except Exception:  # so this is not it
            continue
        return f"; it takes {what}"
    return ""


def _changed(inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The inputs in other layouts, each with its spelling."""
    real = inputs if inputs.is_floating_point() else inputs.float() / 255
    spelled = "inputs" if inputs.is_floating_point() else "(inputs.float() / 255)"
    if real is not inputs:
        yield "inputs.float() / 255", real
    if real.ndim == 4 and real.shape[3] in CHANNELS:
        yield f"{spelled}.permute(0, 3, 1, 2), channels before height and width", real.permute(0, 3, 1, 2)
    if real.ndim == 3:
        yield f"{spelled}.unsqueeze(1), one channel before height and width", real.unsqueeze(1)
    if real.ndim > 2:
        yield f"{spelled}.flatten(1), one row of numbers for each example", real.flatten(1)
    if inputs.is_floating_point() and bool((inputs == inputs.round()).all()):
        yield "inputs.long(), whole numbers", inputs.long()


def _hint_at_names(model: nn.Module, packing: Packing) -> str:
    taken = inspect.signature(model.forward).parameters
    if any(each.kind is each.VAR_KEYWORD for each in taken.values()):
        return ""
    unknown = [each.key for each in packing.fields if isinstance(each.key, str) and each.key not in taken]
    if not unknown:
        return ""
    names = [name for name in taken if name != "self"]
    return f"; its arguments are {', '.join(names)}{nearest(str(unknown[0]), names)}"
