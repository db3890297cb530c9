"""Noisy polynomials of one variable, the regression data of Taborsky & Hansen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray

import genbench
from genbench.base.constraints import Count, NonNegative, Positive

__all__ = ["curve", "polynomial"]

# The points follow from the settings, which enter the key beside this; the version of the component tells
# when the rule changes.
CHECKSUM = "generated"
TASK = genbench.Task("regression", (1,), 1)

Function = Literal["quadratic", "mixed"]


def curve(x: NDArray[np.float64], function: Function) -> NDArray[np.float64]:
    """The noise-free function: ``quadratic`` is 10 + 1.22 x²; ``mixed`` adds 1.22 (x + 4)³ where x < 0."""
    values = 10 + 1.22 * x**2
    if function == "mixed":
        values = values + np.where(x < 0, 1.22 * (x + 4) ** 3, 0.0)
    return values


@genbench.dataset(
    checksum=CHECKSUM,
    task=TASK,
    examples=lambda train_points, **_: train_points,
    source="Taborsky & Hansen, Generalization by design, section 4.1 and Figs. 2, 4, 7",
)
def polynomial(
    root: Path | None,
    *,
    function: Function = "quadratic",
    noise: NonNegative = 10.0,
    train_points: Count = 100,
    test_points: Count = 100,
    train_range: Positive = 8.0,
    test_range: Positive = 2.0,
    data_seed: Annotated[int, Ge(0)] = 0,
) -> genbench.Data:
    """A noisy polynomial on an even grid of points; the test points lie in the middle of the training range.

    Parameters
    ----------
    root : Path or None
        Not used, the data are computed.
    function : {"quadratic", "mixed"}
        g or h of the paper, see `curve`.
    noise : float
        Standard deviation of the Gaussian noise on both splits. The paper's caption has N(0, 10²), its text
        N(0, 10); the default follows the caption.
    train_points, test_points : int
        Numbers of grid points.
    train_range, test_range : float
        The grids go from minus to plus this, ends included.
    data_seed : int
        Seed of the noise. It belongs to the data: the seeds of a suite do not change it.
    """
    generator = np.random.Generator(np.random.PCG64(data_seed))
    splits = []
    for points, half_width in ((train_points, train_range), (test_points, test_range)):
        x = np.linspace(-half_width, half_width, points)
        y = curve(x, function) + noise * generator.standard_normal(points)
        inputs, targets = (torch.from_numpy(each.astype(np.float32)).unsqueeze(1) for each in (x, y))
        splits.append(genbench.Split(inputs, targets))
    return genbench.Data(splits[0], splits[1], TASK, CHECKSUM)
