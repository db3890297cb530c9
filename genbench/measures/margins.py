"""Margins of the training examples: the further the outputs are from changing their minds, the better.

The margin of an example is f_y − max_{j≠y} f_j; a quantile q is the ⌊q m⌋-th smallest of m margins. Larger
margins are said to lower the gap.
"""

from __future__ import annotations

from torch import Tensor

import genbench
from genbench.base.constraints import Fraction
from genbench.measures.conventions import LOG_RHO, MARGIN, SPECTRAL, per_example, require_no_zero_layer
from genbench.probes.margins import low_quantile, median

__all__ = [
    "exponential_margin",
    "inverse_margin",
    "margin_mean",
    "margin_median",
    "margin_min",
    "margin_p10",
    "margin_surrogate_bound",
    "normalized_margin",
    "spectrally_normalized_margin",
]


@genbench.measure(family="margin", direction="+", source="Jiang et al. 2020, eq. 22", formula="1 / γ²")
def inverse_margin(sample_size, margin=MARGIN, *, by_size: bool = False) -> Tensor:
    """One over the square of a low quantile of the training margins."""
    return per_example(margin.square().reciprocal(), sample_size, by_size)


@genbench.measure(
    family="margin", direction="-", source="Zhang et al. 2017 (Theory of deep learning III), section 5.3",
    formula="γ, the tenth percentile of f_y − max_{j≠y} f_j",
)  # fmt: skip
def margin_p10(margins) -> Tensor:
    """Tenth percentile of the training margins, with its sign."""
    return low_quantile(margins, 0.1)


@genbench.measure(
    family="margin", direction="-", source="Zhang et al. 2017 (Theory of deep learning III), figure 17",
    formula="median_i (f_y − max_{j≠y} f_j)",
)  # fmt: skip
def margin_median(margins) -> Tensor:
    """Median of the training margins, with its sign."""
    return median(margins)


@genbench.measure(
    family="margin", direction="-", source="Zhang et al. 2017 (Theory of deep learning III), figure 17",
    formula="mean_i (f_y − max_{j≠y} f_j)",
)  # fmt: skip
def margin_mean(margins) -> Tensor:
    """Mean of the training margins, with their signs."""
    return margins.mean()


@genbench.measure(
    family="margin", direction="-", source="Zhang et al. 2017 (Theory of deep learning III), section 5.3",
    formula="min_i (f_y − max_{j≠y} f_j)",
)  # fmt: skip
def margin_min(margins) -> Tensor:
    """Smallest training margin, negative where an example is misclassified."""
    return margins.min()


@genbench.measure(
    family="margin", direction="+", source="after Jiang et al. 2020, eq. 22", formula="exp(−(γ + shift))"
)
def exponential_margin(margins, *, quantile: Fraction = 0.1, shift: float = 0.0) -> Tensor:
    """Exponential of minus a low quantile of the margins, which may be negative.

    Unlike `inverse_margin` it falls with the margin on both sides of zero.

    Parameters
    ----------
    shift : float
        Added to γ; 2.2, the size of nearly every negative margin of networks on CIFAR-10 (a published program
        divides by e^2.2), brings values to at most about 1. The order of networks stays.
    """
    return (-low_quantile(margins, quantile) - shift).exp()


@genbench.measure(
    family="margin", direction="-", source="Liao et al. 2020 (Generalization puzzles), eq. 1",
    formula="γ / ρ, ρ = Π_l ‖W_l‖",
)  # fmt: skip
def normalized_margin(margins, log_rho=LOG_RHO, *, quantile: Fraction = 0.1) -> Tensor:
    """A low quantile of the margins of the network whose layers are all scaled to norm 1."""
    return low_quantile(margins, quantile) * (-log_rho).exp()


@genbench.measure(
    family="margin", direction="-", source="Bartlett, Foster & Telgarsky 2017", formula="γ / Π_l σ_l"
)
def spectrally_normalized_margin(margins, spectral=SPECTRAL, *, quantile: Fraction = 0.1) -> Tensor:
    """A low quantile of the margins over the product of the layers' spectral norms."""
    require_no_zero_layer(spectral)
    return low_quantile(margins, quantile) * (-spectral.log().sum()).exp()


@genbench.measure(
    family="margin", direction="+", source="Liao et al. 2020 (Generalization puzzles), eq. 13",
    formula="ρ / min_i γ_i",
)  # fmt: skip
def margin_surrogate_bound(margins, log_rho=LOG_RHO) -> Tensor:
    """One over the smallest normalized margin; infinite where a training example is misclassified."""
    return log_rho.exp() / margins.min().clamp_min(0)
