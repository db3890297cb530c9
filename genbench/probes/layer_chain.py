"""A network as a chain of linear maps and activations, and the Jacobians between its links.

Wei & Ma 2019 number the layers of F(x) = W_r φ(… φ(W_1 x) …) from 1 to 2r − 1: layer 2i − 1 multiplies by
W_i, layer 2i applies φ. Networks of any other form are refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count
from genbench.networks.adapting import ONE_LOGIT, has_one_logit
from genbench.networks.copying import copy_of
from genbench.networks.kinds import Convolution, TransposedConvolution, is_batch_norm
from genbench.networks.passes import chunks, evenly_spaced, require_differentiable
from genbench.networks.watching import watched
from genbench.probes.hidden_jacobians import jacobian_norms

__all__ = ["Kinks", "LayerChain", "layer_chain", "require_gentle_slopes"]

Kinks = Literal["refuse", "surrogate"]
"""Of ReLUs, which have no Lipschitz derivative: no value, or what σ̄ = 0 gives, which is no bound."""

# Linear maps without weights, as is a batch norm; they count as part of the multiplication beside them.
_LINEAR = (
    nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.Flatten,
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
)  # fmt: skip

# Lipschitz constant of the derivative of each activation that is 1-Lipschitz itself.
_BEND: Mapping[type[nn.Module], float] = {
    nn.Tanh: 4 / (3 * math.sqrt(3)),
    nn.Sigmoid: 1 / (6 * math.sqrt(3)),
    nn.ELU: 1.0,
}
_KINKED = (nn.ReLU, nn.LeakyReLU)

_MODEL = genbench.need("folded_model", shared="fold")


@dataclass(frozen=True)
class LayerChain:
    """A chain of r multiplications with activations between, at training examples, all double.

    Attributes
    ----------
    sigma : mapping from pair of int to float
        ``sigma[late, early]``, 1 ≤ early ≤ late ≤ 2r − 1, is the largest operator norm over the examples of
        the Jacobian of the output of layer `late` by the input of layer `early`.
    norms : tuple of float
        t_0 = max ‖x‖, then t_i = max ‖output of layer 2i‖ for i = 1 to r − 1.
    weights : tuple of str
        Name of the module of each W_i.
    positions : tuple of int
        At how many places of its output the kernel of each W_i is applied, 1 for a linear layer.
    bend : float
        The largest Lipschitz constant of the derivative of an activation, not counting kinks.
    """

    sigma: Mapping[tuple[int, int], float]
    norms: tuple[float, ...]
    weights: tuple[str, ...]
    positions: tuple[int, ...]
    bend: float


@genbench.probe(cost="E", version=2)
def layer_chain(
    inputs, device, generator, model=_MODEL, *, kinks: Kinks = "refuse", examples: Count = 50
) -> LayerChain:
    """The network as a chain, with the largest Jacobians between its layers at training examples.

    Parameters
    ----------
    kinks : {"refuse", "surrogate"}
        What to do with ReLUs, to which the theorem does not apply.
    examples : int
        At most this many training examples, evenly spaced over the training split. The cost is that of some
        tens of backward passes over them for each of r(2r − 1) pairs of layers.

    Raises
    ------
    NotApplicable
        The network is no chain of linear layers with at most one activation between two of them; or an
        activation has a slope above 1, or no Lipschitz derivative.
    """
    require_differentiable(inputs)
    require_gentle_slopes(model)
    picked = evenly_spaced(inputs, examples)
    network = copy_of(model)
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]
    sigma: dict[tuple[int, int], float] = {}
    norms: list[float] = []
    for part in chunks(picked, device, copies=20):
        point = picked[part].to(device, torch.float64, copy=True).requires_grad_()
        links = _links(network, point)
        kinked = [type(each).__name__ for each in links.activations if isinstance(each, _KINKED)]
        if kinked and kinks == "refuse":
            raise genbench.NotApplicable(
                f"the theorem asks for an activation with a Lipschitz derivative, {kinked[0]} has none"
            )
        values = [point, *links.outputs]
        # An example is one of the largest over all chunks, or it does not matter.
        here = {
            (late, early): _largest(values, late, early, generator)
            for late in range(1, len(values))
            for early in range(1, late + 1)
        }
        sigma = {pair: max(value, sigma.get(pair, 0.0)) for pair, value in here.items()}
        lengths = [float(torch.linalg.vector_norm(each.flatten(1), dim=1).max()) for each in values[:-1:2]]
        norms = [max(pair) for pair in zip(lengths, norms or lengths, strict=True)]
    names = {id(module): name for name, module in network.named_modules()}
    return LayerChain(
        sigma=sigma,
        norms=tuple(norms),
        weights=tuple(names[id(module)] for module in links.weighted),
        positions=tuple(links.positions),
        bend=max((_bend(module) for module in links.activations), default=0.0),
    )


def require_gentle_slopes(model: nn.Module) -> None:
    """Raise NotApplicable where a leaky ReLU has a slope above 1: theorems ask for 1-Lipschitz functions."""
    for module in model.modules():
        slope = _slope_below_zero(module)
        if slope > 1:
            name = type(module).__name__
            raise genbench.NotApplicable(f"an activation '{name}' has a slope of {slope:g}, above 1")


def _slope_below_zero(module: nn.Module) -> float:
    """In absolute value, of activations that leak; else 0."""
    if isinstance(module, nn.LeakyReLU):
        return abs(module.negative_slope)
    if isinstance(module, nn.RReLU):
        return abs(module.lower + module.upper) / 2
    return float(module.weight.abs().max()) if isinstance(module, nn.PReLU) else 0.0


@dataclass
class _Links:
    """What one pass finds: the outputs of layers 1 to 2r − 1, and their modules."""

    outputs: list[Tensor]
    weighted: list[nn.Module]
    positions: list[int]
    activations: list[nn.Module]


def _largest(values: list[Tensor], late: int, early: int, generator: torch.Generator) -> float:
    """Norm of the Jacobian of layers `early` to `late`, the largest of the batch."""
    image, point = values[late], values[early - 1]
    if late == early and late % 2 == 0 and image is not point:
        # An activation acts on each number by itself: its Jacobian is a diagonal of slopes.
        with torch.enable_grad():
            (slopes,) = torch.autograd.grad(image.sum(), point, retain_graph=True)
        return float(slopes.abs().max())
    return float(jacobian_norms(image, point, generator, only_largest=True).max())


def _links(network: nn.Module, point: Tensor) -> _Links:
    calls: list[tuple[nn.Module, tuple[Tensor, int], tuple[Tensor, int]]] = []
    leaves = {each: each for each in network.modules() if next(each.children(), None) is None}

    def note(module: nn.Module, given: tuple[Tensor, ...], value: Tensor) -> None:
        calls.append((module, _as_it_is(given[0]), _as_it_is(value)))

    with torch.enable_grad(), watched(leaves, after=note):
        outputs = network(point)
    found = _Links([], [], [], [])
    current = _as_it_is(point)
    for module, given, value in calls:
        if not _same(given, current) or not isinstance(value[0], Tensor):
            raise genbench.NotApplicable(f"the network is no chain of layers: see '{type(module).__name__}'")
        _append(found, module, value[0])
        current = value
    if not _same(_as_it_is(outputs), current):
        what = "the network is no chain of layers: something follows the last one"
        raise genbench.NotApplicable(ONE_LOGIT if has_one_logit(network) else what)
    if len(found.weighted) != len(found.activations) + 1 or not found.weighted:
        raise genbench.NotApplicable("the network does not end with a linear layer")
    found.outputs[-1] = outputs
    return found


def _as_it_is(value: Any) -> tuple[Any, int]:
    """A tensor and how often it was written to: a function between two modules may work in place."""
    return value, value._version if isinstance(value, Tensor) else 0


def _same(one: tuple[Any, int], other: tuple[Any, int]) -> bool:
    return one[0] is other[0] and one[1] == other[1]


def _append(found: _Links, module: nn.Module, value: Tensor) -> None:
    behind_weights = len(found.outputs) % 2 == 1
    if isinstance(module, nn.Linear | Convolution) and not isinstance(module, TransposedConvolution):
        if any(module is each for each in found.weighted):
            raise genbench.NotApplicable("a layer of the network is used twice")
        if behind_weights:  # nothing between two multiplications: the activation is the identity
            found.outputs.append(found.outputs[-1])
            found.activations.append(nn.Identity())
        found.outputs.append(value)
        found.weighted.append(module)
        found.positions.append(value[0].numel() // module.weight.shape[0])
    elif isinstance(module, _LINEAR) or is_batch_norm(module):
        if behind_weights:
            found.outputs[-1] = value  # belongs to the multiplication before it
    elif isinstance(module, tuple(_BEND) + _KINKED + (nn.Softplus,)):
        if not behind_weights:
            raise genbench.NotApplicable("the network has an activation that follows no linear layer")
        found.outputs.append(value)
        found.activations.append(module)
    else:
        name = type(module).__name__
        raise genbench.NotApplicable(
            f"a layer '{name}' is neither linear nor an activation of slope 1 at most"
        )


def _bend(module: Any) -> float:
    if isinstance(module, nn.Softplus):
        return module.beta / 4
    if isinstance(module, nn.ELU) and module.alpha != 1:
        raise genbench.NotApplicable("an ELU has a derivative everywhere for alpha = 1 only")
    return next((bend for kind, bend in _BEND.items() if isinstance(module, kind)), 0.0)
