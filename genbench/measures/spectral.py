"""Spectral norms: products of largest singular values bound how much a network can stretch its input.

σ_l is the spectral norm of layer l, batch norm folded in; d the number of layers, γ a low quantile of the
training margins, m the number of training examples.
"""

from __future__ import annotations

import math

from torch import Tensor

import genbench
from genbench.measures.conventions import (
    FROBENIUS,
    FROBENIUS_DISTANCES,
    MARGIN,
    SPECTRAL,
    log_over_margin,
    per_example,
    per_example_log,
    require_no_zero_layer,
)

__all__ = [
    "fro_over_spec",
    "lipschitz_upper",
    "log_prod_of_spec",
    "log_prod_of_spec_over_margin",
    "log_spec_init_main",
    "log_spec_orig_main",
    "log_spectral_mean",
    "log_sum_of_spec",
    "log_sum_of_spec_over_margin",
]


@genbench.measure(family="spectral", direction="+", source="Jiang et al. 2020, eq. 32", formula="Σ_l ln σ_l²")
def log_prod_of_spec(sample_size, spectral=SPECTRAL, *, by_size: bool = False) -> Tensor:
    """Logarithm of the product of the squared spectral norms."""
    return per_example_log(2 * spectral.log().sum(), sample_size, by_size)


@genbench.measure(
    family="spectral", direction="+", source="Jiang et al. 2020, eq. 31", formula="Σ_l ln σ_l² − 2 ln γ"
)
def log_prod_of_spec_over_margin(
    sample_size, spectral=SPECTRAL, margin=MARGIN, *, by_size: bool = False
) -> Tensor:
    """Logarithm of the product of the squared spectral norms over the squared margin."""
    return per_example_log(log_over_margin(spectral, margin), sample_size, by_size)


@genbench.measure(
    family="spectral", direction="+", source="Jiang et al. 2020, eq. 35", formula="ln d + (1/d) Σ_l ln σ_l²"
)
def log_sum_of_spec(sample_size, spectral=SPECTRAL, *, by_size: bool = False) -> Tensor:
    """Logarithm of d times the geometric mean of the squared spectral norms, a lower bound of their sum."""
    return per_example_log(math.log(len(spectral)) + 2 * spectral.log().mean(), sample_size, by_size)


@genbench.measure(
    family="spectral", direction="+", source="Jiang et al. 2020, eq. 34",
    formula="ln d + (1/d)(Σ_l ln σ_l² − 2 ln γ)",
)  # fmt: skip
def log_sum_of_spec_over_margin(
    sample_size, spectral=SPECTRAL, margin=MARGIN, *, by_size: bool = False
) -> Tensor:
    """`log_sum_of_spec` with the squared margin in the product."""
    depth = len(spectral)
    value = math.log(depth) + log_over_margin(spectral, margin) / depth
    return per_example_log(value, sample_size, by_size)


@genbench.measure(
    family="spectral", direction="+", source="Jiang et al. 2020, eq. 33", formula="Σ_l ‖W_l‖_F² / σ_l²"
)
def fro_over_spec(sample_size, frobenius=FROBENIUS, spectral=SPECTRAL, *, by_size: bool = False) -> Tensor:
    """Sum over layers of the squared Frobenius norm of the weight over the squared spectral norm.

    That is the sum of stable ranks for linear layers, and for convolutions with ``kernel=reshaped``. With
    ``kernel=operator`` σ_l is that of the convolution as a linear map while ‖W_l‖_F stays that of the kernel,
    whose entries the map repeats at every position: the ratio is the stable rank of neither and mostly
    smaller.

    Raises
    ------
    NotApplicable
        A layer is zero.
    """
    return per_example(_ranks(frobenius, spectral), sample_size, by_size)


@genbench.measure(
    family="spectral", direction="+", source="Jiang et al. 2020, eq. 30",
    formula="Σ_l ln σ_l² − 2 ln γ + ln Σ_l ‖W_l‖_F² / σ_l²",
)  # fmt: skip
def log_spec_orig_main(
    sample_size, frobenius=FROBENIUS, spectral=SPECTRAL, margin=MARGIN, *, by_size: bool = False
) -> Tensor:
    """Main term of the spectrally normalized margin bound, norms taken from the origin.

    ‖W_l‖_F is that of the kernel, also where ``kernel=operator`` takes σ_l of the convolution as a linear
    map, see `fro_over_spec`.

    Raises
    ------
    NotApplicable
        A layer is zero.
    """
    ranks = _ranks(frobenius, spectral)
    return per_example_log(log_over_margin(spectral, margin) + ranks.log(), sample_size, by_size)


@genbench.measure(
    family="spectral", direction="+", source="Jiang et al. 2020, eq. 29",
    formula="Σ_l ln σ_l² − 2 ln γ + ln Σ_l ‖W_l − W_l⁰‖_F² / σ_l²",
)  # fmt: skip
def log_spec_init_main(
    sample_size, distances=FROBENIUS_DISTANCES, spectral=SPECTRAL, margin=MARGIN, *, by_size: bool = False
) -> Tensor:
    """Main term of the spectrally normalized margin bound, distances taken from initialization.

    ‖W_l − W_l⁰‖_F is that of the kernels, also where ``kernel=operator`` takes σ_l of the convolution as a
    linear map, see `fro_over_spec`.

    Raises
    ------
    NotApplicable
        A layer is zero.
    """
    ranks = _ranks(distances, spectral)
    return per_example_log(log_over_margin(spectral, margin) + ranks.log(), sample_size, by_size)


@genbench.measure(
    family="spectral", direction="+", source="Martin, Peng & Mahoney 2021 (log spectral norm)",
    formula="mean_l log10 σ_l²",
)  # fmt: skip
def log_spectral_mean(spectral=SPECTRAL) -> Tensor:
    """Mean over the layers of the logarithm, base 10, of the squared spectral norm."""
    return 2 * spectral.log10().mean()


@genbench.measure(
    family="spectral", direction="+", source="Walker 2023, section 6.3 and eq. 3", formula="Π_l σ_l"
)
def lipschitz_upper(spectral=SPECTRAL) -> Tensor:
    """Product of the spectral norms, a bound of the Lipschitz constant; `lipschitz_lower` is one from below.

    It bounds a chain of layers with activations of slopes of at most 1; of other networks it is a number of
    the same kind. The logarithm of its square is `log_prod_of_spec`.
    """
    return spectral.log().sum().exp()


def _ranks(frobenius: Tensor, spectral: Tensor) -> Tensor:
    require_no_zero_layer(spectral)
    return (frobenius / spectral).square().sum()
