"""The way of the weights through training: the length of each step, and distances between the last points.

Weights themselves are kept at a few steps only. What measures of the trajectory need of every step is small:
one number a step, and for a window at the end the distances between all pairs of points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Snapshots", "Walk", "distances_between", "walk_through"]

# Coordinates whose products are summed at a time.
_COLUMNS = 2**20


@dataclass(frozen=True)
class Walk:
    """Points that the trained parameters went through, by their distances.

    All tensors lie on the CPU.

    Attributes
    ----------
    steps : Tensor, shape (n,), int64
        Updates made when each point was reached, increasing.
    lengths : Tensor, shape (n - 1,), double
        Euclidean distances between successive points.
    distance : float
        From the first point to the last one.
    last : Tensor, shape (k, k), double
        Distances between all pairs of the last k points.
    """

    steps: Tensor
    lengths: Tensor
    distance: float
    last: Tensor

    def state(self) -> dict[str, Tensor]:
        """As tensors that are kept beside the weights; single precision, each pair once."""
        upper = torch.triu_indices(len(self.last), len(self.last), 1)
        return {
            "steps": self.steps,
            "lengths": self.lengths.float(),
            "distance": torch.tensor([self.distance]),
            "last": self.last[upper[0], upper[1]].float(),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor]) -> Walk:
        """The inverse of `state`."""
        pairs = state["last"].double()
        points = (1 + math.isqrt(1 + 8 * len(pairs))) // 2
        last = torch.zeros(points, points, dtype=torch.float64)
        upper = torch.triu_indices(points, points, 1)
        last[upper[0], upper[1]] = pairs
        return cls(state["steps"], state["lengths"].double(), float(state["distance"]), last + last.T)


class Snapshots(list[tuple[int, Mapping[str, Tensor]]]):
    """Weights along a training, as the run kept them: (step, state dict), in order.

    Attributes
    ----------
    walk : Walk or None
        What was recorded at every step.
    """

    def __init__(self, states: Iterable[tuple[int, Mapping[str, Tensor]]], walk: Walk | None = None):
        super().__init__(states)
        self.walk = walk


def walk_through(snapshots: Iterable[tuple[int, Mapping[str, Tensor]]], names: Iterable[str]) -> Walk:
    """The walk from one snapshot straight to the next.

    Parameters
    ----------
    snapshots : iterable of (step, state dict)
        At least one.
    names : iterable of str
        Of the parameters that count.
    """
    ordered = sorted(snapshots, key=lambda each: each[0])
    wanted = list(names)
    points = torch.stack(
        [torch.cat([state[name].detach().flatten().double() for name in wanted]) for _, state in ordered]
    )
    return Walk(
        torch.tensor([step for step, _ in ordered]),
        torch.linalg.vector_norm(points[1:] - points[:-1], dim=1).cpu(),
        float(torch.linalg.vector_norm(points[-1] - points[0])),
        distances_between(points).cpu(),
    )


def distances_between(points: Tensor) -> Tensor:
    """Euclidean distances between all pairs of rows, shape (n, n), double."""
    squares = torch.zeros(len(points), len(points), dtype=torch.float64, device=points.device)
    for part in points.split(max(1, _COLUMNS // max(1, len(points))), dim=1):
        # Seen from the last point, numbers are as small as the distances, and few digits cancel.
        moved = part.double() - part[-1].double()
        squares += moved @ moved.T
    own = squares.diagonal()
    distances = (own + own.unsqueeze(1) - 2 * squares).clamp_min(0).sqrt()
    return distances.fill_diagonal_(0)
