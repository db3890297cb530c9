"""By how much the outputs shrink when all layers are scaled to norm 1."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn

import genbench
from genbench.probes.layers import Layer
from genbench.probes.sample import evenly_spaced, forward

__all__ = ["Norm", "log_rho"]

Norm = Literal["frobenius", "l1"]

_LAYERS = genbench.need("layers", fold=genbench.setting("fold"))
_MODEL = genbench.need("folded_model", fold=genbench.setting("fold"))

# Enough to tell a homogeneous function from another; whether it is one does not depend on the examples.
_EXAMPLES = 8
_TOLERANCE = 1e-8


@genbench.probe(cost="B")
def log_rho(
    inputs, layers=_LAYERS, model=_MODEL,
    *, norm: Norm = "frobenius", fold: bool = True, first_bias: bool = True,
) -> Tensor:  # fmt: skip
    """ln ρ, ρ = Π_l ‖W_l‖, shape (), double; Liao et al. 2020 (Generalization puzzles), eq. 1.

    For a chain of layers and ReLUs f(x) = ρ f̃(x), f̃ being the same network with all layers at norm 1. Biases
    behind the first layer, which the paper leaves out but where it absorbs batch norm, are scaled along: that
    of layer l by the norms of the layers up to l.

    Parameters
    ----------
    norm : {"frobenius", "l1"}
        ``l1``: the sum of absolute values.
    first_bias : bool
        Take the bias of the first layer as weights of a constant input, ρ₁ = ‖[W₁ b₁]‖, as the paper does.

    Raises
    ------
    NotApplicable
        The function is not homogeneous in each layer, as with skip connections or smooth activations.
    """
    _require_homogeneous(model, layers, evenly_spaced(inputs, _EXAMPLES))
    logarithms = []
    for place, layer in enumerate(layers):
        entries = layer.weight.flatten()
        if place == 0 and first_bias and layer.bias is not None:
            entries = torch.cat([entries, layer.bias])
        logarithms.append(torch.linalg.vector_norm(entries, 2 if norm == "frobenius" else 1).log())
    return torch.stack(logarithms).sum()


def _require_homogeneous(model: nn.Module, layers: tuple[Layer, ...], inputs: Tensor) -> None:
    """Scale each layer by its own factor and see whether the outputs are scaled by the product of all."""
    scaled = copy.deepcopy(model)
    parameters = dict(scaled.named_parameters())
    product = 1.0
    for place, layer in enumerate(layers):
        factor = 1 + (place + 1) / (len(layers) + 1)
        product *= factor
        parameters[layer.name].mul_(factor)
        if layer.bias is not None:
            parameters[f"{layer.module}.bias".lstrip(".")].mul_(product)
    before, after = forward(model, inputs), forward(scaled, inputs)
    unlike = (after - product * before).abs().max()
    if not unlike <= _TOLERANCE * after.abs().max():
        raise genbench.NotApplicable(
            "the network is not homogeneous in each of its layers (skip connections, parallel branches, "
            "smooth activations or a normalization), so that their norms do not factor out"
        )
