"""Walkers on a potential with two minima of one depth, moved by the training that moves networks."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count, NonNegative, Positive

__all__ = ["Minima", "Walkers", "walkers"]

Minima = Literal["narrow-and-wide", "point-and-valley"]


class Walkers(nn.Module):
    """Points w_1, ..., w_n in d dimensions; the outputs are √a (w_j − π(w_j)), whatever the input.

    π(w) is the point of the minima, two boxes, that is closest to w; the first box where both are as close.

    Parameters
    ----------
    positions : Tensor, shape (n, d)
        Where the walkers start.
    boxes : Tensor, shape (2, 2, d)
        The lowest and the highest corner of each box.
    stiffness : float
        a.
    """

    boxes: Tensor

    def __init__(self, positions: Tensor, boxes: Tensor, stiffness: float):
        super().__init__()
        self.positions = nn.Parameter(positions)
        self.register_buffer("boxes", boxes, persistent=False)
        self.stiffness = stiffness

    def forward(self, inputs: Tensor) -> Tensor:
        """√a (w − π(w)) of all walkers in one row, the same for each of b inputs: shape (b, n · d)."""
        # No input changes the outputs, but derivatives by them exist and are zero.
        nothing = 0 * inputs.flatten(1).sum(1, keepdim=True)
        return nothing + self.stiffness**0.5 * self._from_the_minima().flatten()

    def potential(self) -> Tensor:
        """U(w_j) = a · dist(w_j, minima)² of each walker, shape (n,)."""
        return self.stiffness * self._from_the_minima().square().sum(1)

    def at_the_second(self) -> Tensor:
        """Whether a walker is closer to the second minimum than to the first, shape (n,)."""
        with torch.no_grad():
            first, second = (
                (self.positions - self.positions.clamp(low, high)).square().sum(1) for low, high in self.boxes
            )
            return second < first

    def _from_the_minima(self) -> Tensor:
        """w − π(w), shape (n, d); which box is closer is constant almost everywhere and has no gradient."""
        nearest = torch.where(self.at_the_second()[:, None, None], self.boxes[1], self.boxes[0])
        low, high = nearest[:, 0], nearest[:, 1]
        return self.positions - torch.clamp(self.positions, low, high)


@genbench.model(
    source="Zhang et al. 2017 (Theory of deep learning III), section 5.2 and figures 7-10", capturable=True
)
def walkers(
    task: genbench.Task,
    *,
    dimensions: Count = 2,
    minima: Minima = "narrow-and-wide",
    size: Positive = 0.5,
    gap: Positive = 1.5,
    stiffness: Positive = 1.0,
    spread: NonNegative = 1.0,
) -> nn.Module:
    """Independent walkers on the potential U(w) = a · dist(w, M)², whose two minima M are of one depth, 0.

    In regression of zeros (`noisy-zeros`) the loss is their mean potential over `dimensions`, and a constant;
    with K outputs and the learning rate K η a step moves each walker by −η ∇U(w) = −2 η a (w − π(w)). With
    the noise γ' of `langevin` they approach exp(−U/T) for T = γ'²/2η (eqs. 5 and 9). The paper draws its
    potentials and prints no formula: this is a simple one of which what it says is true. Where the nearer
    minimum changes, the loss of a noisy observation jumps; that of the whole training set does not.

    Parameters
    ----------
    task : Task
        Regression; `dimensions` divides its outputs, n is the quotient.
    dimensions : int
        d, the number of weights of a walker.
    minima : {"narrow-and-wide", "point-and-valley"}
        Two flat cubes, the second twice as wide in each dimension (figure 7); or a point and a set that is
        flat in all dimensions but the first, degenerate (figures 8 to 10).
    size : float
        Half the edge of the narrow cube; the wide one and the valley have twice that.
    gap : float
        Between the minima along the first dimension, in the middle of which 0 is. The ridge is
        a (gap / 2)² high there, at its lowest.
    stiffness : float
        a, half the curvature in a direction in which a minimum is not flat.
    spread : float
        Standard deviation of the starting points, in each dimension around 0.

    Raises
    ------
    InvalidInput
        A task of classes, or outputs that are no multiple of `dimensions`.
    """
    if task.kind != "regression":
        raise genbench.InvalidInput(
            "model 'walkers' is for regression, such as of the data set 'noisy-zeros'"
        )
    if task.outputs % dimensions:
        raise genbench.InvalidInput(
            f"model 'walkers': {task.outputs} outputs are no multiple of dimensions = {dimensions}; "
            f"{task.outputs - task.outputs % dimensions or dimensions} are"
        )
    half = torch.tensor([size, 2 * size] if minima == "narrow-and-wide" else [0.0, 2 * size])
    halves = half.unsqueeze(1).repeat(1, dimensions)
    if minima == "point-and-valley":
        halves[:, 0] = 0.0
    centres = torch.zeros(2, dimensions)
    centres[:, 0] = torch.tensor([-1.0, 1.0]) * (gap / 2 + halves[:, 0])
    boxes = torch.stack([centres - halves, centres + halves], dim=1)
    return Walkers(spread * torch.randn(task.outputs // dimensions, dimensions), boxes, stiffness)
