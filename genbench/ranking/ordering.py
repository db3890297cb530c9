"""Who stands where: orientation, order of the rows, intervals of ranks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from genbench.ranking.bootstrap import rank_bounds, surely_better
from genbench.ranking.panel import Panel, Scores

__all__ = ["Standing", "standing"]

UNSIGNED = frozenset({"r2", "r2_adjusted", "r2_cv", "cmi_abs", "gain", "hit_rate"})
"""Columns that do not know a direction; the others are multiplied by the measure's."""

SMALLER_IS_BETTER = frozenset(
    {"sign_error_mean", "sign_error_p90", "sign_error_max", "sign_error_unweighted", "regret"}
)
"""Columns that are computed from oriented values and are better when small."""


@dataclass(frozen=True)
class Standing:
    """The order of the measures, as positions in the panel, the intervals of ranks, and how many differ.

    Attributes
    ----------
    pairs : dict
        Of the measures that are ranked, held-out ones left out: the number of pairs (``all``), of those that
        the intervals tell apart (``apart``), and that intervals half as wide would, as four times as many
        configurations make them (``apart_with_four_times``).
    """

    order: list[int]
    ranks: dict[int, tuple[int, int]]
    pairs: dict[str, int]


def standing(
    panel: Panel, scores: Scores, rank_by: str, count: int, held_out: Collection[str] = ()
) -> Standing:
    """Order the first `count` columns of the panel, the measures, by the oriented column `rank_by`.

    Best first; then the held-out measures, ranked among themselves; below the line what claims no direction,
    by the size of its score; at last what has no score. The latter two have no rank.
    """
    if rank_by in SMALLER_IS_BETTER:
        sign = -np.ones(count)
    elif rank_by in UNSIGNED:
        sign = np.ones(count)
    else:
        sign = panel.signs[:count].astype(float)
    raw = scores.estimate[rank_by][:count]
    oriented = sign * raw
    ranked = (panel.signs[:count] != 0) & ~np.isnan(oriented)
    apart = np.array([name in held_out for name in panel.names[:count]], dtype=bool)
    order: list[int] = []
    ranks: dict[int, tuple[int, int]] = {}
    pairs: dict[str, int] = {}
    for pool in (np.flatnonzero(ranked & ~apart), np.flatnonzero(ranked & apart)):
        uncertainty, replicates = scores.uncertainty.get(rank_by), scores.replicates.get(rank_by)
        better, narrower = surely_better(
            oriented[pool],
            None if replicates is None else sign[pool, None] * replicates[pool],
            None if uncertainty is None else uncertainty.oriented(sign, pool),
        )
        low, high = rank_bounds(better)
        ranks |= {int(place): (int(a), int(b)) for place, a, b in zip(pool, low, high, strict=True)}
        pairs = pairs or {
            "all": len(pool) * (len(pool) - 1) // 2,
            "apart": int(better.sum()),
            "apart_with_four_times": int(narrower.sum()),
        }
        order += sorted(map(int, pool), key=lambda place: (-oriented[place], panel.names[place]))
    below = sorted(
        set(range(count)) - set(order),
        key=lambda place: (np.isnan(raw[place]), -abs(np.nan_to_num(raw[place])), panel.names[place]),
    )
    return Standing([*order, *below], ranks, pairs)
