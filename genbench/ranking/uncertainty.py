"""How uncertain the scores of measures are, and how uncertain the differences between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

__all__ = ["LEVEL", "Covariance", "Uncertainty", "student_interval"]

LEVEL = 0.95
"""Coverage of every interval here."""

OWN_SPREAD = 8.0
"""Degrees of freedom that the common inflation of variances is worth to one measure at most.

Measures differ in how much a seed does to all configurations alike. On tables of 12 to 20 seeds the ratios of
their variances vary by about half their size, as estimates with eight degrees of freedom do.
"""


@dataclass(frozen=True)
class Covariance:
    """Sampling covariance of M statistics, as a difference of two sums.

    Parameters
    ----------
    first : (M, M) array
        A sum of squares.
    second : (M, M) array, optional
        What the first counts twice, where the terms belong to pairs (`genbench.ranking.dyads`). The
        difference can come out negative by chance; where no two pairs share a member it is half of the
        first, and it is never taken for less.
    freedom : (M,) array or number
        Degrees of freedom of each variance.
    """

    first: np.ndarray
    second: np.ndarray | None = None
    freedom: np.ndarray | float = np.inf

    @property
    def variance(self) -> np.ndarray:
        """Of each statistic, (M,)."""
        second = None if self.second is None else np.diag(self.second)
        return _difference(np.diag(self.first), second)

    @property
    def of_differences(self) -> np.ndarray:
        """The variance of each statistic less each other, (M, M)."""
        return _difference(_spread(self.first), None if self.second is None else _spread(self.second))

    @property
    def freedom_of_differences(self) -> np.ndarray | float:
        """Degrees of freedom of those, (M, M): the fewer of the two."""
        if np.ndim(self.freedom) == 0:
            return self.freedom
        return np.minimum.outer(np.asarray(self.freedom), np.asarray(self.freedom))

    def oriented(self, signs: np.ndarray, places: np.ndarray) -> Covariance:
        """Of some of the statistics, each multiplied by its sign (M,)."""
        among = np.ix_(places, places)
        turned = np.outer(signs[places], signs[places])
        return Covariance(
            turned * self.first[among],
            None if self.second is None else turned * self.second[among],
            self.freedom if np.ndim(self.freedom) == 0 else np.asarray(self.freedom)[places],
        )


def _difference(first: np.ndarray, second: np.ndarray | None) -> np.ndarray:
    return np.maximum(first, 0.0) if second is None else np.maximum(first - second, np.maximum(first, 0) / 2)


def _spread(covariance: np.ndarray) -> np.ndarray:
    variance = np.diag(covariance)
    spread = variance[:, None] + variance[None, :] - 2 * covariance
    np.fill_diagonal(spread, 0.0)
    return np.maximum(spread, 0.0)


@dataclass(frozen=True)
class Uncertainty:
    """Sampling variances of M scores, from the parts that they come from.

    Parameters
    ----------
    alone : Covariance, optional
        What the fits of a configuration, trained with other seeds, do independently of other configurations.
    together : Covariance, optional
        What whole seeds do: between the scores with one seed (or block of seeds) after the other left out. It
        holds `alone`, and what a seed, its data subset and its order have in common for all configurations,
        but has as few degrees of freedom as there are seeds.
    configurations : Covariance, optional
        What other configurations would do; holds `alone` too.
    pooled : (M,) bool array, optional
        The statistics whose variances tell how much seeds have in common; without it all.

    Notes
    -----
    With a handful of seeds the variance `together` of one measure says little. As with a handful of
    replicates of thousands of genes, it is moderated: let ρ be the mean over the measures of
    together / alone, and ν the degrees of freedom of `together`. Then

        variance = (d·ρ·alone + ν·together) / (d + ν),    with d + ν degrees of freedom,

    and never less than `alone`. ρ averages measures that are correlated: by Satterthwaite's rule it has
    f = ν·M²/Σ r² degrees of freedom, r their correlations under `alone`; d is what is left of these when
    measures have ratios of their own, 1/d = 1/`OWN_SPREAD` + 1/f. As a measure is itself in the pool, the
    degrees of freedom are in truth (d + ν)²/(d + ν + 2·d·ν/f). A single measure has d = 0. Differences
    between measures are treated alike, with the ratio of their own variances. With `configurations` the
    variance is the sum of both sources less what both hold, `alone`; no source is taken for less than that.

    References
    ----------
    Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3:3, section 4 (moderation);
    Satterthwaite 1946, Biometrics Bulletin 2:110 (degrees of freedom); Cameron, Gelbach & Miller 2011,
    Journal of Business & Economic Statistics 29:238 (two crossed sources).
    """

    alone: Covariance | None = None
    together: Covariance | None = None
    configurations: Covariance | None = None
    pooled: np.ndarray | None = field(default=None, repr=False)

    @property
    def variance(self) -> np.ndarray:
        """Of each score, (M,); NaN where there is none."""
        return self._of_scores[0]

    @property
    def freedom(self) -> np.ndarray:
        """Degrees of freedom of each variance, (M,)."""
        return self._of_scores[1]

    @property
    def standard_error(self) -> np.ndarray:
        """Of each score, (M,): the root of the variance, which is too small on average, over what it lacks.

        With f degrees of freedom it lacks √(2/f)·Γ((f + 1)/2)/Γ(f/2) (Holtzman 1950, American Journal of
        Psychology 63:615).
        """
        from scipy.special import gammaln

        half = np.where(np.isfinite(self.freedom), self.freedom, 1e9) / 2
        return np.sqrt(self.variance * half) * np.exp(gammaln(half) - gammaln(half + 0.5))

    @cached_property
    def _of_scores(self) -> tuple[np.ndarray, np.ndarray]:
        seeds = None
        alone = None if self.alone is None else self.alone.variance
        if alone is not None:
            together = None if self.together is None else self.together.variance
            seeds = self._seeds(alone, together, self._pool(len(alone)))
        own = self.configurations
        return _both(seeds, alone, None if own is None else (own.variance, np.asarray(own.freedom)))

    def differences(self, seeds: float = 1.0, configurations: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Variance of each score less each other, and its degrees of freedom, (M, M) each.

        Parameters
        ----------
        seeds, configurations : float
            What it would be with so many times as many of them, by the same estimates of each source.
        """
        over_seeds = None
        alone = None if self.alone is None else self.alone.of_differences
        if alone is not None:
            together = None if self.together is None else self.together.of_differences
            pool = self._pool(len(alone))
            variance, freedom = self._seeds(alone, together, np.triu(np.outer(pool, pool), 1), seeds)
            fewer = alone / (seeds * configurations)
            over_seeds = (fewer + np.maximum(variance - alone, 0.0) / seeds, freedom)
            own = None if self.configurations is None else self.configurations.of_differences
            added = None if own is None else np.maximum(own - alone, 0.0) / configurations + fewer
            alone = fewer
        else:
            assert self.configurations is not None
            added = self.configurations.of_differences / configurations
        if self.configurations is None or added is None:
            return _both(over_seeds, alone, None)
        freedom = np.asarray(self.configurations.freedom_of_differences) * configurations
        return _both(over_seeds, alone, (added, freedom))

    def oriented(self, signs: np.ndarray, places: np.ndarray) -> Uncertainty:
        """The uncertainty of some of the scores, each multiplied by its sign (M,)."""
        alone, together, configurations = (
            None if part is None else part.oriented(signs, places)
            for part in (self.alone, self.together, self.configurations)
        )
        pooled = None if self.pooled is None else self.pooled[places]
        return Uncertainty(alone, together, configurations, pooled)

    def _pool(self, count: int) -> np.ndarray:
        return np.ones(count, dtype=bool) if self.pooled is None else self.pooled

    def _seeds(
        self, alone: np.ndarray, together: np.ndarray | None, pool: np.ndarray, times: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Variances over seeds, and their degrees of freedom with so many times as many seeds."""
        assert self.alone is not None
        if together is None or self.together is None:
            return alone, np.broadcast_to(self.alone.freedom, alone.shape).astype(float)
        few = float(np.max(self.together.freedom))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = together / alone
        ratios = ratio[pool & np.isfinite(ratio)]
        level = ratios.mean() if len(ratios) else 0.0
        common, _ = self._freedom(few, len(ratios) > 1)
        moderated = (common * level * alone + few * together) / (common + few)
        variance = np.where(alone > 0, np.maximum(moderated, alone), together)
        _, freedom = self._freedom(times * (few + 1) - 1, len(ratios) > 1)
        return variance, np.full(variance.shape, freedom)

    def _freedom(self, few: float, pools: bool) -> tuple[float, float]:
        """Degrees of freedom that the pool is worth to one measure, and those of its moderated variance."""
        pool = self._freedom_of_pool(few) if pools else 0.0
        if not pool:
            return 0.0, few
        common = 1 / (1 / OWN_SPREAD + 1 / pool)
        # Each measure is itself in the pool, so that the two parts of its variance are not independent.
        return common, (common + few) ** 2 / (common + few + 2 * common * few / pool)

    def _freedom_of_pool(self, few: float) -> float:
        """Degrees of freedom of the mean ratio over correlated measures, by Satterthwaite's rule."""
        assert self.alone is not None
        variance = np.diag(self.alone.first)
        places = np.flatnonzero(self._pool(len(variance)) & (variance > 0))
        if len(places) < 2:
            return 0.0
        deviation = np.sqrt(variance[places])
        correlation = self.alone.first[np.ix_(places, places)] / np.outer(deviation, deviation)
        return few * len(places) ** 2 / float((correlation**2).sum())


def _both(
    seeds: tuple[np.ndarray, np.ndarray] | None,
    alone: np.ndarray | None,
    configurations: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The two crossed sources together."""
    if configurations is None:
        assert seeds is not None
        return seeds
    if seeds is None or alone is None:
        return configurations[0], np.broadcast_to(configurations[1], configurations[0].shape).astype(float)
    variance, freedom = np.maximum(configurations[0], alone), configurations[1]
    shared = np.maximum(seeds[0] - alone, 0.0)
    total = variance + shared
    with np.errstate(invalid="ignore", divide="ignore"):
        scatter = variance**2 / freedom + shared**2 / seeds[1]
        return total, np.where(scatter > 0, total**2 / scatter, np.inf)


def student_interval(
    estimate: np.ndarray,
    variance: np.ndarray,
    freedom: np.ndarray | float = np.inf,
    bounds: tuple[float, float] = (-1.0, 1.0),
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate ± Student's quantile × standard error, cut at the statistic's bounds; NaN without one."""
    reach = student_quantile(freedom) * np.sqrt(variance)
    return np.maximum(estimate - reach, bounds[0]), np.minimum(estimate + reach, bounds[1])


def student_quantile(freedom: np.ndarray | float) -> np.ndarray:
    """How many standard errors an interval reaches to either side."""
    from scipy.special import ndtri, stdtrit

    level = 0.5 + LEVEL / 2
    finite = np.isfinite(freedom)
    return np.where(finite, stdtrit(np.where(finite, freedom, 1.0), level), ndtri(level))
