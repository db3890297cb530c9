"""The statistics of claims: one value for each seed of a run."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genbench.base.errors import UsageError
from genbench.claims.evidence import Evidence
from genbench.planning.axes import ABSENT
from genbench.planning.claims.claim import Claim

__all__ = ["Untestable", "per_seed"]


class Untestable(Exception):
    """The run holds nothing from which the statistic follows; the text says why."""


def per_seed(claim: Claim, evidence: Evidence, column: str) -> np.ndarray:
    """The statistic of a claim within each seed that has it, with another column in the place of its own.

    A ratio is given as its logarithm.

    Raises
    ------
    Untestable
        No seed has it.
    """
    try:
        found = [
            _Seed(claim, evidence, column, seed).value() for seed in sorted(set(evidence.seeds.tolist()))
        ]
    except UsageError as fault:
        raise Untestable(str(fault)) from None
    values = np.array([each for each in found if each is not None and not math.isnan(each)])
    if not len(values):
        raise Untestable(_why_none(claim, evidence, column))
    return values


def _why_none(claim: Claim, evidence: Evidence, column: str) -> str:
    rows = evidence.chosen(claim.where)
    if not rows.any():
        return "the run has no fit that the claim is about"
    if not np.isfinite(_column(evidence, column)[rows]).any():
        return f"no fit has a finite {column}"
    if claim.arm is not None:
        for name, arm in (("arm", claim.arm), ("against", claim.against)):
            if not (rows & evidence.chosen(arm)).any():
                return f"the run has no fit of '{name}'"
        axes = ", ".join(_pairing_axes(claim, evidence)) or "none"
        return f"no fit of one arm agrees with one of the other on all other axes ({axes})"
    return f"within no seed are there values enough for the {claim.statistic}"


def _column(evidence: Evidence, word: str) -> np.ndarray:
    numbers = evidence.numbers(word)
    if numbers is None:
        raise Untestable(f"the run has no column '{word}'")
    return numbers


def _pairing_axes(claim: Claim, evidence: Evidence) -> list[str]:
    """The axes on which fits of two arms must agree: those that are not what is compared.

    A setting that one of the arms lacks cannot be agreed on.
    """
    named = {*(claim.arm or {}), *(claim.against or {}), *claim.ignore, *claim.choose}
    if claim.axis is not None:
        named.add(claim.axis)
    apart = {evidence.axis(word) for word in named}
    rows = evidence.chosen(claim.where)
    arms = [rows & evidence.chosen(arm) for arm in (claim.arm, claim.against) if arm is not None] or [rows]

    def exists(axis: str) -> bool:
        levels = evidence.coordinates[axis]
        return all(any(levels[row] != ABSENT for row in np.flatnonzero(arm).tolist()) for arm in arms)

    return [axis for axis in evidence.axes if axis not in apart and exists(axis)]


@dataclass(frozen=True)
class _Seed:
    """One repetition of the experiment."""

    claim: Claim
    evidence: Evidence
    column: str
    seed: int

    def value(self) -> float | None:
        values = _column(self.evidence, self.column)
        about = self.evidence.chosen(self.claim.where) & np.isfinite(values)
        rows = about & (self.evidence.seeds == self.seed)
        match self.claim.statistic:
            case "difference" | "ratio":
                return self._between_arms(about, values)
            case "order":
                return self._order(rows, values)
            case "mean":
                return float(values[rows].mean()) if rows.any() else None
            case "fraction":
                return self._fraction(rows, values)
            case "rank_correlation":
                return self._rank_correlation(rows, values)
            case "rank_gain":
                return self._rank_gain(rows, values)
            case "partial_correlation":
                return self._partial_correlation(rows, values)
        return self._line(rows, values)

    def _between_arms(self, about: np.ndarray, values: np.ndarray) -> float | None:
        axes = _pairing_axes(self.claim, self.evidence)
        arms = [about & self.evidence.chosen(arm) for arm in (self.claim.arm, self.claim.against)]
        if self.claim.statistic == "ratio":
            if any((values[arm] <= 0).any() for arm in arms):
                raise Untestable(f"{self.column} is not positive on every fit, so that there is no ratio")
            values = np.log(np.where(arms[0] | arms[1], values, 1.0))
        here = self.evidence.seeds == self.seed
        first, second = (dict(self._cells(self._chosen(arm, axes) & here, axes)) for arm in arms)
        differences = [
            values[first[cell]].mean() - values[second[cell]].mean() for cell in first if cell in second
        ]
        return float(np.mean(differences)) if differences else None

    def _cells(self, rows: np.ndarray, axes: Sequence[str]) -> Iterator[tuple[Hashable, np.ndarray]]:
        """The fits that agree on all of these axes, by their levels."""
        cells: dict[Hashable, list[int]] = {}
        for row in np.flatnonzero(rows).tolist():
            cells.setdefault(tuple(self.evidence.coordinates[axis][row] for axis in axes), []).append(row)
        return ((cell, np.array(members)) for cell, members in cells.items())

    def _chosen(self, arm: np.ndarray, axes: Sequence[str]) -> np.ndarray:
        """Of each cell of an arm the fits whose hyperparameters are best, on the mean over all seeds."""
        if not self.claim.choose:
            return arm
        by = _column(self.evidence, self.claim.by)
        tuned = [self.evidence.axis(word) for word in self.claim.choose]
        kept = np.zeros(len(arm), dtype=bool)
        for _, members in self._cells(arm & np.isfinite(by), axes):
            cell = np.zeros(len(arm), dtype=bool)
            cell[members] = True
            levels = [places for _, places in self._cells(cell, tuned)]
            kept[min(levels, key=lambda places: by[places].mean())] = True
        return kept

    def _order(self, rows: np.ndarray, values: np.ndarray) -> float | None:
        from genbench.ranking.kendall import tau_a

        assert self.claim.axis is not None
        levels = self.evidence.coordinates[self.evidence.axis(self.claim.axis)]
        known = sorted(
            {each for each in levels if each != ABSENT}, key=lambda each: (isinstance(each, str), each)
        )
        listed = list(self.claim.levels or known)
        taus = []
        for _, members in self._cells(rows, _pairing_axes(self.claim, self.evidence)):
            means = [
                (place, values[[row for row in members if levels[row] == level]].mean())
                for place, level in enumerate(listed)
                if any(levels[row] == level for row in members)
            ]
            if len(means) > 1:
                places, heights = zip(*means, strict=True)
                taus.append(tau_a(np.array(heights), np.array(places, dtype=float)))
        return float(np.mean(taus)) if taus else None

    def _fraction(self, rows: np.ndarray, values: np.ndarray) -> float | None:
        claim = self.claim
        bound = claim.above if claim.above is not None else claim.below
        assert bound is not None
        limit = (
            _column(self.evidence, bound) if isinstance(bound, str) else np.full(len(values), float(bound))
        )
        rows = rows & np.isfinite(limit)
        if not rows.any():
            return None
        inside = values > limit if claim.above is not None else values < limit
        return float(inside[rows].mean())

    def _pair(self, rows: np.ndarray, *words: str | None) -> tuple[np.ndarray, list[np.ndarray]]:
        others = [_column(self.evidence, word) for word in words if word is not None]
        for each in others:
            rows = rows & np.isfinite(each)
        return rows, [each[rows] for each in others]

    def _rank_correlation(self, rows: np.ndarray, values: np.ndarray) -> float | None:
        from genbench.ranking.kendall import tau_b

        rows, (other,) = self._pair(rows, self.claim.on)
        return tau_b(values[rows], other) if len(other) > 2 else None

    def _rank_gain(self, rows: np.ndarray, values: np.ndarray) -> float | None:
        from genbench.ranking.kendall import tau_b

        rows, others = self._pair(rows, self.claim.on, self.claim.given)
        sizes = [abs(tau_b(values[rows], each)) for each in others] if rows.sum() > 2 else []
        return sizes[0] - sizes[1] if sizes else None

    def _line(self, rows: np.ndarray, values: np.ndarray) -> float | None:
        rows, (x,) = self._pair(rows, self.claim.on)
        y = values[rows]
        if len(x) < 3 or np.ptp(x) == 0:
            return None
        slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
        intercept = float(y.mean() - slope * x.mean())
        squares = float(((y - intercept - slope * x) ** 2).sum())
        whole = float(((y - y.mean()) ** 2).sum())
        return {
            "slope": slope,
            "intercept": intercept,
            "r2": 1 - squares / whole if whole > 0 else math.nan,
            "rmse": math.sqrt(squares / len(x)),
        }[self.claim.statistic]

    def _partial_correlation(self, rows: np.ndarray, values: np.ndarray) -> float | None:
        rows, (x, given) = self._pair(rows, self.claim.on, self.claim.given)
        y = values[rows]
        if len(x) < 4:
            return None
        basis = np.stack([np.ones_like(given), given - given.mean()], axis=1)
        left = [each - basis @ np.linalg.lstsq(basis, each, rcond=None)[0] for each in (x, y)]
        sizes = [float(np.sqrt((each**2).sum())) for each in left]
        # What rounding leaves of a column that is linear in the third is no rest of it.
        if any(size <= 1e-12 * np.abs(each).max() for size, each in zip(sizes, (x, y), strict=True)):
            return None
        return float(left[0] @ left[1] / (sizes[0] * sizes[1]))
