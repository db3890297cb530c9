"""Distances from the initial weights: how far training had to go, said to raise the gap.

With batch norm folded, trained weights are rescaled by their running variance and the initial ones are not
(it is 1 there), so that the distance is dominated by that scale; ``fold=false`` compares raw weights. Biases
of the weight layers count where `biases` says so.
"""

from __future__ import annotations

from torch import Tensor

import genbench
from genbench.measures.conventions import LAYERS, per_example
from genbench.measures.norms import Aggregate, over_layers, unit_norms
from genbench.networks.layers import matched

__all__ = ["dist_l11_init", "dist_l21_init", "dist_spec_init", "fro_dist", "l2_dist"]

_DISTANCES = genbench.need("frobenius_distances", shared=("fold", "biases"))
_INITIAL = genbench.need("initial_layers", shared="fold")
_SPECTRAL_DISTANCES = genbench.need("spectral_distances", shared=("fold", "kernel"))


@genbench.measure(
    family="distance", direction="+", source="Jiang et al. 2020, eq. 40", formula="Σ_l ‖W_l − W_l⁰‖_F²"
)
def fro_dist(sample_size, distances=_DISTANCES, *, by_size: bool = False) -> Tensor:
    """Squared Frobenius distances of all layers from initialization, summed."""
    return per_example(distances.square().sum(), sample_size, by_size)


@genbench.measure(
    family="distance", direction="+", source="Dziugaite et al. 2020, appendix C", formula="‖w − w⁰‖₂"
)
def l2_dist(sample_size, distances=_DISTANCES, *, by_size: bool = False) -> Tensor:
    """Euclidean distance of all weights from initialization."""
    return per_example(distances.square().sum().sqrt(), sample_size, by_size)


@genbench.measure(
    family="distance", direction="+", source="Jiang et al. 2020, eq. 41", formula="Σ_l ‖W_l − W_l⁰‖₂²"
)
def dist_spec_init(sample_size, distances=_SPECTRAL_DISTANCES, *, by_size: bool = False) -> Tensor:
    """Squared spectral norms of the changes of all layers, summed."""
    return per_example(distances.square().sum(), sample_size, by_size)


@genbench.measure(
    family="distance", direction="+", source="Wei & Ma 2019 (data-dependent sample complexity), Theorem 5.1",
    formula="Σ_l ‖W_lᵀ − W_l⁰ᵀ‖_{2,1}",
)  # fmt: skip
def dist_l21_init(layers=LAYERS, initial=_INITIAL, *, aggregate: Aggregate = "sum") -> Tensor:
    """`norm_l21` with the initial weights as reference matrices: small where few units went far."""
    pairs = matched(layers, initial)
    return over_layers([unit_norms(now.matrix - then.matrix).sum() for now, then in pairs], aggregate)


@genbench.measure(
    family="distance", direction="+", source="Wei & Ma 2019 (data-dependent sample complexity), Theorem 5.1",
    formula="Σ_l ‖W_l − W_l⁰‖_{1,1}",
)  # fmt: skip
def dist_l11_init(layers=LAYERS, initial=_INITIAL, *, aggregate: Aggregate = "sum") -> Tensor:
    """`norm_l11` with the initial weights as reference matrices: small where few weights went far."""
    pairs = matched(layers, initial)
    return over_layers([(now.weight - then.weight).abs().sum() for now, then in pairs], aggregate)
