"""The weight layers of a network: their matrices, and what is needed to apply them as operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from genbench.base.errors import NotApplicable
from genbench.networks.kinds import Convolution, TransposedConvolution, is_batch_norm
from genbench.networks.watching import called

__all__ = ["Layer", "last_layer", "matched", "weight_layers"]

_PLAIN = (nn.Linear, Convolution)

# Of attention with keys or values of other sizes; their biases are one tensor.
_SEPARATE = ("q_proj_weight", "k_proj_weight", "v_proj_weight")


@dataclass(frozen=True)
class Layer:
    """A weight of the network, double precision.

    Attributes
    ----------
    name : str
        The parameter's name within the network.
    weight : Tensor
        Of a linear layer (out, in), of a convolution (out, in / groups, *kernel).
    bias : Tensor or None
        What is added to the outputs of this weight, shape (out,).
    convolution : callable or None
        Of a convolution: from an input (batch, in, *size) and a weight to the output, stride, padding,
        dilation and groups as in the network, without bias.
    module : str
        Name of the module that has the weight.
    """

    name: str
    weight: Tensor
    bias: Tensor | None
    convolution: Callable[[Tensor, Tensor], Tensor] | None
    module: str

    @property
    def matrix(self) -> Tensor:
        """The weight with one row for each output unit, shape (out, in · kernel)."""
        return self.weight.flatten(1)


def matched(current: tuple[Layer, ...], initial: tuple[Layer, ...]) -> list[tuple[Layer, Layer]]:
    """Pairs of the trained and the initial layer of one name.

    Raises
    ------
    NotApplicable
        The two networks do not have the same layers.
    """
    shapes = [{layer.name: tuple(layer.weight.shape) for layer in each} for each in (current, initial)]
    if shapes[0] != shapes[1]:
        raise NotApplicable("the initial network has other layers than the trained one")
    by_name = {layer.name: layer for layer in initial}
    return [(layer, by_name[layer.name]) for layer in current]


def last_layer(model: nn.Module, layers: Sequence[Layer], examples: Tensor) -> Layer:
    """The layer whose module a pass of the examples calls last; the last one where no call can be seen."""
    by_module = {layer.module: layer for layer in layers}
    seen = [name for name in called(model, examples) if name in by_module]
    return by_module[seen[-1]] if seen else layers[-1]


def weight_layers(model: nn.Module) -> tuple[Layer, ...]:
    """The weight layers of a network as it stands, in its own precision; their weights are the parameters.

    Raises
    ------
    NotApplicable
        The network has none; or it has transposed convolutions, whose weights are not stored with a row for
        each output unit.
    """
    found: dict[int, Layer] = {}  # by identity: tied weights are one weight
    for name, module in model.named_modules():
        if is_batch_norm(module):
            continue
        if isinstance(module, TransposedConvolution):
            raise NotApplicable(
                f"'{name}' is a transposed convolution, whose weight has no row for each output unit"
            )
        for parameter, weight in _weights(module):
            bias = _bias(module, parameter)
            full_name = f"{name}.{parameter}" if name else parameter
            found.setdefault(id(weight), Layer(full_name, weight, bias, _operator(module), name))
    if not found:
        raise NotApplicable("the network has no weight layers")
    return tuple(found.values())


def _weights(module: nn.Module) -> list[tuple[str, Tensor]]:
    """A module's own weights, if they have elements: biases, class tokens and the like, scales are none."""
    if isinstance(module, _PLAIN):
        return [("weight", module.weight)] if module.weight.numel() else []
    own = module.named_parameters(recurse=False)
    return [(name, tensor) for name, tensor in own if "weight" in name and tensor.ndim > 1 and tensor.numel()]


def _bias(module: nn.Module, weight: str) -> Tensor | None:
    """The bias of the weight of that name: ``bias_hh_l0`` of ``weight_hh_l0`` in a recurrent layer."""
    if isinstance(module, nn.MultiheadAttention) and weight in _SEPARATE:
        joint = module.in_proj_bias
        return None if joint is None else joint.chunk(len(_SEPARATE))[_SEPARATE.index(weight)]
    bias = getattr(module, weight.replace("weight", "bias"), None)
    return bias if isinstance(bias, Tensor) else None


def _operator(module: nn.Module) -> Callable[[Tensor, Tensor], Tensor] | None:
    if not isinstance(module, Convolution):
        return None
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[len(module.kernel_size)]

    def apply(inputs: Tensor, weight: Tensor) -> Tensor:
        padding: Any = module.padding
        if module.padding_mode != "zeros":
            inputs = F.pad(inputs, module._reversed_padding_repeated_twice, mode=module.padding_mode)
            padding = 0
        return convolve(inputs, weight, None, module.stride, padding, module.dilation, module.groups)

    return apply
