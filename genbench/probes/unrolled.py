"""A recurrent network unrolled over time: sizes of its hidden states, and the Jacobians between them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count
from genbench.models.rnn import RecurrentLayer
from genbench.networks.passes import chunks, evenly_spaced, forward
from genbench.networks.watching import watched
from genbench.probes.hidden_jacobians import jacobian_norms

__all__ = ["Unrolled", "unrolled"]

_MODEL = genbench.need("folded_model", fold=True)


@dataclass(frozen=True)
class Unrolled:
    """A recurrent network at training examples.

    Attributes
    ----------
    sigma : float
        The largest operator norm of ∂h_{t'}/∂h_t, t < t', of one layer, and of ∂f/∂h_t.
    largest : float
        The largest norm of a hidden state, or of the input of one step.
    recurrent : tuple of pair of Tensor and int
        Of each recurrent layer the matrix [W U] by which input and hidden state are multiplied, and the
        number of steps.
    last : Tensor
        The matrix of the classifier.
    """

    sigma: float
    largest: float
    recurrent: tuple[tuple[Tensor, int], ...]
    last: Tensor


@genbench.probe(cost="E", version=2)
def unrolled(inputs, device, generator, model=_MODEL, *, places: Count = 3, examples: Count = 50) -> Unrolled:
    """The network over time, with the largest Jacobians between its hidden states.

    Those of an LSTM are by its hidden states with the memory held.

    Parameters
    ----------
    places : int
        Of more steps than these, so many, evenly spaced, the first and the last among them; the cost is that
        of some tens of backward passes for each pair, of as many at most as a hidden state has numbers.
    examples : int
        At most this many training examples, evenly spaced.

    Raises
    ------
    NotApplicable
        The network is not made of recurrent layers and one linear layer.
    """
    layers = [module for module in model.modules() if isinstance(module, RecurrentLayer)]
    if not layers:
        raise genbench.NotApplicable("the network has no recurrent layer")
    inside = {id(each) for layer in layers for each in layer.modules()}
    others = [each for each in model.modules() if isinstance(each, nn.Linear) and id(each) not in inside]
    if len(others) != 1:
        raise genbench.NotApplicable("the network is more than recurrent layers and one linear layer")
    picked = evenly_spaced(inputs, examples)
    sigma = largest = 0.0
    for part in chunks(picked, device, copies=20):
        with torch.enable_grad(), _states(layers) as (sequences, states):
            outputs = forward(model, picked[part].to(device, torch.float64, copy=True).requires_grad_())
        sizes = [*sequences, *(state for each in states for state in each)]
        largest = max(largest, *(float(torch.linalg.vector_norm(each, dim=-1).max()) for each in sizes))
        for each in states:
            chosen = [each[place] for place in evenly_spaced(torch.arange(len(each)), places).tolist()]
            for late, image in enumerate([*chosen, outputs]):
                for point in chosen[:late]:
                    norms = jacobian_norms(image, point, generator, only_largest=True)
                    sigma = max(sigma, float(norms.max()))
    recurrent = tuple(
        (torch.cat([layer.input.weight, layer.recurrent.weight], 1), layer.steps) for layer in layers
    )
    return Unrolled(sigma, largest, recurrent, others[0].weight)


@contextmanager
def _states(layers: list[RecurrentLayer]) -> Any:
    """Lists that a forward pass fills: what enters each layer, (n, steps, features), and its hidden states.

    A hidden state is read where the next step takes it, and the last one, which no step takes, from the
    layer's outputs; the first step takes zeros, which are none.
    """
    sequences: list[Tensor] = []
    states: list[list[Tensor]] = [[] for _ in layers]
    cells = {place: layer.cell for place, layer in enumerate(layers)}
    with (
        watched(dict(enumerate(layers)), before=lambda _, given: sequences.append(given[0])),
        watched(cells, after=lambda place, _, value: states[place].append(value[0])),
    ):
        yield sequences, states
