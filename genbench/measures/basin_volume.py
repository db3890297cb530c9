"""Volume of the basin around the trained weights: the more of the weight space it fills, the simpler."""

from __future__ import annotations

import math

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count

__all__ = ["local_volume"]

_OBJECTIVE = genbench.need(
    "objective", fold=genbench.setting("fold"), examples=genbench.setting("examples"), shared="biases"
)
_LOG_RADII = genbench.need(
    "basin_log_radii", shared=("increase", "pairs", "steps", "curved", "whole", "fold", "biases", "examples")
)


@genbench.measure(
    family="sharpness", direction="-",
    source="Huang et al. 2020; Mingard et al. 2021; Scherlis & Belrose 2025 (importance sampling)",
    formula="mean of groups' (1/ω) ln mean_δ r_δ^ω, r_δ = sup{r: |L(w) − L(w+rδ)| ≤ ε}, ‖δ‖ = 1", version=4,
)  # fmt: skip
def local_volume(objective=_OBJECTIVE, log_radii=_LOG_RADII, *, group: Count = 2) -> Tensor:
    """Logarithm, for each of ω weights, of the volume of the region seen from w over the unit ball's.

    A region that holds the way to each of its points has the volume ∫ r^ω / ω over all directions. Directions
    are drawn where the region is long, with weights that make up for it. What a group of them gives is less
    than the volume in the mean, and nearer to it the more they are (the bound of importance weighted
    autoencoders, Burda et al. 2016), but the more a matter of chance; groups are therefore small and their
    mean is returned. Of a quadratic with no more than `whole` weights, as a linear regression at its minimum
    is, it is the exact volume of an ellipsoid. It stands for the part of the region that random directions
    see: as a whole that of a softmax classifier has no end, for nothing changes where all logits grow alike.
    Rescaling of ReLU units changes it.

    Parameters
    ----------
    group : int
        Pairs of directions in a group; the last group may have fewer.
    """
    size = objective.weights.numel()
    bounds = [
        ((size * part.flatten()).logsumexp(0) - math.log(part.numel())) / size
        for part in log_radii.split(group)
    ]
    return torch.stack(bounds).mean()
