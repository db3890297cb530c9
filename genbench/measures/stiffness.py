"""Stiffness: whether a step that lowers the loss of one training example lowers that of another.

A step along the negative gradient of one example does so when the inner product of the two gradients is
positive; the larger, the better features are shared, and sharing is said to generalize. All are means over
pairs i ≠ j of the same Gram matrix of `examples` training examples. Gradients are by all parameters that are
trained, in evaluation mode; one that vanishes agrees with none, S = 0. The same of examples that were never
trained on is in `held_out`.
"""

from __future__ import annotations

import math

from torch import Tensor

import genbench
from genbench.probes.stiffness import Agreement, all_pairs

__all__ = [
    "stiffness_between",
    "stiffness_cos",
    "stiffness_critical_length",
    "stiffness_distance",
    "stiffness_sign",
    "stiffness_within",
]

_GRAM = genbench.need("gradient_gram", shared="examples")
_WITHIN = genbench.need("class_stiffness", shared=("agreement", "examples"))
_BETWEEN = genbench.need("class_stiffness", agreement=genbench.setting("agreement"), shared="examples")
_PROFILE = genbench.need("stiffness_profile", shared=("agreement", "pairs", "bins", "examples"))


@genbench.measure(
    family="gradient_interaction", direction="-",
    source="Fort et al. 2019; Walker 2023, definition 3.1", formula="mean_{i≠j} sign⟨g_i, g_j⟩",
)  # fmt: skip
def stiffness_sign(gram=_GRAM) -> Tensor:
    """Share of pairs of examples whose gradients agree, less the share of those that oppose each other.

    A pair of which one gradient vanishes does neither, and counts as 0.
    """
    return all_pairs(gram).mean("sign")


@genbench.measure(
    family="gradient_interaction", direction="-",
    source="Fort et al. 2019; Walker 2023, definition 3.2",
    formula="mean_{i≠j} ⟨g_i, g_j⟩ / (‖g_i‖ ‖g_j‖)",
)  # fmt: skip
def stiffness_cos(gram=_GRAM) -> Tensor:
    """Mean cosine of the gradients of two examples; a pair of which one gradient vanishes counts as 0.

    Walker 2023, section 3.4, calls d = 1 − cos(g_i, g_j) a distance metric of the examples: it is one between
    gradients (without the triangle inequality), and its mean is one minus this measure by construction.
    """
    return all_pairs(gram).mean("cosine")


@genbench.measure(
    family="gradient_interaction", direction="-",
    source="Fort et al. 2019; Walker 2023, definition 3.6",
    formula="mean_a C_aa, C_ab = mean_{i∈a, j∈b, i≠j} S(g_i, g_j)",
)  # fmt: skip
def stiffness_within(classes=_WITHIN) -> Tensor:
    """Stiffness between examples of one class, averaged over classes with two examples or more.

    Below 1 what is learned from an example does not even carry over to all of its class. Within classes the
    cosine tells more than the sign, says the source.
    """
    return classes.within()


@genbench.measure(
    family="gradient_interaction", direction="-", version=2,
    source="Fort et al. 2019; Walker 2023, definition 3.5",
    formula="mean_{a≠b} C_ab, C_ab = mean_{i∈a, j∈b} S(g_i, g_j)",
)  # fmt: skip
def stiffness_between(classes=_BETWEEN, *, agreement: Agreement = "sign") -> Tensor:
    """Stiffness between examples of different classes, averaged over pairs of classes.

    Parameters
    ----------
    agreement : {"cosine", "sign"}
        The sign tells more between classes, says the source.
    """
    return classes.between()


@genbench.measure(
    family="gradient_interaction", direction="-", source="Fort et al. 2019",
    formula="mean_b S̄_b, S̄_b = mean S(g_i, g_j) over pairs with 1 − cos(x_i, x_j) in bin b",
)  # fmt: skip
def stiffness_distance(profile=_PROFILE) -> Tensor:
    """Stiffness averaged over the distances between inputs, each distance counting the same.

    The mean over pairs is ruled by the distances that most pairs have; here near and far ones weigh alike.
    Distances are of inputs; pairs with an input that is all zero, which has no angle, are left out. The
    distance of Walker 2023 is of gradients, see `stiffness_cos`.
    """
    return profile.stiffness.mean()


@genbench.measure(
    family="gradient_interaction", direction="-", source="Fort et al. 2019",
    formula="ξ = inf {δ : S̄(δ) ≤ 0}, S̄(0) = 1",
)  # fmt: skip
def stiffness_critical_length(profile=_PROFILE) -> float:
    """Dynamical critical length: the distance between inputs up to which an update helps, on average.

    The profile of `stiffness_distance` is joined by straight lines, from stiffness 1 at distance 0 on, where
    two examples of one class are the same; the point of a bin lies at the mean distance of its pairs. Pairs
    with an input that is all zero, which has no angle, are left out. Infinite where the profile stays
    positive at all distances that occur.
    """
    before, value = 0.0, 1.0
    for distance, stiffness in zip(profile.distances.tolist(), profile.stiffness.tolist(), strict=True):
        if stiffness <= 0:
            return before + (distance - before) * value / (value - stiffness)
        before, value = distance, stiffness
    return math.nan if math.isnan(value) else math.inf
