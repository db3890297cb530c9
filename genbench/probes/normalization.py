"""By how much the outputs shrink when all layers are scaled to norm 1."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

import genbench

__all__ = ["Norm", "log_rho"]

Norm = Literal["frobenius", "l1"]

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))


@genbench.probe
def log_rho(
    layers=_LAYERS,
    *, norm: Norm = "frobenius", fold: bool = True, first_bias: bool = True,
) -> Tensor:  # fmt: skip
    """ln ρ, ρ = Π_l ‖W_l‖, shape (), double; Liao et al. 2020 (Generalization puzzles), eq. 1.

    For a network of ReLUs without biases behind the first layer, f(x) = ρ f̃(x) with f̃ the same network, all
    of whose layers have norm 1. For any other network ρ is a number by which one divides.

    Parameters
    ----------
    norm : {"frobenius", "l1"}
        ``l1``: the sum of absolute values.
    first_bias : bool
        Take the bias of the first layer as weights of a constant input, ρ₁ = ‖[W₁ b₁]‖, as the paper does.
    """
    logarithms = []
    for place, layer in enumerate(layers):
        entries = layer.weight.flatten()
        if place == 0 and first_bias and layer.bias is not None:
            entries = torch.cat([entries, layer.bias])
        logarithms.append(torch.linalg.vector_norm(entries, 2 if norm == "frobenius" else 1).log())
    return torch.stack(logarithms).sum()
