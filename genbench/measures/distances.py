"""Distances from the initial weights: how far training had to go, said to raise the gap.

With batch norm folded, trained weights are rescaled by their running variance and the initial ones are not
(it is 1 there), so that the distance is dominated by that scale; ``fold=false`` compares raw weights.
"""

from __future__ import annotations

from torch import Tensor

import genbench
from genbench.measures.conventions import FROBENIUS_DISTANCES, per_example
from genbench.probes.spectra import Kernel

__all__ = ["dist_spec_init", "fro_dist", "l2_dist"]

_SPECTRAL_DISTANCES = genbench.need(
    "spectral_distances", fold=genbench.setting("fold"), kernel=genbench.setting("kernel")
)


@genbench.measure(
    family="distance", direction="+", source="Jiang et al. 2020, eq. 40", formula="Σ_l ‖W_l − W_l⁰‖_F²"
)
def fro_dist(
    sample_size, distances=FROBENIUS_DISTANCES, *, fold: bool = True, by_size: bool = False
) -> Tensor:
    """Squared Frobenius distances of all layers from initialization, summed."""
    return per_example(distances.square().sum(), sample_size, by_size)


@genbench.measure(
    family="distance", direction="+", source="Dziugaite et al. 2020, appendix C", formula="‖w − w⁰‖₂"
)
def l2_dist(
    sample_size, distances=FROBENIUS_DISTANCES, *, fold: bool = True, by_size: bool = False
) -> Tensor:
    """Euclidean distance of all weights from initialization."""
    return per_example(distances.square().sum().sqrt(), sample_size, by_size)


@genbench.measure(
    family="distance", direction="+", source="Jiang et al. 2020, eq. 41", formula="Σ_l ‖W_l − W_l⁰‖₂²"
)
def dist_spec_init(
    sample_size, distances=_SPECTRAL_DISTANCES,
    *, fold: bool = True, kernel: Kernel = "operator", by_size: bool = False,
) -> Tensor:  # fmt: skip
    """Squared spectral norms of the changes of all layers, summed."""
    return per_example(distances.square().sum(), sample_size, by_size)
