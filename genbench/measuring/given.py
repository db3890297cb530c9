"""What a user hands over: array-likes of any library as tensors, networks, and what training left of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from genbench.base.errors import NotApplicable, Remark, UsageError, first_line
from genbench.networks.passes import chunks

__all__ = [
    "as_tensor",
    "read_history",
    "remark_layers",
    "require_finite",
    "require_network",
    "require_snapshots",
]

HISTORY = ("epoch", "step", "train_loss", "train_error", "batch_loss", "learning_rate")
"""The columns that measures read; a history may have others, of any kind."""

COUNTS = ("epoch", "step")
"""Those that every row has."""

_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)


def as_tensor(what: str, given: Any) -> Tensor:
    """A tensor without a graph of what is handed over, which may share its memory.

    Parameters
    ----------
    what : str
        The argument's name: errors begin with it.
    given : Tensor or array-like
        Nested sequences; anything that NumPy reads, such as pandas, JAX and TensorFlow have; else whatever
        has ``__dlpack__``.

    Raises
    ------
    UsageError
        It holds no numbers, or no regular array of them.
    """
    try:
        found = given.detach() if isinstance(given, Tensor) else _read(given)
        if found.is_meta:
            raise TypeError("it has no content")
        if found.is_inference():
            found = found.clone()
        if found.layout != torch.strided:
            found = found.to_dense()
        return found.long() if found.dtype in _UNSIGNED else found
    except Exception as fault:  # foreign objects raise anything when they are read
        kind = type(given).__name__
        raise UsageError(f"{what}: a {kind} that cannot be read as an array: {first_line(fault)}") from fault


def _read(given: Any) -> Tensor:
    if isinstance(given, list | tuple):
        if given and all(isinstance(each, Tensor) for each in given):
            return torch.stack([each.detach() for each in given])
        if not any(hasattr(each, "__array__") for each in given):
            return torch.as_tensor(given)
    if not hasattr(given, "__array__") and hasattr(given, "__dlpack__"):
        return torch.from_dlpack(given)
    try:
        array = np.asarray(given)
    except Exception:
        if not hasattr(given, "__dlpack__"):
            raise
        return torch.from_dlpack(given)
    if array.ndim == 0:
        raise TypeError("it holds no examples")
    if array.dtype == object:
        # Of pandas' own types and of columns of unlike ones.
        array = array.astype(np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(stride < 0 for stride in array.strides) or not array.flags.writeable:
        array = array.copy()
    return torch.from_numpy(array)


def require_finite(what: str, values: Tensor, dtype: torch.dtype | None = None) -> None:
    """Raise UsageError that names the first row with a number that is infinite or NaN.

    Parameters
    ----------
    what : str
        The argument's name.
    values : Tensor, shape (n, ...)
    dtype : torch.dtype, optional
        The precision in which real numbers are to be finite; their own where left out.
    """
    if not (values.is_floating_point() or values.is_complex()):
        return
    bad = []
    for part in chunks(values, values.device):
        rows = values[part] if dtype is None else values[part].to(dtype)
        finite = rows.isfinite().flatten(1).all(1) if rows.ndim > 1 else rows.isfinite()
        bad += [part.start + place for place in (~finite).nonzero().flatten().tolist()]
    if bad:
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        own = values[bad[0]]
        kind = "NaN" if own.isnan().any() else "infinite"
        if own.isfinite().all():
            kind = f"infinite in the network's precision, {dtype}".replace("torch.", "")
        raise UsageError(f"{what}: row {bad[0]} holds a number that is {kind}{more} (rows count from 0)")


def require_network(what: str, model: Any) -> None:
    """Raise UsageError for what is no module, or one whose weights are not there.

    Parameters
    ----------
    what : str
        The argument's name.
    """
    if not isinstance(model, nn.Module):
        raise UsageError(f"{what}: expected a torch.nn.Module, got {type(model).__name__}")
    for name, each in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(each):
            raise UsageError(f"{what}: '{name}' learns its shape from the first batch; call the network once")
        if each.is_meta:
            raise UsageError(f"{what}: '{name}' has no content; move the network off the device 'meta'")


def remark_layers(model: nn.Module) -> None:
    """Say of a network, before anything is measured, that many measures will have no value on its layers."""
    quantized = next((name for name, each in model.named_modules() if _is_quantized(each)), None)
    if quantized is not None:
        line = (
            f"model: quantized layers, as '{quantized}' is, hide their weights; most measures have no value"
        )
        warnings.warn(line, Remark, stacklevel=3)
    kinds = {each.dtype for each in model.parameters() if each.is_floating_point()}
    if torch.float64 in kinds and len(kinds) > 1:
        found = " and ".join(sorted(str(each).removeprefix("torch.") for each in kinds))
        line = f"model: layers of {found} in one network, which measures that change its precision cannot run"
        warnings.warn(line, Remark, stacklevel=3)


def _is_quantized(module: nn.Module) -> bool:
    return {"torch", "ao", "quantized"} <= {*type(module).__module__.split(".")}


class _History(dict[str, list[Any]]):
    """Columns, of which some may not be there."""

    def __missing__(self, column: str) -> list[Any]:
        raise NotApplicable(f"needs '{column}', which the history does not have")


def read_history(history: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """The columns of a history as lists; one that is not there raises NotApplicable when it is read.

    Raises
    ------
    UsageError
        It has no columns of one length, or one that holds something else than numbers; a row has no epoch
        or step in a column of them.
    """
    try:
        columns = _History({name: list(history[name]) for name in history})
    except (TypeError, IndexError, KeyError):
        kind = type(history).__name__
        raise UsageError(f"history: expected a dictionary of columns, which are lists, got {kind}") from None
    rows = {name: len(column) for name, column in columns.items()}
    if len(set(rows.values())) > 1:
        raise UsageError(f"history: expected columns of one length, got {rows}")
    for name in filter(columns.__contains__, HISTORY):
        odd = [each for each in columns[name] if each is not None and not _is_number(each)]
        if odd:
            raise UsageError(f"history: '{name}' holds numbers, not {odd[0]!r}")
    for name in filter(columns.__contains__, COUNTS):
        odd = [each for each in columns[name] if each is None or not math.isfinite(each)]
        if odd:
            raise UsageError(f"history: '{name}' counts, and cannot be {odd[0]!r}; leave it out if unknown")
    return columns


def require_snapshots(snapshots: Any, model: nn.Module) -> None:
    """Raise UsageError for what are no weights of the network along its training.

    Weights that a snapshot lacks are left to the measures that need them.

    Parameters
    ----------
    snapshots : sequence of (step, state dict)
    """
    shapes = {
        name: tuple(each.shape) for name, each in model.state_dict().items() if isinstance(each, Tensor)
    }
    try:
        pairs = [(step, {**state}) for step, state in snapshots]
        sound = isinstance(snapshots, Sequence) and all(_is_number(step) for step, _ in pairs)
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise UsageError(
            "snapshots: expected a list of pairs, each a step and a dictionary of tensors by name"
        )
    for step, state in pairs:
        for name in filter(state.__contains__, shapes):
            if not isinstance(state[name], Tensor):
                kind = type(state[name]).__name__
                raise UsageError(f"snapshots: '{name}' at step {step} is no tensor but a {kind}")
            if tuple(state[name].shape) != shapes[name]:
                raise UsageError(
                    f"snapshots: '{name}' at step {step} has the shape {tuple(state[name].shape)}, "
                    f"in the network {shapes[name]}"
                )


def _is_number(each: Any) -> bool:
    try:
        float(each)
    except (TypeError, ValueError, RuntimeError):
        return False
    return not isinstance(each, str | bytes)
