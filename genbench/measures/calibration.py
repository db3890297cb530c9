"""How sure the network is of its training data, and whether it is right to be."""

from __future__ import annotations

import torch
from torch import Tensor

import genbench
from genbench.constraints import Count
from genbench.probes.outputs import require_classes

__all__ = ["brier_score", "entropy_output", "expected_calibration_error"]


@genbench.measure(
    family="calibration",
    direction="-",
    source="Jiang et al. 2020, eq. 23",
    formula="mean_i H(softmax f(x_i))",
)
def entropy_output(logits, task) -> Tensor:
    """Mean entropy of the predicted class probabilities in nats: overconfidence is said to raise the gap."""
    require_classes(task, logits)
    log_probabilities = logits.log_softmax(1)
    return -(log_probabilities.exp() * log_probabilities).sum(1).mean()


@genbench.measure(
    family="calibration", direction="+", source="Brier 1950", formula="mean_i Σ_j (p_j − 1[j = y_i])²"
)
def brier_score(logits, targets, task) -> Tensor:
    """Mean squared distance of the predicted probabilities from the labels, on the training data."""
    require_classes(task, logits)
    labels = torch.nn.functional.one_hot(targets.to(logits.device), logits.shape[1])
    return (logits.softmax(1) - labels).square().sum(1).mean()


@genbench.measure(
    family="calibration", direction="+", source="Guo et al. 2017, eq. 3",
    formula="Σ_b (|b| / m) |accuracy(b) − confidence(b)|",
)  # fmt: skip
def expected_calibration_error(logits, targets, task, *, bins: Count = 15) -> Tensor:
    """Distance of confidence from accuracy on the training data, in bins of equal width of confidence."""
    require_classes(task, logits)
    confidence, predicted = logits.softmax(1).max(1)
    surplus = (predicted == targets.to(logits.device)).double() - confidence
    # Bins are open below and closed above, as in the paper.
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    return torch.zeros(bins, dtype=surplus.dtype, device=surplus.device).index_add(
        0, place, surplus
    ).abs().sum() / len(surplus)
