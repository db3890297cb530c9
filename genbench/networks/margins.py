"""Margins of classification, as functions of the outputs that can be differentiated."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["margins_of"]


def margins_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """f_y − max_{j≠y} f_j of each example, shape (n,); where several j tie, they share the gradient.

    Parameters
    ----------
    outputs : Tensor, shape (n, classes)
        Of two classes or more.
    targets : Tensor, shape (n,), int64
        The classes y, on any device.
    """
    classes = torch.arange(outputs.shape[1], device=outputs.device)
    chosen = targets.to(outputs.device).unsqueeze(1) == classes
    # Not gathered: torch cannot capture how CUDA scatters the gradient back by deterministic algorithms.
    own = torch.where(chosen, outputs, 0).sum(1)
    return own - outputs.masked_fill(chosen, -torch.inf).amax(1)
