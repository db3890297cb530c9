"""What a measure returned, as the number that it should be."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["as_number"]


def as_number(outcome: Any) -> float:
    """A measure's return value as a float.

    Raises
    ------
    TypeError, ValueError, OverflowError
        What it returned is not one real number; the text goes on after the measure's name.
    """
    if isinstance(outcome, Tensor):
        if outcome.numel() != 1:
            raise ValueError(f"returned a tensor of shape {tuple(outcome.shape)}, expected one number")
        outcome = outcome.item()
    elif isinstance(outcome, np.ndarray | np.generic):
        if outcome.size != 1:
            raise ValueError(f"returned an array of shape {outcome.shape}, expected one number")
        outcome = outcome.item()
    if isinstance(outcome, numbers.Real):
        try:
            return float(outcome)
        except OverflowError:
            raise OverflowError("returned a whole number too large for a float") from None
    raise TypeError(f"returned a {type(outcome).__name__}, expected one real number")
