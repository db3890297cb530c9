"""Homogeneity in each layer, tried on the network itself; the product of the norms by which it scales."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from genbench.base.errors import NotApplicable
from genbench.networks.copying import copy_of
from genbench.networks.layers import Layer, weight_layers
from genbench.networks.passes import evenly_spaced, forward
from genbench.networks.watching import counted

__all__ = ["Norm", "log_product_of_norms", "require_homogeneous"]

Norm = Literal["frobenius", "l1"]

# Enough to tell a homogeneous function from another; whether it is one does not depend on the examples.
_EXAMPLES = 8

_TOLERANCE = 1e-8


def log_product_of_norms(
    model: nn.Module,
    layers: tuple[Layer, ...],
    inputs: Tensor,
    norm: Norm = "frobenius",
    *,
    first_bias: bool = True,
) -> Tensor:
    """ln ρ, ρ = Π_l ‖W_l‖, shape (), double; Liao et al. 2020 (Generalization puzzles), eq. 1.

    Parameters
    ----------
    layers : tuple of Layer
        Those of `model`.
    norm : {"frobenius", "l1"}
        ``l1``: the sum of absolute values.
    first_bias : bool
        Take the bias of the first layer as weights of a constant input, ρ₁ = ‖[W₁ b₁]‖.

    Raises
    ------
    NotApplicable
        The function is not homogeneous in each layer; or a layer is zero.
    """
    logarithms = []
    for place, layer in enumerate(require_homogeneous(model, layers, inputs)):
        entries = layer.weight.flatten()
        if place == 0 and first_bias and layer.bias is not None:
            entries = torch.cat([entries, layer.bias])
        if not entries.any():
            raise NotApplicable(f"layer '{layer.name}' is zero, no scaling gives it norm 1")
        logarithms.append(torch.linalg.vector_norm(entries, 2 if norm == "frobenius" else 1).log())
    return torch.stack(logarithms).sum()


def require_homogeneous(model: nn.Module, layers: tuple[Layer, ...], inputs: Tensor) -> list[Layer]:
    """Scale each layer by its own factor and see whether the outputs are scaled by the product of all.

    Returns
    -------
    list of Layer
        The layers in the order in which the network calls them, the first one first.

    Raises
    ------
    NotApplicable
        They are not.
    """
    inputs = evenly_spaced(inputs, _EXAMPLES)
    scaled = copy_of(model)
    with counted(dict(scaled.named_modules())) as calls:
        before = forward(scaled, inputs.clone())
    places = {name: place for place, name in enumerate(calls)}
    pairs = zip(layers, weight_layers(scaled), strict=True)
    called = sorted(pairs, key=lambda pair: places.get(pair[0].module, len(places)))
    product = 1.0
    for place, (_, layer) in enumerate(called):
        factor = 1 + (place + 1) / (len(called) + 1)
        product *= factor
        layer.weight.mul_(factor)
        if layer.bias is not None:
            layer.bias.mul_(product)
    after = forward(scaled, inputs.clone())
    unlike = (after - product * before).abs().max()
    if not unlike <= _TOLERANCE * after.abs().max():
        raise NotApplicable(
            "the network is not homogeneous in each of its layers (skip connections, parallel branches, "
            "smooth activations or a normalization), so that their norms do not factor out"
        )
    return [layer for layer, _ in called]
