"""From the statistic of a claim in each seed to its interval, and from the interval to a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from genbench.base.errors import UsageError
from genbench.claims.evidence import BEST, Evidence, read_evidence
from genbench.claims.statistics import Untestable, per_seed
from genbench.planning.claims.claim import BOUNDS, Claim

if TYPE_CHECKING:
    from genbench.runs.results import RunTable

__all__ = ["Judgement", "Verdict", "interval", "judge", "judge_run"]


class Verdict(StrEnum):
    """What a run says of a claim."""

    REPRODUCED = "reproduced"
    DIRECTION_ONLY = "direction only"
    NOT_REPRODUCED = "not reproduced"
    NOT_TESTED = "not tested here"


@dataclass(frozen=True)
class Judgement:
    """A claim beside what a run has.

    Attributes
    ----------
    estimate, low, high : float
        Mean over the seeds and its 95 % interval; NaN where there is none.
    best, best_low, best_high : float
        The same with the lowest test error, or loss, of any epoch; NaN where the claim is about another
        column or the run kept no test history. The verdict does not look at it.
    seeds : int
        How many have a value.
    """

    claim: Claim
    verdict: Verdict
    reason: str
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    best: float = math.nan
    best_low: float = math.nan
    best_high: float = math.nan
    seeds: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Flat, in plain data."""
        claim = self.claim
        own = {key: value for key, value in asdict(self).items() if key != "claim"}
        return {
            "id": claim.id, "claim": claim.text, "paper": claim.paper, "place": claim.place,
            "statistic": claim.statistic, "column": claim.column, "expect": claim.expect,
            "than": None if math.isnan(claim.null) else claim.null, "published": claim.published,
            "tolerance": claim.tolerance, **own, "verdict": str(self.verdict),
        }  # fmt: skip


def judge_run(claims: Sequence[Claim], results: RunTable) -> list[Judgement]:
    """The verdicts of a run on claims, in their order."""
    evidence = read_evidence(results)
    return [judge(claim, evidence) for claim in claims]


def judge(claim: Claim, evidence: Evidence) -> Judgement:
    """The verdict on one claim.

    *Reproduced*: the whole interval lies on the claimed side of `than` and, where a number is published,
    reaches into its tolerance; of a claim that nothing changes, the whole interval lies within the tolerance.
    *Direction only*: it lies on that side, but the number is another one or was found in other circumstances.
    *Not reproduced*: it does not lie on that side. *Not tested here*: too few seeds have a value. Fits that
    diverged have none; the reason says how many these are.
    """
    try:
        values = per_seed(claim, evidence, claim.column)
    except Untestable as fault:
        return Judgement(claim, Verdict.NOT_TESTED, str(fault) + _diverged(claim, evidence))
    estimate, low, high = interval(claim, values)
    best = _best(claim, evidence)
    seeds = len(values)
    if seeds < max(claim.seeds, 2):
        verdict, reason = Verdict.NOT_TESTED, f"{seeds} of at least {claim.seeds} seeds have a value"
    else:
        verdict, reason = _verdict(claim, low, high)
    reason += _diverged(claim, evidence)
    return Judgement(claim, verdict, reason, estimate, low, high, *best, seeds=seeds)


def _diverged(claim: Claim, evidence: Evidence) -> str:
    try:
        rows = evidence.chosen(claim.where)
        if claim.arm is not None:
            rows &= evidence.chosen(claim.arm) | evidence.chosen(claim.against)
    except UsageError:
        return ""
    count, whole = int(evidence.diverged[rows].sum()), int(rows.sum())
    return f"; {count} of {whole} fits diverged and are left out" if count else ""


def interval(claim: Claim, values: np.ndarray) -> tuple[float, float, float]:
    """Mean of a statistic over the seeds and its 95 % interval.

    Student's, cut at the statistic's bounds. For a fraction Wilson's, with the seeds for trials: the share of
    one seed varies at most as much as one yes or no, and seeds that agree wholly still are few. NaN with
    one seed.
    """
    from genbench.ranking.uncertainty import student_interval

    count, mean = len(values), float(values.mean())
    if count < 2:
        return _unlogged(claim, mean, math.nan, math.nan)
    if claim.statistic == "fraction":
        return mean, *_wilson(mean, count)
    variance = np.array(values.var(ddof=1) / count)
    low, high = student_interval(
        np.array(mean), variance, count - 1, BOUNDS.get(claim.statistic, (-np.inf, np.inf))
    )
    return _unlogged(claim, mean, float(low), float(high))


def _unlogged(claim: Claim, *values: float) -> tuple[float, float, float]:
    first, low, high = (math.exp(each) if claim.statistic == "ratio" else each for each in values)
    return first, low, high


def _wilson(share: float, count: int) -> tuple[float, float]:
    from scipy.special import ndtri

    square = float(ndtri(0.975)) ** 2
    middle = (share + square / (2 * count)) / (1 + square / count)
    reach = math.sqrt(square / count * (share * (1 - share) + square / (4 * count))) / (1 + square / count)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


def _best(claim: Claim, evidence: Evidence) -> tuple[float, float, float]:
    try:
        column = BEST[claim.column]
        return interval(claim, per_seed(claim, evidence, column))
    except (KeyError, Untestable):
        return math.nan, math.nan, math.nan


def _verdict(claim: Claim, low: float, high: float) -> tuple[Verdict, str]:
    null = claim.null
    if claim.expect == "same":
        return _same(claim, low, high)
    side = "above" if claim.expect == "higher" else "below"
    holds = low > null if claim.expect == "higher" else high < null
    if not holds:
        opposite = high < null if claim.expect == "higher" else low > null
        words = "the interval lies on the other side of" if opposite else "the interval is not wholly " + side
        return Verdict.NOT_REPRODUCED, f"{words} {null:g}"
    if claim.differs:
        return Verdict.DIRECTION_ONLY, claim.differs
    if claim.published is None:
        return Verdict.REPRODUCED, f"the whole interval lies {side} {null:g}"
    assert claim.tolerance is not None
    if low <= claim.published + claim.tolerance and high >= claim.published - claim.tolerance:
        return Verdict.REPRODUCED, "the interval reaches into the tolerance of the published number"
    return Verdict.DIRECTION_ONLY, "the published number lies elsewhere"


def _same(claim: Claim, low: float, high: float) -> tuple[Verdict, str]:
    assert claim.tolerance is not None
    first, last = claim.null - claim.tolerance, claim.null + claim.tolerance
    if low < first or high > last:
        return Verdict.NOT_REPRODUCED, f"the interval is not wholly within {first:g} and {last:g}"
    if claim.differs:
        return Verdict.DIRECTION_ONLY, claim.differs
    return Verdict.REPRODUCED, f"the whole interval lies within {first:g} and {last:g}"
