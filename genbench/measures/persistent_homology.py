"""The shape of the end of the trajectory as a cloud of points: dimension and sums of lifetimes, magnitude.

Where training wanders near a minimum, the set of weights that it visits is said to tell more of the gap than
the space in which it lies. All of it is read off the distances between the last points that the run recorded;
of snapshots that are given without a run, all are the cloud. In degree 0 the lifetimes of persistent homology
are the lengths of the edges of the minimal spanning tree.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

import genbench
from genbench.base.constraints import Count, Fraction, Positive

__all__ = ["e_alpha", "ph_dimension", "trajectory_magnitude"]

# A cloud of fewer points has no slope that would deserve the name.
_FEWEST = 20


@genbench.measure(
    family="trajectory", direction="+", source="Birdal et al. 2021, definition 5 and algorithm 1",
    formula="α / (1 − slope of ln E_α(n) against ln n), E_α = Σ_{e ∈ tree} |e|^α", aliases=("ph_dim",),
    version=3,
)  # fmt: skip
def ph_dimension(
    trajectory, generator,
    *, alpha: Positive = 1.0, smallest: Fraction = 0.2, sizes: Annotated[int, Ge(2)] = 9,
    repeats: Count = 150,
) -> float:  # fmt: skip
    """Persistent-homology dimension of the trajectory near its end: 1 of a line, about 2 of Brownian motion.

    It is estimated from few points, and is too large by some tenths for a path that is rough. The end is that
    of the steps made, also where training put earlier weights back.

    Parameters
    ----------
    alpha : float
        Power of the lifetimes.
    smallest : float
        The smallest random sample of points, as a share of all.
    sizes : int
        Sizes of samples from there to all points, evenly spaced, through whose sums the line is fitted by
        least squares.
    repeats : int
        Samples of each size, whose logarithms are averaged.

    Raises
    ------
    NotApplicable
        There are fewer than 20 points; or the sums grow as fast as the number of points, which no dimension
        makes them do.
    """
    distances = trajectory.last.numpy()
    n = len(distances)
    if n < _FEWEST:
        raise genbench.NotApplicable(
            f"{n} points of the trajectory are too few; what lacks was not trained, or not kept: the suite's "
            f"`keep` needs {{ trajectory = N }} with N ≥ {_FEWEST}"
        )
    taken = np.unique(np.linspace(max(2, round(smallest * n)), n, sizes).round().astype(int))
    if len(taken) < 2:
        raise genbench.NotApplicable("samples of one size make no slope")
    logarithms = []
    for size in taken:
        draws = [
            torch.randperm(n, generator=generator, device=generator.device)
            for _ in range(repeats if size < n else 1)
        ]
        samples = torch.stack(draws)[:, :size].cpu().numpy()
        sums = _lifetimes(distances, np.ascontiguousarray(samples), alpha)
        logarithms.append(np.log(sums).mean())
    slope = np.polyfit(np.log(taken), logarithms, 1)[0]
    if slope >= 1:
        raise genbench.NotApplicable(f"the sums grow with slope {slope:.2f}, at which there is no dimension")
    return float(alpha / (1 - slope))


@genbench.measure(
    family="trajectory", direction="+", source="Andreeva et al. 2024, section 3",
    formula="E_α = Σ_{e ∈ tree} |e|^α",
)  # fmt: skip
def e_alpha(trajectory, *, alpha: Positive = 1.0) -> float:
    """Sum of the α-weighted lifetimes of the last points of the trajectory.

    It grows with the number of points, which the suite sets. They are those of the last steps, also where
    training put earlier weights back.

    Parameters
    ----------
    alpha : float
        Power of the lifetimes.
    """
    cloud = _cloud(trajectory)
    return float(_lifetimes(cloud, np.arange(len(cloud))[None], alpha)[0])


@genbench.measure(
    family="trajectory", direction="+", source="Andreeva et al. 2024, section 3; Leinster 2013",
    formula="Σ_i β_i, Σ_j exp(−s ‖w_i − w_j‖) β_j = 1", aliases=("magnitude",),
)  # fmt: skip
def trajectory_magnitude(
    trajectory, sample_size, *, scale: Positive | None = None, positive: bool = False
) -> Tensor:
    """Magnitude of the last points of the trajectory: how many they are, seen from a distance.

    They are those of the last steps, also where training put earlier weights back.

    Parameters
    ----------
    scale : float, optional
        s; √m for m training examples where left out, as the bound of the source has it.
    positive : bool
        The sum over the positive β_i only, for which the source has its bound.
    """
    distances = torch.from_numpy(_cloud(trajectory))
    same = (distances == 0).triu(1).any(0)  # a point that is there already counts once
    distances = distances[~same][:, ~same]
    factor, failed = torch.linalg.cholesky_ex((-distances * (scale or sample_size**0.5)).exp())
    if failed:
        raise genbench.NotApplicable("the points of the trajectory are too near each other at this scale")
    weights = torch.cholesky_solve(torch.ones(len(distances), 1, dtype=torch.float64), factor)
    return weights.clamp_min(0).sum() if positive else weights.sum()


def _cloud(trajectory) -> np.ndarray:
    if len(trajectory.last) < 2:
        raise genbench.NotApplicable("not kept: the suite's `keep` needs { trajectory = N } with N > 1")
    return trajectory.last.numpy()


def _lifetimes(distances: np.ndarray, samples: np.ndarray, alpha: float) -> np.ndarray:
    """For each of some samples of the points, shape (samples, size), its sum of lifetimes to the power α."""
    from genbench.networks.spanning_trees import tree_sums

    if np.isnan(distances).any():
        return np.full(len(samples), np.nan)
    totals = tree_sums(np.ascontiguousarray(distances, dtype=np.float64), samples, alpha)
    if not totals.all():
        raise genbench.NotApplicable("the weights did not move")
    return totals
