"""Training loss of the normalized network, of Liao et al. 2020 (Generalization puzzles in deep networks).

Outputs are divided by ρ, the product of the layers' norms, before the loss is taken: that is the network with
all layers at norm 1, where the function is positively homogeneous in each of them. Residual networks are not;
for them the paper divides by the norm of the output for one image, here a training example.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Positive
from genbench.measures.conventions import LOG_RHO
from genbench.networks.passes import require_classes

__all__ = [
    "loss_above_chance",
    "normalized_cross_entropy",
    "normalized_mean_margin",
    "normalized_top_output",
    "output_normalized_cross_entropy",
]


@genbench.measure(
    family="normalized-loss", direction="+", source="Liao et al. 2020 (Generalization puzzles), section 2",
    formula="mean_i −ln softmax(f(x_i) / ρ)_{y_i}",
)  # fmt: skip
def normalized_cross_entropy(
    logits, targets, task, log_rho=LOG_RHO, *, scale: Positive = 1.0, minus_chance: bool = False
) -> Tensor:
    """Training cross-entropy of the network with all layers scaled to norm 1; grows with the test loss.

    Parameters
    ----------
    scale : float
        Norm R to which the normalized network is scaled.
    minus_chance : bool
        Subtract the loss of equal outputs, ln k, exactly: where ρ is large the rest is too small to show
        beside it.
    """
    require_classes(task, logits)
    found = loss_above_chance(logits * (math.log(scale) - log_rho).exp(), targets)
    return found if minus_chance else found + math.log(logits.shape[1])


@genbench.measure(
    family="normalized-loss", direction="+", source="Liao et al. 2020 (Generalization puzzles), appendix H",
    formula="mean_i −ln softmax(f(x_i) / ‖f(x_1)‖₂)_{y_i}",
)  # fmt: skip
def output_normalized_cross_entropy(
    logits, targets, task, *, scale: Positive = 1.0, minus_chance: bool = False
) -> Tensor:
    """Training cross-entropy after division by the output's norm for one fixed training example, the first.

    For residual networks, which are not homogeneous in each layer; settings as of `normalized_cross_entropy`.
    """
    require_classes(task, logits)
    norm = torch.linalg.vector_norm(logits[0])
    if norm == 0:
        raise genbench.NotApplicable("the output for the first training example is zero")
    found = loss_above_chance(logits * (scale / norm), targets)
    return found if minus_chance else found + math.log(logits.shape[1])


@genbench.measure(
    family="normalized-loss", direction="-",
    source="after Liao et al. 2020 (Generalization puzzles), section 2, to first order",
    formula="mean_i (f_{y_i}(x_i) − mean_j f_j(x_i)) / ρ",
)  # fmt: skip
def normalized_mean_margin(logits, targets, task, log_rho=LOG_RHO) -> Tensor:
    """First-order part of `normalized_cross_entropy`, which is ln k minus this where ρ is large."""
    require_classes(task, logits)
    scaled = logits * (-log_rho).exp()
    own = scaled.gather(1, targets.to(logits.device).unsqueeze(1)).squeeze(1)
    return (own - scaled.mean(1)).mean()


@genbench.measure(
    family="normalized-loss", direction="-", source="Liao et al. 2020 (Generalization puzzles), appendix K",
    formula="mean_i max_j f_j(x_i) / ρ",
)  # fmt: skip
def normalized_top_output(
    logits, task, log_rho=LOG_RHO, *, statistic: Literal["mean", "deviation"] = "mean"
) -> Tensor:
    """Largest output of the normalized network, averaged over the training examples.

    Parameters
    ----------
    statistic : {"mean", "deviation"}
        ``deviation``: the standard deviation over the m examples, dividing by m − 1.
    """
    require_classes(task, logits)
    largest = (logits * (-log_rho).exp()).amax(1)
    if statistic == "mean":
        return largest.mean()
    if len(largest) < 2:
        raise genbench.NotApplicable("a single example has no standard deviation")
    return largest.std()


def loss_above_chance(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean of −ln softmax(z)_y − ln k, exact also where ln k would swallow the outputs."""
    own = outputs.gather(1, targets.to(outputs.device).unsqueeze(1)).squeeze(1)
    return (_log_mean_exp(outputs) - own).mean()


def _log_mean_exp(scaled: Tensor) -> Tensor:
    """ln mean_j e^{z_j} of each row, exact for small and safe for large z."""
    if scaled.abs().max() < 1:
        return scaled.expm1().mean(1).log1p()
    return scaled.logsumexp(1) - math.log(scaled.shape[1])
