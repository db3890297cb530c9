"""Noise on the weights that is another for every example of a pass, at the price of two passes.

Noise Δ whose entries are independent and symmetric about zero is distributed as Δ ∘ r sᵀ with any signs r
and s. With signs of its own each example sees a network of its own, though one Δ is drawn for all: a layer
adds r_i ∘ Δ (s_i ∘ x_i) to what it makes of x_i (Wen, Vicol, Ba, Tran & Grosse 2018, "Flipout"). A mean over
examples is then one over as many nearly independent networks; without signs all gain or suffer together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.networks.objective import Objective
from genbench.networks.passes import chunks
from genbench.networks.watching import watched

__all__ = ["ExampleNoise", "OtherRows"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_SCALES = (*_BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)
_KNOWN = (nn.Linear, *_CONVOLUTIONS, *_SCALES)

# By how much outputs may miss those of the network with the weights written out, as a share of what the noise
# changes: a weight that is used in another way is off by parts of that.
_OFF = 0.01


class OtherRows(Exception):
    """A layer was called with something else than a row for each example, as experts are by their router."""


class ExampleNoise:
    """Losses of examples, each with the signs of its own on the noise.

    Parameters
    ----------
    objective : Objective
        Of the network and the weights that the noise is added to.
    """

    def __init__(self, objective: Objective):
        self._objective = objective
        self._layers: dict[str, Any] = {}
        for name in objective.names:
            owner = name.rpartition(".")[0]
            self._layers[owner] = objective.model.get_submodule(owner)

    def holds(self, noise: Tensor) -> bool:
        """Whether every weight that is moved is used by calling its layer with a row for each example.

        Tried on the first two examples: their outputs must be those of the two networks that they should see.

        Parameters
        ----------
        noise : Tensor, shape (parameters,)
        """
        of = self._objective
        known = all(type(layer) in _KNOWN for layer in self._layers.values())
        plain = {name.rpartition(".")[2] for name in of.names} <= {"weight", "bias"}
        if not (known and plain) or len(of.inputs) < 2:
            return False
        inputs = of.inputs[:2].to(of.device)
        pieces = of.pieces(of.weights)
        noises = dict(zip(of.names, of.pieces(noise), strict=True))
        signs = self.signs(2, torch.Generator().manual_seed(0))
        try:
            clean = of.called(pieces, inputs)
            with self._noisy(noises, signs):
                found = of.called(pieces, inputs)
        except Exception:  # whatever a layer makes of inputs in another form, it is not what is known
            return False
        for row in range(2):
            moved = [
                piece + self._seen(name, noises[name], signs, row)
                for name, piece in zip(of.names, pieces, strict=True)
            ]
            # As many examples as above, for a pass of one may take another way.
            expected = of.called(moved, inputs)[row]
            size = (expected - clean[row]).norm() + torch.finfo(expected.dtype).eps ** 0.5 * expected.norm()
            if not (found[row] - expected).norm() <= _OFF * size:
                return False
        return True

    def losses(self, noise: Tensor, some: slice, generator: torch.Generator, **settings: Any) -> Tensor:
        """Losses of some of the examples at weights plus noise, and at weights minus noise.

        Parameters
        ----------
        noise : Tensor, shape (parameters,)
        some : slice
            The examples.
        generator : Generator
            Of the signs; on the CPU.
        **settings
            As `Objective.losses` takes them.

        Returns
        -------
        Tensor, shape (2, n), double

        Raises
        ------
        OtherRows
            What held for two examples does not for these.
        """
        part = self._objective.of(some)
        noises = dict(zip(part.names, part.pieces(noise), strict=True))
        # Drawn for all at once: the value does not depend on how many fit into a pass.
        signs = self.signs(len(part.inputs), generator)
        found = []
        for rows in chunks(part.inputs, part.device, copies=2):
            own = {name: tuple(each[rows] for each in of_layer) for name, of_layer in signs.items()}
            turned = {name: (*entering, -leaving) for name, (*entering, leaving) in own.items()}
            sides: list[Tensor] = []
            for chosen in (own, turned):
                with self._noisy(noises, chosen):
                    sides += part.of(rows).losses(part.weights, **settings)
            found.append(torch.stack(sides))
        return torch.cat(found, 1)

    def signs(self, count: int, generator: torch.Generator) -> dict[str, tuple[Tensor, ...]]:
        """Of each layer the signs of what enters, where that matters, and of what leaves, by example."""

        def drawn(shape: Sequence[int]) -> Tensor:
            numbers = torch.randint(0, 2, (count, *shape), generator=generator, dtype=torch.int8)
            return (2 * numbers - 1).to(self._objective.device, self._objective.weights.dtype)

        signs: dict[str, tuple[Tensor, ...]] = {}
        for name, layer in self._layers.items():
            weight = layer.weight
            if isinstance(layer, nn.Linear):
                signs[name] = drawn(weight.shape[1:]), drawn(weight.shape[:1])
            elif isinstance(layer, _CONVOLUTIONS):
                signs[name] = drawn((layer.in_channels,)), drawn((layer.out_channels,))
            else:
                signs[name] = (drawn(layer.weight.shape),)
        return signs

    def _noisy(self, noises: Mapping[str, Tensor], signs: Mapping[str, tuple[Tensor, ...]]) -> Any:
        """The layers add their noise to what leaves them for as long as a block runs."""

        def add(name: str, given: tuple[Any, ...], output: Tensor) -> Tensor:
            if len(given[0]) != len(signs[name][0]):
                raise OtherRows
            prefix = f"{name}." if name else ""
            weight, bias = noises.get(f"{prefix}weight"), noises.get(f"{prefix}bias")
            return output + _added(self._layers[name], given[0], weight, bias, signs[name])

        return watched(self._layers, after=add)

    def _seen(self, name: str, noise: Tensor, signs: Mapping[str, tuple[Tensor, ...]], row: int) -> Tensor:
        """The noise on one parameter that one of the examples sees."""
        owner, _, kind = name.rpartition(".")
        sides = signs[owner]
        leaving = sides[-1][row]
        if len(sides) == 1 or kind == "bias":
            return noise * leaving
        entering = sides[0][row]
        groups = getattr(self._layers[owner], "groups", 1)
        rows = (
            entering.reshape(groups, 1, -1).expand(-1, len(leaving) // groups, -1).reshape(len(leaving), -1)
        )
        return noise * (leaving.unsqueeze(1) * rows).reshape(*noise.shape[:2], *[1] * (noise.ndim - 2))


def _added(
    layer: Any, entered: Tensor, weight: Tensor | None, bias: Tensor | None, signs: tuple[Tensor, ...]
) -> Tensor:
    """r ∘ (Δ (s ∘ x) + δ), what noise Δ and δ on the weight and the bias adds for each example."""
    if isinstance(layer, _SCALES):
        return _scaled(layer, entered, weight, bias) * _beside(signs[0], entered, layer)
    weight = torch.zeros_like(layer.weight) if weight is None else weight
    flipped = entered * _beside(signs[0], entered, layer)
    if isinstance(layer, nn.Linear):
        added = F.linear(flipped, weight, bias)
    else:
        added = layer._conv_forward(flipped, weight, bias)
    return added * _beside(signs[1], added, layer)


def _scaled(layer: Any, entered: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """A normalization with the noise in the place of its scale and shift."""
    weight = torch.zeros_like(layer.weight) if weight is None else weight
    if isinstance(layer, nn.LayerNorm):
        return F.layer_norm(entered, layer.normalized_shape, weight, bias, layer.eps)
    if isinstance(layer, nn.GroupNorm):
        return F.group_norm(entered, layer.num_groups, weight, bias, layer.eps)
    return F.batch_norm(entered, layer.running_mean, layer.running_var, weight, bias, eps=layer.eps)


def _beside(signs: Tensor, values: Tensor, layer: Any) -> Tensor:
    """The signs in a shape that meets the values': along the last dimensions, or along the channels."""
    last = isinstance(layer, nn.Linear | nn.LayerNorm)
    missing = [1] * (values.ndim - signs.ndim)
    return signs.reshape(
        len(signs), *(missing + list(signs.shape[1:]) if last else list(signs.shape[1:]) + missing)
    )
