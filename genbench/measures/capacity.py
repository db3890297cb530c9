"""Size of the architecture and the bounds that know nothing else: the same for every fit of one network.

Larger networks can fit more, which classical theory says raises the gap. ω is the number of weights, d that
of weight layers, n the side of the input images (the number of features of a vector), k that of the outputs,
m that of the training examples.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Risk
from genbench.measures.controls import num_params
from genbench.measures.conventions import per_example
from genbench.networks.freezing import Unfrozen
from genbench.networks.functional import call_with
from genbench.networks.layers import Layer, last_layer
from genbench.networks.passes import forward
from genbench.networks.roles import module_roles

__all__ = ["depth", "log_params", "vc_bound", "vc_dim", "width"]

_RAW_LAYERS = genbench.need("layers", fold=False)
_RAW_MODEL = genbench.need("folded_model", fold=False)


@genbench.measure(family="capacity", direction="+", formula="ln ω")
def log_params(layers=_RAW_LAYERS, *, biases: bool = False) -> Tensor:
    """Natural logarithm of the number of weights, see `num_params`.

    Parameters
    ----------
    biases : bool
        Count the biases of the weight layers too.
    """
    return num_params(1, layers, biases=biases).log()


@genbench.measure(
    family="capacity", direction="?", formula="max_l or mean_l of rows(W_l), l hidden", cost="B", version=3
)
def width(
    inputs, model=_RAW_MODEL, layers=_RAW_LAYERS, *, aggregate: Literal["max", "mean"] = "max"
) -> Tensor:
    """Number of units of the hidden layers: channels of a convolution, gates of a recurrent layer included.

    A hidden layer is every weight layer but the one that is called last. Wider networks hold more functions
    and, at the sizes of today, often generalize better: the two contradict each other, hence no direction.

    Parameters
    ----------
    aggregate : {"max", "mean"}
        The widest hidden layer, or their mean.
    """
    last = last_layer(model, layers, inputs[:2])
    hidden = [float(len(layer.weight)) for layer in layers if layer is not last]
    units = torch.tensor(hidden, dtype=torch.float64)
    if not len(units):
        raise genbench.NotApplicable("the network has no hidden layer")
    return units.max() if aggregate == "max" else units.mean()


@genbench.measure(
    family="capacity", direction="?", formula="weight layers on the longest way − 1", cost="B", version=2
)
def depth(inputs, model=_RAW_MODEL, layers=_RAW_LAYERS) -> int:
    """Number of hidden layers: weight layers on the longest way from an input to the outputs, less the last.

    Projections beside the way, as on the shortcuts of residual networks, do not count. Where a weight is used
    several times, as in recurrent networks, the blocks that the network names are counted in its place. A
    part that the network freezes in its forward pass counts as if it did not.
    Deeper networks hold more functions and often generalize better, hence no direction.

    Raises
    ------
    NotApplicable
        A weight is used several times and the network names no blocks.
    """
    weights = {layer.name: layer.weight.detach().clone().requires_grad_() for layer in layers}
    with torch.enable_grad(), Unfrozen():
        outputs = forward(_WithWeights(model, weights), inputs[:2])
    if outputs.grad_fn is None:
        raise genbench.NotApplicable("the outputs do not depend on the weights in a way that torch follows")
    longest, uses = _longest_way(outputs.grad_fn, {id(each) for each in weights.values()})
    if uses <= len(weights):
        return longest - 1
    blocks = module_roles(model, inputs[:2])["block_outputs"]
    if not blocks:
        raise genbench.NotApplicable(
            "a layer is used several times, and the network names no blocks to count"
        )
    return len(blocks)


class _WithWeights(nn.Module):
    """A network with some of its parameters replaced."""

    def __init__(self, model: nn.Module, weights: dict[str, Tensor]):
        super().__init__()
        self._model, self._weights = model, weights

    def forward(self, inputs: Tensor) -> Any:
        return call_with(self._model, self._weights, inputs)


def _longest_way(end: Any, weights: set[int]) -> tuple[int, int]:
    """Most weights on one way back through a graph of differentiation, and how often weights are used."""
    longest: dict[Any, int] = {}
    uses = 0
    pending = [(end, False)]
    while pending:
        node, ready = pending.pop()
        if node is None or node in longest:
            continue
        before = [each for each, _ in node.next_functions if each is not None]
        if not ready:
            pending += [(node, True), *((each, False) for each in before)]
            continue
        reads = len(node.next_functions) > 1 or _looks_up(node)
        used = sum(_is_weight(each, weights) for each in before if reads)
        uses += used
        longest[node] = max((longest[each] for each in before), default=0) + (used > 0)
    return longest.get(end, 0), uses


def _looks_up(node: Any) -> bool:
    """Whether a node reads rows of a weight: of its inputs, indices have no derivative and are not there."""
    return node.name().startswith("Embedding")


def _is_weight(node: Any, weights: set[int]) -> bool:
    """Whether a node is a weight, looked at as it is or transposed."""
    while len(node.next_functions) == 1 and node.next_functions[0][0] is not None and not _looks_up(node):
        node = node.next_functions[0][0]
    return id(getattr(node, "variable", None)) in weights


@genbench.measure(
    family="capacity", direction="+", source="Jiang et al. 2020, eq. 19",
    formula="(4000 √(d log2(6 d n)³ ω) + √ln(1/δ))²",
)  # fmt: skip
def vc_dim(sample_size, task, layers=_RAW_LAYERS, *, delta: Risk = 0.01, by_size: bool = False) -> Tensor:
    """What the bound by the Vapnik-Chervonenkis dimension of a convolutional network puts in place of it.

    ω = Σ_l k_l² c_l c_{l−1} over layers of kernels k_l × k_l with c_l channels, d the number of layers. n is
    the width of the input images, the last number of an input's shape: the number of features of a vector.
    Networks without convolutions get the value of their layers as kernels of size 1.

    Parameters
    ----------
    delta : float
        The bound holds with probability 1 − δ.
    by_size : bool
        √(· / m), which bounds the gap.
    """
    size = float(num_params(1, layers))
    capacity = _vc_root(layers, task, size)
    value = torch.tensor((4000 * capacity + math.sqrt(math.log(1 / delta))) ** 2, dtype=torch.float64)
    return per_example(value, sample_size, by_size)


@genbench.measure(
    family="bound", direction="+", source="Jiang et al. 2020, eq. 19, for several classes",
    formula="L̂ + 3888 k √(d log2(6 d n)³ ω / m) + √(ln(1/δ) / m)",
)  # fmt: skip
def vc_bound(
    sample_size, errors, task, layers=_RAW_LAYERS,
    *, delta: Risk = 0.01, form: Literal["theorem", "program"] = "theorem",
) -> Tensor:  # fmt: skip
    """Bound on the test error by the size of the network, for k classes; far above 1, vacuous.

    ω, d and n are those of `vc_dim`.

    Parameters
    ----------
    delta : float
        The bound holds with probability 1 − δ.
    form : {"theorem", "program"}
        L̂ is the training error. A published program adds the training accuracy in its place, has ω² under
        the root and does not divide by m there.
    """
    if task.kind != "classification":
        raise genbench.NotApplicable("defined for classification only")
    size = float(num_params(1, layers))
    under = size / sample_size if form == "theorem" else size**2
    empirical = errors if form == "theorem" else 1 - errors
    complexity = 3888 * task.outputs * _vc_root(layers, task, under)
    return empirical + complexity + math.sqrt(math.log(1 / delta) / sample_size)


def _vc_root(layers: tuple[Layer, ...], task: Any, size: float) -> float:
    count, side = len(layers), task.input_shape[-1]
    return math.sqrt(count * math.log2(6 * count * side) ** 3 * size)
