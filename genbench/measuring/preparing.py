"""Networks made ready for a battery: what they do to themselves and to their inputs is done to copies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genbench.measuring.guard import ModelGuard, isolated_random_state
from genbench.networks.ambient import (
    changing_copies,
    handing_copies,
    has_largest_norm,
    ordinary_torch,
    works_in_place,
)
from genbench.networks.precision import widen_where_needed
from genbench.networks.wrappers import without_checkpoints

__all__ = ["prepare"]


def prepare(model: nn.Module, inputs: Tensor | None, device: torch.device, dtype: torch.dtype) -> None:
    """Have a network leave itself and what it is handed alone, and work in double precision too.

    Parameters
    ----------
    inputs : Tensor, optional
        Of which two are passed through it, to see what it does.
    dtype : torch.dtype
        Of new tensors beside it.
    """
    for each in model.modules():
        if isinstance(each, nn.Embedding | nn.EmbeddingBag):
            each.sparse = False  # the gradients are the same, and can be reshaped and differentiated
    if not isinstance(inputs, Tensor):
        return
    untouched = ModelGuard(model)
    with isolated_random_state(0, device), ordinary_torch(dtype), without_checkpoints():
        in_place = works_in_place(model, inputs)
        if untouched.restore() or any(map(has_largest_norm, model.modules())):
            changing_copies(model)
        if in_place:
            handing_copies(model)
        widen_where_needed(model, inputs)
