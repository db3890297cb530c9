"""How sure the network is of its training data, and whether it is right to be."""

from __future__ import annotations

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count
from genbench.networks.passes import require_classes

__all__ = [
    "adaptive_calibration_error",
    "brier_score",
    "entropy_output",
    "expected_calibration_error",
    "maximum_calibration_error",
]


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
    surplus, place = _in_equal_bins(logits, targets, bins)
    return _sums(surplus, place, bins).abs().sum() / len(surplus)


@genbench.measure(
    family="calibration", direction="+", source="Guo et al. 2017, eq. 5",
    formula="max_b |accuracy(b) − confidence(b)|",
)  # fmt: skip
def maximum_calibration_error(logits, targets, task, *, bins: Count = 15) -> Tensor:
    """The largest distance of confidence from accuracy among bins of equal width that hold an example."""
    require_classes(task, logits)
    surplus, place = _in_equal_bins(logits, targets, bins)
    counts = _sums(torch.ones_like(surplus), place, bins)
    return (_sums(surplus, place, bins).abs() / counts.clamp_min(1)).max()


@genbench.measure(
    family="calibration", direction="+", source="Nguyen & O'Connor 2015; Nixon et al. 2019, section 4",
    formula="Σ_b (|b| / m) |accuracy(b) − confidence(b)|, bins of equal size", aliases=("adaptive_ece",),
)  # fmt: skip
def adaptive_calibration_error(logits, targets, task, *, bins: Count = 15) -> Tensor:
    """`expected_calibration_error` in bins that hold equally many examples, in the order of their confidence.

    Confidence is the probability of the predicted class (adaptive ECE). The ACE of Nixon et al., eq. 3, has
    bins for the probabilities of every class and averages over the classes: another number.

    On the training data nearly all confidences lie in one bin of equal width; here they are told apart. The
    example of rank i, counted from 0, lies in bin ⌊i · bins / m⌋; sizes differ by one at most. Examples of
    equal confidence share what they are off, so that their order does not matter.
    """
    require_classes(task, logits)
    surplus, confidence = _surplus(logits, targets)
    _, tie = confidence.unique(sorted=True, return_inverse=True)
    groups = int(tie.max()) + 1
    within = _sums(surplus, tie, groups) / _sums(torch.ones_like(surplus), tie, groups)
    ordered = within[tie[confidence.argsort(stable=True)]]
    place = torch.arange(len(ordered), device=ordered.device) * bins // len(ordered)
    return _sums(ordered, place, bins).abs().sum() / len(ordered)


def _surplus(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """By how much being right exceeds confidence, and the confidence, of each example."""
    confidence, predicted = logits.softmax(1).max(1)
    return (predicted == targets.to(logits.device)).double() - confidence, confidence


def _in_equal_bins(logits: Tensor, targets: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """`_surplus` of each example and its bin; bins are open below and closed above, as in the paper."""
    surplus, confidence = _surplus(logits, targets)
    return surplus, (confidence * bins).ceil().long().clamp(1, bins) - 1


def _sums(values: Tensor, place: Tensor, bins: int) -> Tensor:
    return values.new_zeros(bins).index_add(0, place, values)
