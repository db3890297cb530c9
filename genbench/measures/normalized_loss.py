"""Training loss of the normalized network, of Liao et al. 2020 (Generalization puzzles in deep networks).

Outputs are divided by ρ, the product of the layers' norms, before the loss is taken. The theory is about
networks that are positively homogeneous in each layer: ReLUs, no biases behind the first layer, no skip
connections; the number is computed for any. Divided by the norm of one output (``by="output"``), as the paper
does for residual networks, no homogeneity is assumed.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.constraints import Positive
from genbench.probes.normalization import Norm
from genbench.probes.outputs import require_classes

__all__ = ["normalized_cross_entropy", "normalized_mean_margin", "normalized_top_output"]

_LOG_RHO = genbench.need(
    "log_rho",
    norm=genbench.setting("norm"),
    fold=genbench.setting("fold"),
    first_bias=genbench.setting("first_bias"),
)


@genbench.measure(
    family="normalized-loss", direction="+", source="Liao et al. 2020 (Generalization puzzles), section 2",
    formula="mean_i −ln softmax(f(x_i) / ρ)_{y_i}",
)  # fmt: skip
def normalized_cross_entropy(
    logits, targets, task, log_rho=_LOG_RHO,
    *, by: Literal["layers", "output"] = "layers", norm: Norm = "frobenius", fold: bool = True,
    first_bias: bool = True, scale: Positive = 1.0, minus_chance: bool = False,
) -> Tensor:  # fmt: skip
    """Training cross-entropy of the network with all layers scaled to norm 1; grows with the test loss.

    Parameters
    ----------
    by : {"layers", "output"}
        Divide by the product of the norms of the layers, or by the Euclidean norm of the output for the first
        training example.
    scale : float
        Norm R to which the normalized network is scaled.
    minus_chance : bool
        Subtract the loss of equal outputs, ln k, exactly: where ρ is large the rest is too small to show
        beside it.
    """
    scaled = _normalized(logits, task, log_rho, by) * scale
    own = scaled.gather(1, targets.to(logits.device).unsqueeze(1)).squeeze(1)
    # −ln softmax(z)_y = ln k + ln(mean_j e^{z_j}) − z_y, written so that small z keep their digits.
    above_chance = _log_mean_exp(scaled) - own
    return above_chance.mean() + (0.0 if minus_chance else math.log(scaled.shape[1]))


@genbench.measure(
    family="normalized-loss", direction="-", source="Liao et al. 2020 (Generalization puzzles), section 2",
    formula="mean_i (f_{y_i}(x_i) − mean_j f_j(x_i)) / ρ",
)  # fmt: skip
def normalized_mean_margin(
    logits, targets, task, log_rho=_LOG_RHO,
    *, by: Literal["layers", "output"] = "layers", norm: Norm = "frobenius", fold: bool = True,
    first_bias: bool = True,
) -> Tensor:  # fmt: skip
    """First-order part of `normalized_cross_entropy`, which is ln k minus this where ρ is large."""
    scaled = _normalized(logits, task, log_rho, by)
    own = scaled.gather(1, targets.to(logits.device).unsqueeze(1)).squeeze(1)
    return (own - scaled.mean(1)).mean()


@genbench.measure(
    family="normalized-loss", direction="-", source="Liao et al. 2020 (Generalization puzzles), appendix K",
    formula="mean_i max_j f_j(x_i) / ρ",
)  # fmt: skip
def normalized_top_output(
    logits, task, log_rho=_LOG_RHO, *, norm: Norm = "frobenius", fold: bool = True, first_bias: bool = True
) -> Tensor:
    """Mean of the largest output of the normalized network."""
    return _normalized(logits, task, log_rho, "layers").amax(1).mean()


def _normalized(logits: Tensor, task, log_rho: Tensor, by: str) -> Tensor:
    require_classes(task, logits)
    if by == "output":
        return logits / torch.linalg.vector_norm(logits[0])
    return logits * (-log_rho).exp()


def _log_mean_exp(scaled: Tensor) -> Tensor:
    """ln mean_j e^{z_j} of each row, exact for small and safe for large z."""
    if scaled.abs().max() < 1:
        return scaled.expm1().mean(1).log1p()
    return scaled.logsumexp(1) - math.log(scaled.shape[1])
