"""Norms of the weight layers, and of how far they went from where they started."""

from __future__ import annotations

import torch
from torch import Tensor

import genbench
from genbench.networks.layers import Layer, matched

__all__ = ["frobenius_distances", "frobenius_norms"]

_LAYERS = genbench.need("layers", shared="fold")
_INITIAL = genbench.need("initial_layers", shared="fold")


@genbench.probe
def frobenius_norms(layers=_LAYERS, *, biases: bool = False) -> Tensor:
    """‖W_l‖_F of each layer, shape (d,), double.

    Parameters
    ----------
    biases : bool
        ‖[W_l b_l]‖_F, the bias as one more column.
    """
    return torch.stack([torch.linalg.vector_norm(_entries(layer, biases)) for layer in layers])


@genbench.probe
def frobenius_distances(layers=_LAYERS, initial_layers=_INITIAL, *, biases: bool = False) -> Tensor:
    """‖W_l − W_l⁰‖_F of each layer, shape (d,), double.

    Parameters
    ----------
    biases : bool
        Count the change of the bias too.

    Raises
    ------
    NotApplicable
        The initial network has other layers, or no bias where the trained one has one.
    """
    pairs = [(_entries(now, biases), _entries(then, biases)) for now, then in matched(layers, initial_layers)]
    if any(now.shape != then.shape for now, then in pairs):
        raise genbench.NotApplicable("the initial network has other biases than the trained one")
    return torch.stack([torch.linalg.vector_norm(now - then) for now, then in pairs])


def _entries(layer: Layer, biases: bool) -> Tensor:
    """All weights of a layer, and with `biases` the bias behind them."""
    if not biases or layer.bias is None:
        return layer.weight.flatten()
    return torch.cat([layer.weight.flatten(), layer.bias])
