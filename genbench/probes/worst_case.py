"""The worst perturbation of the weights within a ball of given size, by projected gradient ascent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

import genbench
from genbench.base.constraints import Count, Positive
from genbench.networks.objective import Objective
from genbench.probes.ascent import require_way_up

__all__ = ["Logits", "Raised", "Shape", "Weighting", "raised_losses"]

Shape = Literal["box", "euclidean"]
Weighting = Literal["none", "magnitude", "magnitude_plus_one"]
Logits = Literal["raw", "normalized"]

_OBJECTIVE = genbench.need(
    "objective", fold=genbench.setting("fold"), examples=genbench.setting("examples"), shared="biases"
)

# Of the ascent, as in Croce & Hein 2020: the weight of a step beside the momentum, the first two checkpoints
# and how the distance between checkpoints falls, as shares of all steps, and the share of steps that must
# have raised the loss since the last checkpoint.
_STEP_WEIGHT = 0.75
_FIRST, _SHORTER, _SHORTEST = 0.22, 0.03, 0.06
_SUCCESSFUL = 0.75


@dataclass(frozen=True)
class Raised:
    """Losses before and after the worst perturbation found.

    Attributes
    ----------
    before, after : Tensor, shape (batches,)
        Mean loss of each batch, double.
    sizes : Tensor, shape (batches,)
        Examples in each, double.
    """

    before: Tensor
    after: Tensor
    sizes: Tensor


@genbench.probe(cost="E")
def raised_losses(
    objective=_OBJECTIVE,
    *, shape: Shape = "euclidean", weighting: Weighting = "magnitude", radius: Positive = 0.5,
    logits: Logits = "raw", batch: Count | None = 128, steps: Count = 20, fold: bool = False,
    examples: Count = 256,
) -> Raised:  # fmt: skip
    """Ascend the loss of each batch by itself within ‖δ / c‖_p ≤ ρ.

    Steps go along the gradient by δ / c, or along its signs in a box, first with length 2ρ, with momentum;
    the length is halved, going back to the best point, at checkpoints by which too few steps have raised the
    loss (APGD, Croce & Hein 2020). There is no chance in it: the ascent starts at the trained weights. What
    it finds is a lower bound of the largest loss in the ball, which may have several local maxima.

    Parameters
    ----------
    shape : {"box", "euclidean"}
        p = ∞ or p = 2.
    weighting : {"none", "magnitude", "magnitude_plus_one"}
        c = 1, |w| or |w| + 1.
    radius : float
        ρ.
    logits : {"raw", "normalized"}
        ``normalized``: centred over the classes and divided by their Euclidean norm before the loss.
    batch : int or None
        Examples in a batch; all together where None.
    steps : int
        Steps of ascent, each a forward and a backward pass.
    fold : bool
        Fold batch norm into the weights beside it first, see `objective`.
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        The gradient of a batch's loss is zero up to rounding; or normalized logits in regression.
    """
    normalized = logits == "normalized"
    if normalized:
        objective.require_classification()
    magnitudes = objective.weights.abs()
    scale = {"none": torch.ones_like(magnitudes), "magnitude": magnitudes}.get(weighting, magnitudes + 1)
    rows = []
    for part in objective.batches(batch or len(objective.inputs)):
        ascent = _Ascent(part, scale, radius, shape, normalized)
        rows.append((*ascent.climb(steps), len(part.inputs)))
    before, after, sizes = torch.tensor(rows, dtype=torch.float64).T
    return Raised(before, after, sizes)


class _Ascent:
    """Points are z = δ / (ρ c), so that the ball is the unit ball."""

    def __init__(self, objective: Objective, scale: Tensor, radius: float, shape: Shape, normalized: bool):
        self._objective = objective
        self._scale = radius * scale
        self._shape = shape
        self._normalized = normalized

    def climb(self, steps: int) -> tuple[float, float]:
        """The loss at the centre, and the largest that was found."""
        point = before = best = torch.zeros_like(self._scale)
        loss, slope = self._look(point)
        base, highest, best_slope = loss, loss, slope
        rise = torch.linalg.vector_norm(slope.double(), ord=1 if self._shape == "box" else 2)
        require_way_up(rise, base, slope.dtype)
        length, due, gap, since, successes = 2.0, _FIRST * steps, _FIRST * steps, 0, 0
        kept, at_checkpoint = False, highest  # whether the last checkpoint left the length as it was
        for step in range(1, steps + 1):
            ahead = self._project(point + length * self._uphill(slope))
            if step > 1:
                mixed = _STEP_WEIGHT * (ahead - point) + (1 - _STEP_WEIGHT) * (point - before)
                ahead = self._project(point + mixed)
            previous = loss
            before, point = point, ahead
            loss, slope = self._look(point)
            since, successes = since + 1, successes + (loss > previous)
            if loss > highest:
                highest, best, best_slope = loss, point, slope
            if step >= due:
                stalled = kept and highest <= at_checkpoint
                kept = successes >= _SUCCESSFUL * since and not stalled
                if not kept:
                    length /= 2
                    point = before = best
                    loss, slope = highest, best_slope
                at_checkpoint, since, successes = highest, 0, 0
                gap = max(gap - _SHORTER * steps, _SHORTEST * steps)
                due += gap
        return base, highest

    def _look(self, point: Tensor) -> tuple[float, Tensor]:
        """The loss at a point and its gradient by z."""
        objective = self._objective
        loss, slope = objective.loss_and_gradient(
            objective.weights + self._scale * point, normalized=self._normalized
        )
        return loss, slope * self._scale

    def _uphill(self, slope: Tensor) -> Tensor:
        if self._shape == "box":
            return slope.sign()
        length = torch.linalg.vector_norm(slope.double()).clamp_min(torch.finfo(torch.float64).tiny)
        return (slope / length).to(slope.dtype)

    def _project(self, point: Tensor) -> Tensor:
        if self._shape == "box":
            return point.clamp(-1, 1)
        return point / torch.linalg.vector_norm(point).clamp_min(1)
