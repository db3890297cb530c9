"""Which of two minima the walkers of the model `walkers` are at: histograms of Zhang et al. as a number."""

from __future__ import annotations

from torch import Tensor

import genbench

__all__ = ["wide_well_share"]


@genbench.measure(
    family="sharpness", direction="-",
    source="Zhang et al. 2017 (Theory of deep learning III), section 5.2 and figures 7-10",
    formula="mean_j 1[dist(w_j, M_2) < dist(w_j, M_1)]",
)  # fmt: skip
def wide_well_share(model) -> Tensor:
    """Share of the walkers w_j that are closer to the wide, or degenerate, minimum than to the other one.

    Of the model `walkers` alone, or another one with a method ``at_the_second()`` that says so of each.
    """
    at_the_second = getattr(model, "at_the_second", None)
    if at_the_second is None:
        raise genbench.NotApplicable("needs the model 'walkers'")
    return at_the_second().double().mean()
