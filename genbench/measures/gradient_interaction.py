"""How the gradients g_i of the training examples' losses agree: coherence, confusion, noise.

An update that helps one example helps the others as far as their gradients point the same way, and what is
learned from many examples at once is said to generalize; pair by pair that is `stiffness`. Gradients are by
all parameters that are trained, biases and normalizations included, in evaluation mode. Measures of pairs
share the inner products of `examples` training examples, the others one backward pass; where fewer examples
are taken than there are, a measure is that of the sample.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.probes.gradients import GradientMoments
from genbench.probes.stiffness import all_pairs

__all__ = [
    "coherence_alpha",
    "coherence_from_batches",
    "coherence_m_alpha",
    "grad_noise_final",
    "grad_norm_train",
    "gradient_confusion",
    "gradient_kurtosis",
    "gsnr",
    "noise_scale",
]

_GRAM = genbench.need("gradient_gram", shared="examples")
_MOMENTS = genbench.need("gradient_moments", shared="examples")
_BATCHES = genbench.need("batch_gradients", shared=("batch", "examples"))
_POWERS = genbench.need("gradient_moments", powers=4, shared="examples")

# A variance that is no larger part of the mean square comes from gradients that differ by rounding.
_ROUNDING = 1e-12
# Central moments from powers keep eight digits where the variance is this part of the mean square.
_LEAST_VARIANCE = 1e-4
# Fourth powers of smaller numbers are rounded to zero, or close to it.
_LEAST_SQUARE = 1e-145


@genbench.measure(
    family="gradient_interaction", direction="+", source="Sankararaman et al. 2020, definition 2.1",
    formula="max(0, max_{i≠j} −⟨g_i, g_j⟩)",
)  # fmt: skip
def gradient_confusion(gram=_GRAM, *, cosine: bool = False) -> Tensor:
    """By how much the two most opposed gradients oppose each other.

    Parameters
    ----------
    cosine : bool
        Of gradients scaled to length 1.
    """
    pairs = all_pairs(gram)
    products = pairs.cosines if cosine else gram.products
    return (-products).fill_diagonal_(-torch.inf).max().clamp_min(0)


@genbench.measure(
    family="gradient_interaction", direction="-",
    source="Chatterjee & Zielinski 2020; Walker 2023, section 5.2", formula="α = ‖mean g_i‖² / mean ‖g_i‖²",
)  # fmt: skip
def coherence_alpha(moments=_MOMENTS) -> Tensor:
    """Coherence: what part of the gradients' size survives in their mean.

    1 if all gradients are equal, 1/m if they are orthogonal and of one size, 0 if their mean vanishes. With
    large α an example changes little when it is left out, which bounds the gap (Walker 2023, theorem 5.4).
    """
    of_mean, mean = _norms(moments)
    return of_mean / mean


@genbench.measure(
    family="gradient_interaction", direction="-",
    source="Chatterjee & Zielinski 2020; Walker 2023, example 5.3", formula="m α",
)  # fmt: skip
def coherence_m_alpha(moments=_MOMENTS) -> Tensor:
    """Coherence over that of orthogonal gradients: how many of the m examples one helps to fit."""
    of_mean, mean = _norms(moments)
    return len(moments.squared_norms) * of_mean / mean


@genbench.measure(
    family="gradient_interaction", direction="-",
    source="Chatterjee & Zielinski 2020; Walker 2023, theorem 5.6",
    formula="1/α − 1 = (m − 1) Σ_b n_b ‖w_b − ḡ‖² / (m (B − 1) ‖ḡ‖²)", version=3,
)  # fmt: skip
def coherence_from_batches(batches=_BATCHES, *, inverse: Literal["sample", "theorem"] = "sample") -> Tensor:
    """Coherence of the examples' gradients, estimated from the gradients w_b of batches and their mean ḡ.

    The m examples taken are divided up at random into B = ⌊m/k⌋ batches, k being `batch`, whose sizes n_b
    differ by one at most. Where B is below 40, they are divided up several times, so that at least 40 batches
    are averaged.

    Parameters
    ----------
    inverse : {"sample", "theorem"}
        ``sample`` is unbiased in 1/α for batches that divide up a finite sample. ``theorem``: as published,
        for batches drawn independently, B in place of m (B − 1) / (m − 1), which here makes α too large.
        With batches of one size k that is α = α_W / (k − (k − 1) α_W), α_W being their coherence.
    """
    if batches.spread == 0 and batches.squared_norm_of_mean == 0:
        raise genbench.NotApplicable("all gradients vanish")
    m, count = batches.examples, batches.batches
    divisor = count if inverse == "theorem" else m * (count - 1) / (m - 1)
    return 1 / (1 + batches.spread / batches.squared_norm_of_mean / divisor)


@genbench.measure(
    family="gradient_interaction", direction="+", source="Jiang et al. 2020, eq. 66",
    formula="mean ‖g_i − mean g‖² (m − k) / (k (m − 1))",
)  # fmt: skip
def grad_noise_final(moments=_MOMENTS, *, batch: Count = 1) -> Tensor:
    """Variance of the gradient at the end of training, summed over the parameters.

    Parameters
    ----------
    batch : int
        Of the gradients of batches of k examples, drawn from the m examples taken without replacement.
    """
    m = len(moments.squared_norms)
    if batch >= m > 1:
        raise genbench.NotApplicable(f"{m} examples make no two batches of {batch}")
    return _variance(moments) * (m - batch) / (batch * max(1, m - 1))


@genbench.measure(
    family="gradient_interaction", direction="+", source="McCandlish et al. 2018, eq. 2.9",
    formula="mean ‖g_i − mean g‖² / ‖mean g‖² = 1/α − 1",
)  # fmt: skip
def noise_scale(moments=_MOMENTS) -> Tensor:
    """Batch size up to which larger batches pay off, the simple noise scale tr Σ / ‖ḡ‖²."""
    of_mean, _ = _norms(moments)
    return _variance(moments) / of_mean


@genbench.measure(
    family="gradient_interaction", direction="-", source="Liu et al. 2020, definition 1",
    formula="mean_p (mean_i g_ip)² / var_i g_ip",
)  # fmt: skip
def gsnr(moments=_POWERS) -> Tensor:
    """Gradient signal-to-noise ratio, averaged over the parameters whose mean gradient is not zero.

    Parameters whose gradient is the same for all examples, up to a millionth of it, are left out: their
    variance is rounding.

    Raises
    ------
    NotApplicable
        The mean gradient vanishes; or no parameter's gradient varies, as with one example.
    """
    moved = moments.mean != 0
    if not moved.any():
        raise genbench.NotApplicable("the mean gradient vanishes")
    mean_squares = moments.powers[1, moved]
    squares = moments.mean[moved].square()
    variances = mean_squares - squares
    varying = ~(variances <= _ROUNDING * mean_squares)
    if not varying.any():
        raise genbench.NotApplicable("the gradients of all examples are the same")
    return (squares[varying] / variances[varying]).mean()


@genbench.measure(
    family="gradient_interaction", direction="?",
    source="Zhang et al. 2017 (Theory of deep learning III), figure 5",
    formula="median_p (E_b (g_bp − ḡ_p)⁴ / (E_b (g_bp − ḡ_p)²)² − 3), E_b over all batches", version=2,
)  # fmt: skip
def gradient_kurtosis(moments=_POWERS, *, batch: Count = 16) -> float:
    """Median over the parameters of the excess kurtosis of minibatch gradients: 0 where they are Gaussian.

    The source sees it near 0 for batches that are neither very small nor very large, which makes stochastic
    gradient descent resemble a Langevin equation. It claims no sign. No batch is drawn: the moments over all
    batches without replacement follow from those of the examples' gradients. Parameters whose gradient
    varies by less than a hundredth of its mean, or is below 1e-72, are left out: their fourth moments are
    rounding.

    Parameters
    ----------
    batch : int
        Examples in a batch.

    Raises
    ------
    NotApplicable
        A batch would hold all examples; or no parameter's gradient varies; or all are below 1e-72.
    """
    total = len(moments.squared_norms)
    if batch >= total:
        raise genbench.NotApplicable(f"batches of {batch} from {total} examples are all the same")
    mean, square, cube, fourth = moments.powers
    variance = square - mean.square()
    moving = (variance > _LEAST_VARIANCE * square) & (variance > _LEAST_SQUARE)
    if not moving.any():
        if mean.any() and square.max() <= _LEAST_SQUARE:
            raise genbench.NotApplicable("the gradients are so small that their fourth powers vanish")
        raise genbench.NotApplicable("the gradients of all batches are the same")
    central = fourth - 4 * mean * cube + 6 * mean.square() * square - 3 * mean.pow(4)
    kurtosis = (central[moving] / variance[moving].square()).clamp_min(1)
    return float(np.median(_excess_of_sums(kurtosis, batch, total).cpu().numpy()))


@genbench.measure(
    family="gradient_interaction", direction="+", source="Zhao, Zhang & Hu 2022", formula="‖mean g_i‖"
)
def grad_norm_train(moments=_MOMENTS, *, squared: bool = False) -> Tensor:
    """Norm of the gradient of the training loss at the end of training.

    Parameters
    ----------
    squared : bool
        Its square, the flatness penalty ‖∇_w L‖².
    """
    square = moments.mean.square().sum()
    return square if squared else square.sqrt()


def _norms(moments: GradientMoments) -> tuple[Tensor, Tensor]:
    """‖mean g_i‖² and mean ‖g_i‖²."""
    mean = moments.squared_norms.mean()
    if mean == 0:
        raise genbench.NotApplicable("all gradients vanish")
    return moments.mean.square().sum(), mean


def _variance(moments: GradientMoments) -> Tensor:
    return (moments.squared_norms.mean() - moments.mean.square().sum()).clamp_min(0)


def _excess_of_sums(kurtosis: Tensor, drawn: int, total: int) -> Tensor:
    """Excess kurtosis of the sum of some of `total` numbers, drawn without replacement, from that of one.

    Of centred numbers z with Σ z² = A, E S² = (π₁ − π₂) A, and E S⁴ = (π₁ − 7 π₂ + 12 π₃ − 6 π₄) Σ z⁴ +
    3 (π₂ − 2 π₃ + π₄) A², π_k being the probability that k given numbers are all drawn.
    """
    chances, chance = [], 1.0
    for k in range(4):
        chance = chance * (drawn - k) / (total - k) if drawn > k else 0.0
        chances.append(chance)
    one, two, three, four = chances
    alone = (one - 7 * two + 12 * three - 6 * four) * kurtosis / total
    return (alone + 3 * (two - 2 * three + four)) / (one - two) ** 2 - 3
