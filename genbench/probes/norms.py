"""Norms of the weight layers, and of how far they went from where they started."""

from __future__ import annotations

import torch
from torch import Tensor

import genbench
from genbench.probes.layers import matched

__all__ = ["frobenius_distances", "frobenius_norms"]

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))
_INITIAL = genbench.need("initial_layers", fold=genbench.setting("fold"))


@genbench.probe
def frobenius_norms(layers=_LAYERS, *, fold: bool = True) -> Tensor:
    """‖W_l‖_F of each layer, shape (d,), double."""
    return torch.stack([torch.linalg.vector_norm(layer.weight) for layer in layers])


@genbench.probe
def frobenius_distances(layers=_LAYERS, initial_layers=_INITIAL, *, fold: bool = True) -> Tensor:
    """‖W_l − W_l⁰‖_F of each layer, shape (d,), double."""
    pairs = matched(layers, initial_layers)
    return torch.stack([torch.linalg.vector_norm(now.weight - then.weight) for now, then in pairs])
