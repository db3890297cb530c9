"""Random numbers whose values are part of what a data set is.

They are made from the raw doubles of one bit generator (PCG64), whose stream is fixed by definition, so that
an upgrade of a library cannot change which examples a training set has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["permutation", "uniforms"]


def uniforms(seed: int, rows: int, columns: int = 1) -> NDArray[np.float64]:
    """Numbers in [0, 1), shape (rows, columns); row i is the same whatever the number of rows."""
    return np.random.Generator(np.random.PCG64(seed)).random((rows, columns))


def permutation(seed: int, count: int) -> NDArray[np.int64]:
    """A random order of 0..count-1: the ranks of `count` uniform numbers."""
    return np.argsort(uniforms(seed, count)[:, 0], kind="stable")
