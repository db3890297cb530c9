"""Who stands where: orientation, order of the rows, intervals of ranks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from genbench.ranking.panel import Panel, Scores
from genbench.ranking.rank_ranges import rank_bounds, surely_better
from genbench.ranking.rerun import rerun

__all__ = ["Standing", "as_claimed", "orientation", "standing"]

UNSIGNED = frozenset({"r2", "r2_adjusted", "r2_cv", "cmi_abs", "gain", "hit_rate"})
"""Columns that do not know a direction; the others are multiplied by the measure's."""

SMALLER_IS_BETTER = frozenset(
    {"sign_error_mean", "sign_error_p90", "sign_error_max", "sign_error_unweighted", "regret"}
)
"""Columns that are computed from oriented values and are better when small."""


def orientation(rank_by: str, direction: int | str, better: Mapping[str, float]) -> float:
    """The sign that makes larger values of a column better, for a measure of a direction (``+`` or 1).

    `better` is that of `Scores`, or of a board.
    """
    if rank_by in better:
        return better[rank_by]
    if rank_by in SMALLER_IS_BETTER:
        return -1.0
    if rank_by in UNSIGNED:
        return 1.0
    return float({"+": 1, "-": -1, "?": 0}.get(str(direction), direction))


def as_claimed(column: str, direction: str, better: Mapping[str, float]) -> float:
    """The sign to show a score with: that of the claim where the column knows signs, else its own.

    +1 is what a measure promises then, whatever its direction; losses such as sign-errors stay as they are.
    """
    knows_signs = column not in UNSIGNED | SMALLER_IS_BETTER | better.keys()
    return -1.0 if direction == "-" and knows_signs else 1.0


@dataclass(frozen=True)
class Standing:
    """The order of the measures, as positions in the panel, the intervals of ranks, and how many differ.

    Attributes
    ----------
    pairs : dict
        Of the measures that are ranked, held-out ones left out: the number of pairs (``all``), of those that
        the intervals tell apart (``apart``), and that intervals half as wide would, as four times as many
        seeds (or configurations) make them (``apart_with_four_times``); None without intervals.
    reruns : dict
        By position, where there are intervals: what to expect of the score on a rerun (in the column's own
        sign), the probability of being the best, and of being among the best five.
    """

    order: list[int]
    ranks: dict[int, tuple[int, int]]
    pairs: dict[str, int | None]
    reruns: dict[int, list[float]]


def standing(
    panel: Panel,
    scores: Scores,
    rank_by: str,
    count: int,
    held_out: Collection[str] = (),
    seed: int = 0,
) -> Standing:
    """Order the first `count` columns of the panel, the measures, by the oriented column `rank_by`.

    Best first; then the held-out measures, ranked among themselves; below the line what claims no direction,
    by the size of its score; at last what has no score. The latter two have no rank.
    """
    sign = np.array([orientation(rank_by, each, scores.better) for each in panel.signs[:count]])
    raw = scores.estimate[rank_by][:count]
    oriented = sign * raw
    ranked = (panel.signs[:count] != 0) & ~np.isnan(oriented)
    apart = np.array([name in held_out for name in panel.names[:count]], dtype=bool)
    order: list[int] = []
    ranks: dict[int, tuple[int, int]] = {}
    pairs: dict[str, int | None] = {}
    reruns: dict[int, list[float]] = {}
    uncertainty = scores.uncertainty.get(rank_by)
    for pool in (np.flatnonzero(ranked & ~apart), np.flatnonzero(ranked & apart)):
        known = None if uncertainty is None else uncertainty.oriented(sign, pool)
        better, narrower = surely_better(oriented[pool], known)
        if known is not None:
            found = rerun(oriented[pool], known, seed)
            unknown = np.full(len(pool), np.nan)  # of the few that are ranked apart nobody asks for the best
            chances = (unknown, unknown) if apart[pool].any() else (found.best, found.among_best)
            columns = (sign[pool] * found.expected, *chances)
            reruns |= {int(place): each for place, *each in zip(pool, *columns, strict=True)}
        low, high = rank_bounds(better)
        ranks |= {int(place): (int(a), int(b)) for place, a, b in zip(pool, low, high, strict=True)}
        pairs = pairs or {
            "all": len(pool) * (len(pool) - 1) // 2,
            "apart": None if uncertainty is None else int(better.sum()),
            "apart_with_four_times": None if uncertainty is None else int(narrower.sum()),
        }
        order += sorted(map(int, pool), key=lambda place: (-oriented[place], panel.names[place]))
    below = sorted(
        set(range(count)) - set(order),
        key=lambda place: (np.isnan(raw[place]), -abs(np.nan_to_num(raw[place])), panel.names[place]),
    )
    return Standing([*order, *below], ranks, pairs, reruns)
