"""Which measures say the same: rank correlation between measures, put in an order that shows its blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["correlation"]

# Correlations over fewer fits than this are not shown.
FEWEST = 5
ALIKE = 0.95


def correlation(frame: pd.DataFrame, directions: Mapping[str, str]) -> dict[str, Any]:
    """Spearman's correlation over the fits on which both measures have a value, times both directions.

    So two measures that predict the same agree, even where one should rise with the target and one fall.

    Measures are ordered as the leaves of an average-linkage tree over the distance 1 − |ρ|; a pair without a
    correlation counts as unrelated. Constant measures are left out.

    Returns
    -------
    dict
        ``measures`` in their order; ``rho``, the rows of the lower triangle without the diagonal, in
        hundredths, None where there is none; ``groups``, lists of measures that a tree cut at |ρ| = 0.95
        holds together, the largest first.
    """
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
    from scipy.spatial.distance import squareform

    usable = [name for name in directions if frame[name].nunique(dropna=True) > 1]
    if len(usable) < 2:
        return {"measures": usable, "rho": [[] for _ in usable], "groups": []}
    # Ranked first, so that infinities count; pandas ranks anew among the fits that a pair shares.
    rho = frame[usable].rank().corr(method="spearman", min_periods=FEWEST)
    signs = np.array([-1.0 if directions[name] == "-" else 1.0 for name in usable])
    matrix = rho.to_numpy() * np.outer(signs, signs)
    np.fill_diagonal(matrix, 1.0)
    distance = 1 - np.abs(np.nan_to_num(matrix))
    distance = np.clip((distance + distance.T) / 2, 0, None)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    order = [int(each) for each in leaves_list(tree)]
    flat = fcluster(tree, 1 - ALIKE, criterion="distance")
    together: dict[int, list[str]] = {}
    for place in order:
        together.setdefault(int(flat[place]), []).append(usable[place])
    return {
        "measures": [usable[place] for place in order],
        "rho": [
            [_hundredths(matrix[place, other]) for other in order[:number]]
            for number, place in enumerate(order)
        ],
        "groups": sorted((each for each in together.values() if len(each) > 1), key=lambda each: -len(each)),
    }


def _hundredths(value: float) -> int | None:
    return None if math.isnan(value) else round(100 * float(value))
