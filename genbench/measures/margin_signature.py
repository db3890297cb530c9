"""The distribution of margins in a hidden layer, one number of it at a time (Jiang et al. 2019, DemoGen)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

import genbench
from genbench.networks.margins import margins_of
from genbench.probes.hidden import Representation
from genbench.probes.hidden_jacobians import MarginJacobians

__all__ = ["margin_distribution"]

Statistic = Literal["lower_fence", "q1", "median", "q3", "upper_fence", "mean", "variance", "skewness"]

# Distances that differ by less, as a share of the largest, are equal but for rounding in single precision.
_ROUNDING = 1e-6


@genbench.measure(
    family="hidden-jacobians", direction="-",
    source="Jiang et al. 2019 (Predicting the generalization gap with margin distributions), section 3",
    formula="a statistic of (f_y − max_{j≠y} f_j) / (‖∇_h (f_y − f_j)‖ √(mean ‖h − mean h‖²))",
)  # fmt: skip
def margin_distribution(
    jacobians=genbench.need("margin_jacobians", shared="examples"),
    features=genbench.need("representation", pool=1, layer=genbench.setting("layer"), shared="examples"),
    *, layer: Literal["first", "middle", "last"] = "first", statistic: Statistic = "q1", log: bool = False,
    only_right: bool = False,
) -> Tensor:  # fmt: skip
    """Distances of training examples from the decision boundary in a hidden layer, to first order.

    They are taken in units of the layer's total standard deviation, which no rescaling of layers changes. The
    published predictor is a linear regression on such numbers of several layers; each is one of its features,
    and larger distances are said to lower the gap. For the inputs there is `input_margin_linearised`.

    Parameters
    ----------
    layer : {"first", "middle", "last"}
        Of the hidden layers, the outputs of the blocks.
    statistic : str
        ``lower_fence`` is q1 − 1.5 (q3 − q1), ``upper_fence`` q3 + 1.5 (q3 − q1), neither beyond the smallest
        and the largest distance; quartiles are interpolated. ``variance`` and ``skewness`` are of moments
        about the mean, undivided and divided by the standard deviation's cube.
    log : bool
        Its natural logarithm, as published; there is none unless it is positive.
    only_right : bool
        Leave out examples that are misclassified, whose distance is negative.

    Raises
    ------
    NotApplicable
        The layer is the same at all examples; the margin does not depend on it at one whose margin is not
        zero, or at any; no example is left; the logarithm does not exist; or all distances are equal, which
        have no skewness.
    """
    distances = _distances(jacobians, features, layer)
    if only_right:
        distances = distances[distances > 0]
    if not len(distances):
        raise genbench.NotApplicable("no training example is classified correctly")
    value = _statistic(distances, statistic)
    if log and value <= 0:
        raise genbench.NotApplicable(f"the {statistic} of the distances is not positive and has no logarithm")
    return value.log() if log else value


def _distances(jacobians: MarginJacobians, features: Representation, layer: str) -> Tensor:
    places = jacobians.norms.shape[1]
    slopes = jacobians.norms[:, {"first": 0, "middle": (places - 1) // 2, "last": places - 1}[layer]]
    margins = margins_of(jacobians.outputs, jacobians.targets)
    deviation = (features.features - features.features.mean(0)).square().sum(1).mean().sqrt()
    if deviation == 0:
        raise genbench.NotApplicable("the hidden layer is the same at all training examples")
    distances = margins / (slopes * deviation)
    if not slopes.any():
        raise genbench.NotApplicable("at no training example the margin depends on the hidden layer")
    # An example without a margin lies on the boundary, also where it does not depend on the layer.
    distances = torch.where(margins == 0, torch.zeros_like(distances), distances)
    if not distances.isfinite().all():
        raise genbench.NotApplicable("at a training example the margin does not depend on the hidden layer")
    return distances


def _statistic(distances: Tensor, statistic: Statistic) -> Tensor:
    if statistic in ("mean", "variance", "skewness"):
        centred: Any = distances - distances.mean()
        variance = centred.square().mean()
        if statistic == "skewness" and variance.sqrt() <= _ROUNDING * distances.abs().max():
            raise genbench.NotApplicable("all distances are equal, which have no skewness")
        skewness = centred.pow(3).mean() / variance.pow(1.5)
        return {"mean": distances.mean(), "variance": variance, "skewness": skewness}[statistic]
    quarters = distances.new_tensor([0.25, 0.5, 0.75])
    low, median, high = distances.quantile(quarters)
    between = 1.5 * (high - low)
    if statistic == "lower_fence":
        return torch.maximum(low - between, distances.min())
    if statistic == "upper_fence":
        return torch.minimum(high + between, distances.max())
    return {"q1": low, "median": median, "q3": high}[statistic]
