"""The bound of Wei & Ma 2019 for a recurrent network, by a surrogate: the network unrolled over time."""

from __future__ import annotations

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Fraction, Risk
from genbench.measures.lipschitz_augmentation import log_simple_bound
from genbench.measures.norms import unit_norms
from genbench.probes.margins import MarginSign
from genbench.probes.unrolled import Unrolled

__all__ = ["rnn_lipaug_bound"]

_MARGIN = genbench.need(
    "reference_margin", quantile=genbench.setting("quantile"), margin_sign=genbench.setting("margin_sign")
)
_UNROLLED = genbench.need("unrolled", shared=("places", "examples"))


@genbench.measure(
    family="bound", direction="+",
    source="Wei & Ma 2019 (data-dependent sample complexity), Theorem 1.1 over unrolled time: a surrogate",
    formula="ln{[(σ/γ + r³σ²) t (1 + Σ‖W_iᵀ‖_{2,1}^{2/3})^{3/2} + r²σ (1 + Σ‖W_i‖_{1,1}^{2/3})^{3/2}]/√m "
    "+ r√(ln(1/δ)/m)}, r = layers · steps + 1", version=2,
)  # fmt: skip
def rnn_lipaug_bound(
    sample_size, margin=_MARGIN, network=_UNROLLED,
    *, delta: Risk = 0.05, quantile: Fraction = 0.0, margin_sign: MarginSign = "signed",
) -> Tensor:  # fmt: skip
    """Logarithm of what `lipaug_simple` is for a recurrent network taken as deep as its sequences are long.

    A surrogate, no bound: the paper's theorem for recurrent networks stands in an appendix that is said to be
    polynomial in the same quantities. Each step counts as a layer that multiplies input and hidden state by
    the same matrix [W U]; σ is the largest Jacobian between hidden states, or from one to the outputs, t the
    largest hidden state or input of a step. Infinite where the margin γ is not positive.

    Parameters
    ----------
    quantile : float
        γ is this quantile of the training margins; the theorem's is the smallest one.
    """
    matrices = _matrices(network)
    units = torch.stack([unit_norms(each).sum() for each in matrices])
    entries = torch.stack([each.abs().sum() for each in matrices])
    return log_simple_bound(units, entries, network.sigma, network.largest, margin, sample_size, delta)


def _matrices(network: Unrolled) -> list[Tensor]:
    """One matrix for each layer of the unrolled network."""
    return [matrix for matrix, steps in network.recurrent for _ in range(steps)] + [network.last]
