"""Bounds on the test error by products of norms over a margin, whole, constants included: vacuous numbers.

A value of 1 or more says nothing about an error rate. What they are for is their order over networks, which
the constants change where depth, width or the number of examples do. γ is a low quantile of the training
margins, m the number of examples.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Fraction, Risk
from genbench.measures.conventions import (
    FOLDED_MODEL,
    FROBENIUS,
    FROBENIUS_DISTANCES,
    LAYERS,
    SPECTRAL,
    require_no_zero_layer,
)
from genbench.networks.homogeneity import require_homogeneous
from genbench.networks.layers import Layer
from genbench.probes.layer_chain import require_gentle_slopes

__all__ = ["log_rademacher", "spec_init", "spec_orig"]

_MARGIN = genbench.need("reference_margin", quantile=genbench.setting("quantile"), shared="margin_sign")
_LOG_RHO = genbench.need("log_rho", first_bias=genbench.setting("first_bias"), shared=("norm", "fold"))

Form = Literal["theorem", "program"]


@genbench.measure(
    family="bound", direction="+", source="Pitas et al. 2017; Jiang et al. 2020, section C.2",
    formula="q + √{[C² Π_l σ_l² Σ_l ‖W_l − W_l⁰‖_F²/σ_l² + ln(m/δ)] / (γ² m)}, "
    "C = 84 B Σ_l k_l √c_l + √ln(4 n² d)", version=2,
)  # fmt: skip
def spec_init(
    inputs, task, margins, layers=LAYERS, norms=FROBENIUS_DISTANCES, spectral=SPECTRAL, margin=_MARGIN,
    *, form: Form = "theorem", delta: Risk = 0.01, quantile: Fraction = 0.1,
) -> Tensor:  # fmt: skip
    """Spectrally normalized margin bound on the test error, distances taken from initialization.

    The whole of the bound whose main term is `log_spec_init_main`. k_l is the side of the kernel of layer l
    (1 of a linear layer), c_l the number of its units or channels, n the side of the input images (the
    length of vectors), B the largest norm of a training input, q the share of training margins, with their
    signs, that are not above γ. Infinite where γ is zero. Stated for chains of layers and ReLUs; of other
    networks (skip connections, other activations), which Jiang et al. measure too, it is a surrogate.

    Parameters
    ----------
    form : {"theorem", "program"}
        As stated, the margins up to γ counting as errors, or as a published program has it: C in place of C²,
        ln(m/δ)/γ² not divided by m, and q the quantile asked for, whatever the signs of the margins.
    quantile : float
        γ is this quantile of the training margins.
    """
    return _margin_bound(form, layers, inputs, task, norms, spectral, margins, margin, quantile, delta)


@genbench.measure(
    family="bound", direction="+", source="Pitas et al. 2017; Jiang et al. 2020, section C.2",
    formula="q + √{[C² Π_l σ_l² Σ_l ‖W_l‖_F²/σ_l² + ln(m/δ)] / (γ² m)}", version=2,
)  # fmt: skip
def spec_orig(
    inputs, task, margins, layers=LAYERS, norms=FROBENIUS, spectral=SPECTRAL, margin=_MARGIN,
    *, form: Form = "theorem", delta: Risk = 0.01, quantile: Fraction = 0.1,
) -> Tensor:  # fmt: skip
    """Spectrally normalized margin bound on the test error, norms taken from the origin; see `spec_init`.

    Stated for chains of layers and ReLUs, of other networks a surrogate; q is the share of training margins
    that are not above γ.
    """
    return _margin_bound(form, layers, inputs, task, norms, spectral, margins, margin, quantile, delta)


@genbench.measure(
    family="bound", direction="+",
    source="Liao et al. 2020 (Generalization puzzles), eq. 5; Golowich, Rakhlin & Shamir 2018, theorem 1",
    formula="ln ρ + ln[(√(2 d ln 2) + 1) √(Σ_i ‖x_i‖²) / m]", version=2,
)  # fmt: skip
def log_rademacher(
    inputs, layers=LAYERS, log_rho=_LOG_RHO, model=FOLDED_MODEL, *, first_bias: bool = True
) -> Tensor:
    """Logarithm of the bound ρ R on the loss gap by the Rademacher complexity R of the normalized networks.

    The paper leaves R open, the same for all networks of one shape on one sample; here it is the bound for d
    layers of Frobenius norm 1, without the factors for the number of classes and the Lipschitz constant of
    the loss. With ``norm="l1"`` ρ is another and R stays, since the L1 norm is the larger one.

    Parameters
    ----------
    first_bias : bool
        Take the bias of the first layer, where there is one, as weights of a constant input, which ρ and the
        ‖x_i‖² then contain: one more number in each x_i, always 1.

    Raises
    ------
    NotApplicable
        The function is not homogeneous in each layer, or an activation has a slope above 1.
    """
    require_gentle_slopes(model)
    first = require_homogeneous(model, layers, inputs)[0]
    constant = float(first_bias and first.bias is not None)
    depth, sizes = len(layers), inputs.double().flatten(1).square().sum(1) + constant
    log_complexity = math.log(math.sqrt(2 * math.log(2) * depth) + 1) - math.log(len(inputs))
    return log_rho + log_complexity + (0.5 * sizes.sum().log()).to(log_rho.device)


def _margin_bound(
    form: Form, layers: tuple[Layer, ...], inputs: Tensor, task: Any, norms: Tensor, spectral: Tensor,
    margins: Tensor, margin: Tensor, quantile: float, delta: float,
) -> Tensor:  # fmt: skip
    require_no_zero_layer(spectral)
    count, side = len(inputs), task.input_shape[-1]
    largest = inputs.double().flatten(1).square().sum(1).max().sqrt().to(spectral.device)
    widths = sum(math.sqrt(layer.weight[0, 0].numel() * len(layer.weight)) for layer in layers)
    factor = 84 * largest * widths + math.sqrt(math.log(4 * side**2 * len(layers)))
    ranks = (norms / spectral).square().sum()
    main = (2 * spectral.log().sum() + ranks.log() - 2 * margin.log()).exp()
    rest = math.log(count / delta) / margin.square()
    if form == "program":
        return quantile + torch.sqrt(factor * main / count + rest)
    errors = (margins <= margin).double().mean()
    return errors + torch.sqrt((factor.square() * main + rest) / count)
