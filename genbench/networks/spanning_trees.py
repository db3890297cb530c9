"""Minimal spanning trees of many samples of one cloud of points, compiled.

Apart from what asks for them, for the compiler is imported with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from genbench.ranking.jit import compiled

__all__ = ["tree_sums"]

_Array = np.ndarray[Any, Any]


@compiled
def tree_sums(distances: _Array, samples: _Array, alpha: float) -> _Array:
    """For each sample the sum of the edges of a minimal tree, to the power α; shape (samples,).

    A tree is grown from the first point of its sample by the nearest point outside (Prim's algorithm).

    Parameters
    ----------
    distances : ndarray, shape (n, n)
        Between the points.
    samples : ndarray of int, shape (samples, size)
        Places of the points of each sample.
    alpha : float
        Any edge is itself to the power 1, to the bit.
    """
    count, size = samples.shape
    totals = np.zeros(count)
    for sample in range(count):
        # The points outside the tree stand first, with how far they are from it.
        outside = samples[sample, 1:].copy()
        reach = np.full(size - 1, np.inf)
        new = samples[sample, 0]
        for left in range(size - 1, 0, -1):
            row, nearest, least = distances[new], 0, np.inf
            for place in range(left):
                # One branch in this loop is five times as fast as two.
                distance = min(reach[place], row[outside[place]])
                reach[place] = distance
                if distance < least:
                    nearest, least = place, distance
            totals[sample] += least if alpha == 1.0 else least**alpha
            new = outside[nearest]
            outside[nearest] = outside[left - 1]
            reach[nearest] = reach[left - 1]
    return totals
