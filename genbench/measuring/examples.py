"""The examples that a network of the user's own is measured on, whatever form they are handed over in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from genbench.base.data import Split
from genbench.base.errors import UsageError
from genbench.measuring.batches import read_batches
from genbench.measuring.given import as_tensor
from genbench.networks.adapting import Packing, pack
from genbench.networks.ambient import ordinary_torch

__all__ = ["Examples", "read_examples", "read_validation"]


@dataclass(frozen=True)
class Examples:
    """The training set as one tensor of inputs, a row for each example, and the targets.

    Attributes
    ----------
    packing : Packing or None
        How several inputs lie in a row; None where there is one input, handed over by its place.
    """

    inputs: Tensor
    targets: Tensor
    packing: Packing | None


def read_examples(inputs: Any, targets: Any) -> Examples:
    """Inputs and targets as `genbench.evaluate` takes them.

    Raises
    ------
    UsageError
        They are nothing of the kind.
    """
    with ordinary_torch():
        if targets is None or isinstance(targets, str):
            if isinstance(inputs, Mapping) or _is_array(inputs):
                raise UsageError("targets: are missing; only a DataLoader or a data set brings its own")
            inputs, targets = read_batches(inputs, targets)
        elif isinstance(inputs, DataLoader | Dataset):
            kind = type(inputs).__name__
            raise UsageError(f"targets: a {kind} brings its own; leave them out, or name their key")
        else:
            targets = as_tensor("targets", targets)
        rows, packing = _packed(inputs, targets)
        if rows.ndim < 2 or len(rows) == 0:
            raise UsageError(f"inputs: expected shape (n, *input_shape) with n > 0, got {tuple(rows.shape)}")
        if targets.ndim == 0 or len(rows) != len(targets):
            raise UsageError(
                f"inputs and targets: {len(rows)} examples but targets of {tuple(targets.shape)}"
            )
        return Examples(rows, targets, packing)


def read_validation(split: Split | None) -> Split | None:
    """A validation split with the same kinds of inputs.

    Raises
    ------
    UsageError
        It is none, or has other numbers of inputs and targets.
    """
    if split is None:
        return None
    if not isinstance(split, Split):
        raise UsageError(f"validation: expected a genbench.Split, got {type(split).__name__}")
    targets = as_tensor("validation", split.targets)
    rows, _ = _packed(split.inputs, targets)
    if targets.ndim == 0 or len(rows) != len(targets):
        raise UsageError(f"validation: {len(rows)} examples but targets of {tuple(targets.shape)}")
    return Split(rows, targets)


def _packed(inputs: Any, targets: Tensor) -> tuple[Tensor, Packing | None]:
    if isinstance(inputs, tuple) and _is_several(inputs, len(targets) if targets.ndim else 0):
        inputs = dict(enumerate(inputs))
    if not isinstance(inputs, Mapping) or _is_array(inputs):
        return as_tensor("inputs", inputs), None
    if not inputs:
        raise UsageError("inputs: the dictionary is empty")
    return pack({key: as_tensor(f"inputs {key!r}", each) for key, each in inputs.items()})


def _is_array(inputs: Any) -> bool:
    return isinstance(inputs, Tensor | list | np.ndarray) or any(
        hasattr(inputs, name) for name in ("__array__", "__dlpack__")
    )


def _is_several(inputs: tuple[Any, ...], examples: int) -> bool:
    """Whether a tuple holds several inputs of all examples, rather than one input of each."""
    return len(inputs) != examples and all(
        _is_array(each) and np.ndim(each) > 0 and len(each) == examples for each in inputs
    )
