"""What a claim consists of, and the vocabulary of its statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from genbench.base.constraints import Count, NonNegative

__all__ = [
    "BOUNDS", "DEFAULT_SEEDS", "HISTORY_COLUMNS", "NEEDS", "NULLS", "RECIPROCAL",
    "Claim", "Filter", "Level", "Statistic", "column_words",
]  # fmt: skip

Level = bool | int | float | str
Filter = Mapping[str, Level | list[Level]]
Statistic = Literal[
    "difference", "ratio", "mean", "fraction", "order", "rank_correlation", "slope", "intercept", "r2",
    "rmse", "partial_correlation", "rank_gain",
]  # fmt: skip

DEFAULT_SEEDS = 5

NEEDS: Mapping[Statistic, tuple[str, ...]] = {
    "difference": ("arm", "against"),
    "ratio": ("arm", "against"),
    "mean": (),
    "fraction": (),
    "order": ("axis",),
    "rank_correlation": ("on",),
    "slope": ("on",),
    "intercept": ("on",),
    "r2": ("on",),
    "rmse": ("on",),
    "partial_correlation": ("on", "given"),
    "rank_gain": ("on", "given"),
}
"""The keys that a statistic needs beside its column; those of the others it must not have."""

NULLS: Mapping[Statistic, float] = {
    "difference": 0.0, "ratio": 1.0, "fraction": 0.5, "order": 0.0, "rank_correlation": 0.0, "slope": 0.0,
    "partial_correlation": 0.0, "rank_gain": 0.0,
}  # fmt: skip
"""What a statistic is where the claim is empty: `than` where a claim leaves it out."""

BOUNDS: Mapping[Statistic, tuple[float, float]] = {
    "fraction": (0.0, 1.0), "order": (-1.0, 1.0), "rank_correlation": (-1.0, 1.0), "r2": (0.0, 1.0),
    "partial_correlation": (-1.0, 1.0), "rank_gain": (-1.0, 1.0),
}  # fmt: skip


RECIPROCAL = "1/"

HISTORY_COLUMNS = ("best_test_error", "best_test_loss", "test_error_rise", "test_loss_rise")
"""Columns of runs that keep the test history: the lowest value at the end of any epoch, and how far the last
one lies above it."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a paper says, its number and where it stands, and how a run computes it.

    Attributes
    ----------
    id : str
        A short name, one for each claim of a suite.
    text, paper, place : str
        What the paper says, in our words; which paper; which section, table or figure.
    statistic : str
        Computed within each seed. ``difference`` and ``ratio`` (geometric mean) of a column between two arms,
        paired over the other axes; ``mean``; ``fraction`` of the fits that are `above` or `below` something;
        ``order``, Kendall's tau-a of a column along the levels of an axis, over fits that agree on all other
        axes; ``rank_correlation``, Kendall's tau-b of two columns; ``slope``, ``intercept``, ``r2`` and
        ``rmse`` of the least-squares line of a column on another; ``partial_correlation`` of the two when
        what is linear in a third is taken out of both; ``rank_gain``, by how much the size of Kendall's tau-b
        of a column with `on` exceeds that with `given`.
    column : str
        A target, an error or a loss, a number of the test history, or a measure.
    expect : {"higher", "lower", "same"}
        Where the statistic lies: above or below `than`, or within `tolerance` of it.
    than : float
        0 for differences, correlations and slopes, 1 for ratios, 0.5 for fractions; otherwise needed.
    published : float or None
        The paper's number for this statistic.
    tolerance : float or None
        How far from `published` counts as the same number, absolute.
    arm, against : mapping from axis to level or levels
    ignore : sequence of str
        Axes over which fits are not paired, because they differ between the arms by design.
    choose : sequence of str
        Hyperparameters of the arms of which the best level by `by` counts, separately for each arm and pair.
    by : str
        A column computed on a validation split.
    axis : str
    levels : sequence
        In the order in which the column grows by the claim; sorted where left out.
    on, given : str
        Further columns; `on` may be an axis with numbers. ``1/NAME`` is a column's reciprocal.
    above, below : float or str
        A number or a column.
    where : mapping from axis to level or levels
        The fits that the claim is about; all where left out.
    seeds : int
        Below this many the claim is not tested.
    differs : str
        What is other here than in the paper: the verdict is *direction only* at best, with this reason.
    """

    id: str
    text: str
    paper: str
    place: str
    statistic: Statistic
    column: str
    expect: Literal["higher", "lower", "same"]
    than: float | None = None
    published: float | None = None
    tolerance: NonNegative | None = None
    arm: Filter | None = None
    against: Filter | None = None
    ignore: Sequence[str] = ()
    choose: Sequence[str] = ()
    by: str = "val_error"
    axis: str | None = None
    levels: Sequence[Level] | None = None
    on: str | None = None
    given: str | None = None
    above: float | str | None = None
    below: float | str | None = None
    where: Filter | None = None
    seeds: Count = DEFAULT_SEEDS
    differs: str = ""

    @property
    def null(self) -> float:
        """What the statistic is compared with."""
        if self.than is not None:
            return self.than
        return NULLS.get(self.statistic, self.published if self.published is not None else float("nan"))


def column_words(claim: Claim) -> list[str]:
    """Every word of a claim that names a column (or, of `on`, an axis)."""
    words = [
        claim.column,
        claim.on,
        claim.given,
        claim.above,
        claim.below,
        claim.by if claim.choose else None,
    ]
    return [each.removeprefix(RECIPROCAL) for each in words if isinstance(each, str)]
