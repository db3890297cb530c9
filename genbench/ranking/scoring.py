"""Every statistic of every measure of a panel, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from genbench.ranking.errors import RankingError, nearest
from genbench.ranking.from_elsewhere import OrientedStatistic, Statistic, custom
from genbench.ranking.panel import Panel, Scores
from genbench.ranking.resampling import Resampling
from genbench.ranking.rows import OWN_COLUMNS
from genbench.ranking.statistics import BY_DEFAULT, STATISTICS, Filler

__all__ = ["choose_statistics", "score"]


def choose_statistics(asked: Iterable[str | Statistic | OrientedStatistic] | str | None) -> dict[str, Filler]:
    """The statistics to compute, by name, in a fixed order; without a choice all but those of `compat`.

    Parameters
    ----------
    asked : names, functions and OrientedStatistic, optional
        The latter two are statistics from elsewhere. A function is called as ``function(values, target, axes,
        groups, weights)``, with values as they are; its column is named as it is.

    Raises
    ------
    RankingError
        For a name that is none.
    """
    if asked is None:
        return {name: STATISTICS[name] for name in BY_DEFAULT}
    listed = [asked] if isinstance(asked, str) else list(asked)
    names = [each for each in listed if isinstance(each, str)]
    unknown = [f"'{name}'{nearest(name, STATISTICS)}" for name in names if name not in STATISTICS]
    if unknown:
        raise RankingError(f"no statistic {', nor '.join(unknown)} (there are: {', '.join(STATISTICS)})")
    chosen = {name: STATISTICS[name] for name in STATISTICS if name in names}
    for each in listed:
        if isinstance(each, str):
            continue
        filler: Filler
        if isinstance(each, OrientedStatistic):
            name, filler = each.name, each.fill
        else:
            name = getattr(each, "__name__", type(each).__name__)
            filler = custom(name, each)
        if name in chosen:
            raise RankingError(f"two statistics are named '{name}'; rename the function")
        if name in OWN_COLUMNS:
            raise RankingError(f"a statistic cannot be named '{name}', a column of every ranking; rename it")
        chosen[name] = filler
    return chosen


def score(panel: Panel, statistics: Mapping[str, Filler], resampling: Resampling) -> Scores:
    """Compute `statistics` of every column of `panel`, with the uncertainty that `resampling` tells."""
    scores = Scores()
    scores.add("n", (~np.isnan(panel.values)).sum(axis=0).astype(float))
    for fill in statistics.values():
        fill(panel, resampling, scores)
    return scores
