"""The bulk of a spectrum as WeightWatcher 0.7.7 finds it: by the shape of the density, not by its mean.

Apart from `random_matrices`, since all of it is the program's: a triangular kernel, its grid and its margins.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["density_edge"]

_Array = np.ndarray[Any, np.dtype[np.float64]]

# Of the density: half the width of its kernel, where it is read, and what counts as none.
_HALF_WIDTH = 0.1
_BEYOND, _POINTS = 0.5, 1000
_NO_DENSITY = 0.01
# Standard deviations tried, as shares of the one whose bulk ends at the largest eigenvalue.
_TRIED = slice(0.05, 2.0, 0.01)
# For one whose bulk cannot be that of the density.
_REFUSED = 1000.0


def density_edge(spectrum: Tensor, longer: int, shorter: int) -> tuple[float, int]:
    """λ_+ of the law of Marchenko & Pastur nearest to the density of eigenvalues, and how many lie beyond it.

    The eigenvalues are scaled to a mean of 1 and their density is estimated with a triangular kernel. Of the
    laws whose bulk holds the highest point of the density, the one of least squared difference is taken; of
    square matrices, of quarter circles of singular values, which there end at 2 whatever the variance. Spikes
    lie beyond λ_+ by more than √(λ_+^⅔ M^−⅔ √(M / N)).

    Parameters
    ----------
    spectrum : Tensor
        All eigenvalues, those of zero included.
    longer, shorter : int
        N and M, N ≥ M.
    """
    from scipy.optimize import brute

    values = spectrum.cpu().numpy().astype(float)
    scale = len(values) / values.sum()
    values = np.sort(values * scale)
    square = longer == shorter
    grid, density = _density(np.sqrt(values) if square else values)
    share = math.sqrt(shorter / longer)
    highest = math.sqrt(values[-1]) / (1 + share)
    tried = (slice(*(highest * each for each in (_TRIED.start, _TRIED.stop, _TRIED.step))),)

    def misfit(deviation: _Array) -> float:
        return _misfit(float(np.squeeze(deviation)), grid, density, share)

    deviation = float(np.squeeze(brute(misfit, tried, full_output=True)[0]))
    edge = (deviation * (1 + share)) ** 2
    margin = math.sqrt(share * edge ** (2 / 3) * shorter ** (-2 / 3))
    return edge / scale, int((values > edge + margin).sum())


def _density(values: _Array) -> tuple[_Array, _Array]:
    """Points, and the density there, for the points where there is any."""
    grid = np.linspace(0, values.max() + _BEYOND, _POINTS)
    # Sums over the values up to each point stand for one over pairs, of which large layers have millions.
    ordered, sums = np.sort(values), np.concatenate([[0.0], np.cumsum(np.sort(values))])

    def summed(low: _Array, high: _Array) -> tuple[_Array, _Array]:
        first, last = np.searchsorted(ordered, low), np.searchsorted(ordered, high)
        return (last - first).astype(float), sums[last] - sums[first]

    below, below_sum = summed(grid - _HALF_WIDTH, grid)
    above, above_sum = summed(grid, grid + _HALF_WIDTH)
    distances = (grid * below - below_sum) + (above_sum - grid * above)
    density = (below + above - distances / _HALF_WIDTH) / (len(values) * _HALF_WIDTH)
    seen = density > _NO_DENSITY
    return grid[seen], density[seen]


def _misfit(deviation: float, grid: _Array, density: _Array, share: float) -> float:
    """Squared difference of the density from that of random matrices, by √(M / N)."""
    if share == 1:
        law = np.sqrt(np.clip(4 - grid**2, 0, None)) / (np.pi * deviation**2)
        return float(((law - density) ** 2).sum())
    first, last = (deviation * (1 - share)) ** 2, (deviation * (1 + share)) ** 2
    mode = grid[density.argmax()]
    if not first <= mode <= last <= grid[-1]:
        return _REFUSED**2 * len(grid)
    inside = np.clip((last - grid) * (grid - first), 0, None)
    law = np.sqrt(inside) / (2 * np.pi * deviation**2 * share**2 * np.maximum(grid, np.finfo(float).tiny))
    return float(((law - density) ** 2).sum())
