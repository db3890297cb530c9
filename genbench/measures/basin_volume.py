"""Volume of the basin around the trained weights: the more of the weight space it fills, the simpler."""

from __future__ import annotations

import math

from torch import Tensor

import genbench
from genbench.constraints import Count, Positive

__all__ = ["local_volume"]

_SAMPLE = {name: genbench.setting(name) for name in ("fold", "biases", "examples")}
_OBJECTIVE = genbench.need("objective", **_SAMPLE)
_RADII = genbench.need(
    "flatness_radii", increase=genbench.setting("increase"), draws=genbench.setting("draws"), **_SAMPLE
)


@genbench.measure(
    family="sharpness", direction="-", source="Huang et al. 2020 (basin volumes); Mingard et al. 2021",
    formula="(1/ω) ln mean_δ r_δ^ω, r_δ = sup{r: |L(w) − L(w + r δ)| ≤ ε}, ‖δ‖ = 1", version=2,
)  # fmt: skip
def local_volume(
    objective=_OBJECTIVE, radii=_RADII,
    *, increase: Positive = 0.05, draws: Count = 12, fold: bool = False, biases: bool = True,
    examples: Count = 1000,
) -> Tensor:  # fmt: skip
    """Logarithm, for each of ω weights, of the volume of the region seen from w over the unit ball's.

    A region that holds the way to each of its points has the volume ∫ r^ω / ω over all directions. Of so many
    weights a few directions show its order of size only: the longest radius decides, `flatness_radius` is the
    mean. Rescaling of ReLU units changes it. On small networks chance moves it by 0.15 of the spread across
    models, and with forty directions by 0.14: the longest of them is as much a matter of chance.

    Parameters
    ----------
    increase : float
        ε, the change of the loss at which the region ends.
    """
    size = objective.weights.numel()
    return ((size * radii.log()).logsumexp(0) - math.log(len(radii))) / size
