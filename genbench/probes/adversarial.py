"""How far training inputs may be moved before the prediction changes, each in the worst direction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count
from genbench.networks.freezing import slope
from genbench.networks.passes import chunks, evenly_spaced, forward, require_classes

__all__ = ["AdversarialDistances", "adversarial_distances", "require_movable"]

# How far behind a boundary that is thought to be straight a step ends, as a share of the step; and halvings
# of the segment from the example to a point behind the boundary, to less than 1e-7 of its length.
_OVERSHOOT = 0.02
_HALVINGS = 24
# Of steps that come closer, from the first to the last: their length as a share of the distance known before,
# and the part by which the ball shrinks when the prediction has changed, and grows when it has not.
_STRIDES = 1.0, 0.01
_SHRINKING = 0.2, 0.001


@dataclass(frozen=True)
class AdversarialDistances:
    """Smallest changes found that alter the predictions of s training examples.

    Attributes
    ----------
    distances : Tensor, shape (s,)
        ‖Δx‖₂, double; infinite where none was found.
    correct : Tensor, shape (s,)
        Whether the prediction is the label.
    """

    distances: Tensor
    correct: Tensor


@genbench.probe(cost="E", version=2)
def adversarial_distances(
    model, inputs, targets, task, device,
    *, steps: Count = 20, refinements: Count = 2, closer: Count = 20, examples: Count = 100,
) -> AdversarialDistances:  # fmt: skip
    """An upper bound of each example's distance from where its prediction changes; exact for linear networks.

    DeepFool (Moosavi-Dezfooli et al. 2016) steps to the nearest boundary of the linearized network until the
    prediction changes. The point is drawn back along a straight line until it is on the boundary. Then the
    boundary is taken as a plane there, and the way straight to it is tried, and kept where it is shorter.

    Parameters
    ----------
    steps : int
        Steps of DeepFool, each a forward pass and as many backward passes as there are outputs, of the
        examples that still have their prediction.
    refinements : int
        How often the straight way is tried.
    closer : int
        Steps in a shrinking ball, each a forward and a backward pass of each example: so many from either
        point, and half as many from the example.
    examples : int
        At most this many training examples, evenly spaced over the training split.

    Raises
    ------
    NotApplicable
        The inputs are not numbers, or the task is not classification.
    """
    require_movable(inputs)
    picked = evenly_spaced(inputs, examples)
    found, predictions = [], []
    for part in chunks(picked, device, copies=4 * task.outputs):
        start = picked[part].to(device)
        outputs = forward(model, start)
        require_classes(task, outputs)
        search = _Search(model, start, outputs.argmax(1))
        found.append(search.nearest(steps, refinements, closer))
        predictions.append(search.labels)
    correct = torch.cat(predictions) == evenly_spaced(targets, examples).to(device)
    return AdversarialDistances(torch.cat(found), correct)


def require_movable(inputs: Tensor) -> None:
    """Raise NotApplicable unless the inputs are numbers that may be moved a little."""
    if not inputs.is_floating_point():
        raise genbench.NotApplicable(f"inputs of type {inputs.dtype} cannot be moved a little")


class _Search:
    """The nearest points at which examples get another label than the one that they have."""

    def __init__(self, model: nn.Module, start: Tensor, labels: Tensor):
        self._model = model
        self._start = start
        self.labels = labels

    def nearest(self, steps: int, refinements: int, closer: int) -> Tensor:
        """Distances, shape (n,), double."""
        behind = self._deepfool(steps)
        best = self._drawn_back(behind)
        for _ in range(refinements):
            best = self._nearer(best, self._drawn_back(self._straight(best)))
        known = self._distance(best)
        elsewhere = self._closer(self._start, known, (closer + 1) // 2)
        for begun in (best, elsewhere):
            best = self._nearer(best, self._drawn_back(self._closer(begun, known, closer)))
        # A point just behind a boundary may be rounded to before it on the way back: then it stands itself.
        nowhere = ~self._distance(best).isfinite()
        return self._distance(torch.where(_column(nowhere, best), behind, best))

    def _nearer(self, first: Tensor, second: Tensor) -> Tensor:
        """Of each example the point that is nearer to it; NaN is nowhere."""
        shorter = self._distance(second) < self._distance(first)
        return torch.where(_column(shorter, first), second, first)

    def _deepfool(self, steps: int) -> Tensor:
        """Points with another label; NaN where none was reached."""
        points = self._start.clone()
        todo = torch.arange(len(points), device=points.device)
        for _ in range(steps):
            shortest, gap, direction = self._linearized(points[todo], self.labels[todo])
            moved = (1 + _OVERSHOOT) * (gap / direction.double().square().sum(1)).unsqueeze(1) * direction
            points[todo] = points[todo] + moved.to(points.dtype).view(points[todo].shape)
            todo = todo[(self._labels(points[todo]) == self.labels[todo]) & shortest.isfinite()]
            if not len(todo):
                break
        same = self._labels(points) == self.labels
        points[same] = torch.nan
        return points

    def _straight(self, boundary: Tensor) -> Tensor:
        """From the start straight to the plane that touches the boundary, and a little behind it."""
        _, _, direction = self._linearized(boundary, self.labels)
        normal = direction.double()
        away = (boundary - self._start).flatten(1).double()
        length = (normal * away).sum(1) / normal.square().sum(1)
        moved = ((1 + _OVERSHOOT) * length.unsqueeze(1) * normal).to(boundary.dtype)
        return self._start + moved.view(boundary.shape)

    def _closer(self, begun: Tensor, known: Tensor, steps: int) -> Tensor:
        """The nearest points with another label on a way from some; NaN where none was met.

        Steps go down the lead of the label, within a ball that is made smaller behind the boundary and larger
        before it. Until a point behind is met, it reaches as far as a plane boundary would be.
        """
        start = self._start.flatten(1).double()
        at = torch.where(_column(self._distance(begun).isfinite(), begun), begun, self._start)
        moved = at.flatten(1).double() - start
        best, least = torch.full_like(moved, torch.nan), torch.full_like(known, torch.inf)
        radius = torch.linalg.vector_norm(moved, dim=1)
        for step in range(steps):
            late = (1 - math.cos(math.pi * step / steps)) / 2
            stride, part = (first + late * (last - first) for first, last in (_STRIDES, _SHRINKING))
            point = (start + moved).to(begun.dtype).view(begun.shape)
            lead, slope = self._lead(point)
            steepness = torch.linalg.vector_norm(slope, dim=1).clamp_min(torch.finfo(slope.dtype).tiny)
            ahead = (lead / steepness).clamp_min(0).nan_to_num(posinf=torch.inf)
            scale = torch.where(known.isfinite(), known, ahead).nan_to_num(posinf=0)
            length = torch.linalg.vector_norm(moved, dim=1)
            behind = lead < 0
            nearer = behind & (length < least)
            best, least = torch.where(nearer[:, None], moved, best), torch.where(nearer, length, least)
            outward = torch.where(least.isfinite(), radius * (1 + part), length + torch.minimum(ahead, scale))
            radius = torch.where(behind, radius * (1 - part), outward).minimum(least)
            moved = moved - (stride * scale / steepness)[:, None] * slope
            longest = torch.linalg.vector_norm(moved, dim=1).clamp_min(torch.finfo(slope.dtype).tiny)
            moved = moved * (radius / longest).clamp_max(1)[:, None]
        return (start + best).to(begun.dtype).view(begun.shape)

    def _lead(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """By how much the label's output is above all others, shape (n,), and its slope, (n, inputs)."""
        labels = self.labels.unsqueeze(1)
        with torch.enable_grad():
            copies = points.detach().clone().requires_grad_()
            outputs = forward(self._model, copies)
            others = outputs.scatter(1, labels, -torch.inf).max(1).values
            lead = outputs.gather(1, labels).squeeze(1) - others
            (slope,) = torch.autograd.grad(lead.sum(), copies)
        return lead.detach().double(), slope.flatten(1).double().nan_to_num()

    def _drawn_back(self, behind: Tensor) -> Tensor:
        """The points where the segments from the start cross the boundary, just behind it.

        NaN where the end of a segment has the label of its start.
        """
        low = torch.zeros(len(behind), dtype=torch.float64, device=behind.device)
        high = torch.ones_like(low)
        way = behind - self._start
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            same = self._labels(self._start + _column(middle, way).to(way.dtype) * way) == self.labels
            low, high = torch.where(same, middle, low), torch.where(same, high, middle)
        crossed = self._start + _column(high, way).to(way.dtype) * way
        crossed[self._labels(crossed) == self.labels] = torch.nan
        return crossed

    def _linearized(self, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The nearest other label's distance, how far its output lies below, and the slope of what it lacks.

        Shapes (n,), (n,), (n, inputs): to first order f_j − f_label changes sign behind gap / ‖gradient‖.
        """
        outputs = self._outputs(points)
        n, count = outputs.shape
        with torch.enable_grad():
            copies = points.repeat_interleave(count, 0).requires_grad_()
            values = forward(self._model, copies)
            rows = torch.arange(n * count, device=points.device)
            lead = values[rows, rows % count] - values[rows, labels.repeat_interleave(count)]
            slopes = slope(lead.sum(), copies).flatten(1).view(n, count, -1)
        gaps = outputs.gather(1, labels.unsqueeze(1)) - outputs
        lengths = torch.linalg.vector_norm(slopes.double(), dim=2)
        distances = (
            (gaps / lengths)
            .scatter(1, labels.unsqueeze(1), torch.inf)
            .nan_to_num(nan=torch.inf, posinf=torch.inf)
        )
        shortest, nearest = distances.abs().min(1)
        one = torch.arange(n, device=points.device)
        return shortest, gaps[one, nearest], slopes[one, nearest]

    def _outputs(self, points: Tensor) -> Tensor:
        with torch.no_grad():
            return forward(self._model, points).double()

    def _labels(self, points: Tensor) -> Tensor:
        return self._outputs(points).argmax(1)

    def _distance(self, points: Tensor) -> Tensor:
        away = (points - self._start).flatten(1).double()
        return torch.linalg.vector_norm(away, dim=1).nan_to_num(nan=torch.inf, posinf=torch.inf)


def _column(values: Tensor, like: Tensor) -> Tensor:
    """One value for each row, in a shape that meets that of the rows."""
    return values.view(-1, *[1] * (like.ndim - 1))
