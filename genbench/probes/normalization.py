"""By how much the outputs shrink when all layers are scaled to norm 1."""

from __future__ import annotations

from torch import Tensor

import genbench
from genbench.base import moved
from genbench.networks.homogeneity import Norm, log_product_of_norms

__all__ = ["log_rho"]

moved.signpost(__name__)


_LAYERS = genbench.need("layers", shared="fold")
_MODEL = genbench.need("folded_model", shared="fold")


@genbench.probe(cost="B")
def log_rho(
    inputs, layers=_LAYERS, model=_MODEL, *, norm: Norm = "frobenius", first_bias: bool = True
) -> Tensor:
    """ln ρ, ρ = Π_l ‖W_l‖, shape (), double; Liao et al. 2020 (Generalization puzzles), eq. 1.

    For a chain of layers and ReLUs f(x) = ρ f̃(x), f̃ being the same network with all layers at norm 1. Biases
    behind the first layer, which the paper leaves out but where it absorbs batch norm, are scaled along: that
    of layer l by the norms of the layers up to l. Layers are numbered in the order in which they are called.

    Parameters
    ----------
    norm : {"frobenius", "l1"}
        ``l1``: the sum of absolute values.
    first_bias : bool
        Take the bias of the first layer as weights of a constant input, ρ₁ = ‖[W₁ b₁]‖, as the paper does.

    Raises
    ------
    NotApplicable
        The function is not homogeneous in each layer, as with skip connections or smooth activations; or a
        layer is zero.
    """
    return log_product_of_norms(model, layers, inputs, norm, first_bias=first_bias)
