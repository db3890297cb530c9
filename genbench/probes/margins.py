"""Margins of the training examples in the outputs, and the one low quantile that stands for them."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

import genbench
from genbench.base.constraints import Fraction
from genbench.networks.margins import margins_of
from genbench.networks.passes import require_classes

__all__ = ["MarginSign", "low_quantile", "margins", "median", "reference_margin"]

MarginSign = Literal["absolute", "signed"]
"""What becomes of a negative margin: its absolute value, as published, or zero."""


@genbench.probe
def margins(logits, targets, task) -> Tensor:
    """Margins f_y − max_{j≠y} f_j of the training examples, shape (n,).

    Raises
    ------
    NotApplicable
        In regression, and with a single output.
    """
    require_classes(task, logits)
    return margins_of(logits, targets)


@genbench.probe
def reference_margin(margins, *, quantile: Fraction = 0.1, margin_sign: MarginSign = "absolute") -> Tensor:
    """The margin γ by which bounds divide: a low quantile of the training margins, shape (), never negative.

    Parameters
    ----------
    quantile : float
        The ⌊q n⌋-th smallest margin; Jiang et al. 2020 take q = 0.1.
    margin_sign : {"absolute", "signed"}
        ``absolute`` drops the sign, as published, so that a network that misclassifies more than a tenth of
        its training data has a margin all the same; ``signed`` makes a negative margin zero, and the measures
        that divide by it infinite.
    """
    margin = low_quantile(margins, quantile)
    return margin.abs() if margin_sign == "absolute" else margin.clamp_min(0)


def low_quantile(values: Tensor, quantile: float) -> Tensor:
    """The ⌊q n⌋-th smallest of n values, the smallest where that is none; shape ()."""
    place = math.floor(quantile * len(values) * (1 + 1e-12))  # 0.29 · 100 rounds to less than 29
    return values.kthvalue(max(1, place)).values


def median(values: Tensor) -> Tensor:
    """The middle value, halfway between the two middle ones of an even number; shape ()."""
    ordered, n = values.sort().values, len(values)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
