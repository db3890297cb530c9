"""Sharpness in the worst direction: how far the loss can be raised within a ball around the weights.

Unlike in `genbench.measures.sharpness`, where Jiang et al. ask how large a ball may be, its size is given.
Parameters are all of the network's, batch norm as it is in evaluation mode.
"""

from __future__ import annotations

from torch import Tensor

import genbench
from genbench.base.constraints import Count, Positive

__all__ = ["sharpness", "worst_sharpness"]

_ASCENT = ("steps", "fold", "biases", "examples")
_WORST = genbench.need(
    "raised_losses",
    batch=genbench.setting("batch"),
    shared=("shape", "weighting", "radius", "logits", *_ASCENT),
)
_KESKAR = genbench.need(
    "raised_losses",
    shape="box",
    weighting="magnitude_plus_one",
    batch=None,
    radius=genbench.setting("radius"),
    shared=_ASCENT,
)


@genbench.measure(
    family="sharpness", direction="+", aliases=("m_sharpness",),
    source="Andriushchenko et al. 2023, section 3 (worst-case sharpness); Foret et al. 2021, section 4.2",
    formula="mean over batches of max_{‖δ / c‖_p ≤ ρ} L_batch(w + δ) − L_batch(w)",
)  # fmt: skip
def worst_sharpness(raised=_WORST, *, batch: Count = 128) -> Tensor:
    """By how much the worst perturbation raises the loss of a batch of m examples (m-sharpness).

    The maximum is the largest loss that one ascent from w finds, a lower bound: where the loss has several
    local maxima in the ball the true one can be two or three times as high. It is up to 30 % above what the
    published program finds on the same batches, whose ascent ends lower. c = |w| makes it the adaptive
    sharpness, which stays when layers are rescaled. A box of the radius of a ball is far larger: the source
    takes ρ of 0.25 to 2 for balls and of 0.001 to 0.008 for boxes.

    Parameters
    ----------
    batch : int
        m; the last batches may have an example less.
    """
    return (raised.sizes * (raised.after - raised.before)).sum() / raised.sizes.sum()


@genbench.measure(
    family="sharpness", direction="+", source="Keskar et al. 2017, metric 2.1",
    formula="100 (max_{|δ_i| ≤ ε (|w_i| + 1)} L(w + δ) − L(w)) / (1 + L(w))",
)  # fmt: skip
def sharpness(raised=_KESKAR, *, radius: Positive = 5e-4) -> Tensor:
    """By how many percent of itself plus one the loss can be raised in a small box around the weights.

    The maximum is the largest loss that one ascent from w finds, a lower bound, as of `worst_sharpness`.

    Parameters
    ----------
    radius : float
        ε. The source takes 5e-4 and 1e-3.
    """
    return 100 * ((raised.after - raised.before) / (1 + raised.before)).sum()
