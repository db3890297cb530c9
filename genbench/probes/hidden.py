"""Hidden layers: which they are, and what stands in them.

A hidden layer is the output of a block, as the network names its blocks (`genbench.networks.roles`); in a
network that has no blocks, what enters each weight layer behind the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

import genbench
from genbench.base import moved
from genbench.base.constraints import Count
from genbench.networks.hidden import LayerChoice, captured, chosen_place
from genbench.networks.passes import chunks, evenly_spaced, forward

__all__ = ["Representation", "representation"]

moved.signpost(__name__)


@dataclass(frozen=True)
class Representation:
    """What stands in one hidden layer for s training examples.

    Attributes
    ----------
    features : Tensor, shape (s, d), double
    targets : Tensor, shape (s,) or (s, outputs)
    rounding : float
        What may be rounding of a feature: this share of the root mean square of ‖h‖, a hundred times the
        precision in which the network computes.
    """

    features: Tensor
    targets: Tensor
    rounding: float

    @property
    def noise(self) -> Tensor:
        """What may be rounding of h, shape (): `rounding` times the root of the mean of ‖h‖²."""
        return self.rounding * self.features.square().sum(1).mean().sqrt()

    def require_variation(self) -> None:
        """Raise NotApplicable where h is the same for all examples, up to rounding."""
        spread = (self.features - self.features.mean(0)).square().sum(1).mean().sqrt()
        if spread <= self.noise:
            raise genbench.NotApplicable("the layer does not vary over the training examples")


@genbench.probe(cost="B", version=3)
def representation(
    model, inputs, targets, device,
    *, layer: LayerChoice = "penultimate", pool: Count = 4, examples: Count = 500,
) -> Representation:  # fmt: skip
    """What stands in one hidden layer, flattened, for training examples.

    Parameters
    ----------
    layer : {"first", "middle", "last", "penultimate"}
        Which one; ``penultimate`` is what enters the classifier.
    pool : int
        Feature maps are reduced to the maxima of windows of this size (or of the whole map, where it is
        smaller), as the winners of PGDL do; 1 leaves them as they are.
    examples : int
        At most this many training examples, evenly spaced over the training split.
    """
    picked = evenly_spaced(inputs, examples)
    place = chosen_place(model, layer, picked)
    features = []
    for part in chunks(picked, device):
        with captured(model, [place]) as hidden:
            forward(model, picked[part])
        (values,) = hidden
        if values.ndim == 4 and pool > 1:
            values = F.max_pool2d(values, [min(pool, size) for size in values.shape[2:]])
        features.append(values.flatten(1))
    found = torch.cat(features)
    rounding = 100 * torch.finfo(torch.promote_types(found.dtype, torch.float32)).eps
    return Representation(found.double(), evenly_spaced(targets, examples).to(device), rounding)
