"""What a user hands over: array-likes of any library as tensors, held against one another, and networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from genbench.base.errors import UsageError, first_line
from genbench.networks.passes import chunks

__all__ = ["as_tensor", "require_finite", "require_network"]

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
