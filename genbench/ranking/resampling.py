"""Sets of weights under which statistics are computed again, and the uncertainty that follows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from genbench.ranking.design import Design
from genbench.ranking.ranks import stable_order
from genbench.ranking.uncertainty import Covariance, Uncertainty

__all__ = [
    "FEW_DRAWS",
    "INTERVALS",
    "USUAL_DRAWS",
    "Resampling",
    "configuration_weights",
    "resampling",
    "seed_weights",
    "usual_draws",
]

INTERVALS = ("retraining", "configurations")
"""What an interval can be of: the same grid with new seeds, or other configurations and new seeds."""

USUAL_DRAWS, LARGE_TABLE = 1_000, 2_000
"""Draws of each kind where no number is asked for, and the fits beyond which they become fewer."""

FEW_DRAWS = 200
"""Draws of each kind for what is too dear for more: information, sign-errors, statistics from elsewhere."""

FULLY_DRAWN, LEAST_DRAWS = 1_000, 25
"""Fits up to which these have all of `FEW_DRAWS`, and how few they come to beyond.

What a draw costs grows with the fits; 25 draws tell a standard error to a seventh, and whole seeds left out,
which is what most of it comes from, have fewer degrees of freedom than that.
"""

MOST_BLOCKS = 20
"""Seeds are left out one by one; where there are more of them than this, in so many blocks."""


@dataclass(frozen=True)
class Resampling:
    """Sets of weights of the rows, side by side in the order of the three parts.

    Parameters
    ----------
    interval : str
        One of `INTERVALS`.
    weights : (n, L) int16 array
    within : int
        The first sets: in every configuration its fits drawn anew, with replacement.
    left_out : int
        The next: one block of seeds without weight after the other; none where seeds are not paired.
    configurations : int
        The last: configurations drawn anew; none for intervals over retraining.
    of_configurations : (C, configurations) int16 array
        The last ones as weights of configurations.
    enlarged : float
        What draws of so many fits fall short of their variance by.
    freedom : float
        Of the variance within configurations.
    pooled : (M,) bool array, optional
        See `genbench.ranking.uncertainty.Uncertainty`.
    """

    interval: str
    weights: np.ndarray
    within: int
    left_out: int
    configurations: int
    of_configurations: np.ndarray
    enlarged: float
    freedom: float
    pooled: np.ndarray | None = field(default=None, repr=False)

    @property
    def sets(self) -> int:
        """L, how many sets of weights there are."""
        return self.weights.shape[1]

    @property
    def of_seeds(self) -> np.ndarray:
        """The sets that do something to seeds, (n, within + left_out)."""
        return self.weights[:, : self.within + self.left_out]

    @property
    def without_seeds(self) -> np.ndarray:
        """The sets that leave out seeds, (n, left_out)."""
        return self.weights[:, self.within : self.within + self.left_out]

    def few(self) -> Resampling:
        """As many draws of each kind as are left to statistics that are too dear for all, see `few_draws`.

        In a large table these can be fewer than the degrees of freedom: theirs count then.
        """
        draws, last = self.few_draws, self.within + self.left_out
        kept = np.r_[
            : min(self.within, draws), self.within : last, last : last + min(self.configurations, draws)
        ]
        return replace(
            self,
            weights=self.weights[:, kept],
            within=min(self.within, draws),
            configurations=min(self.configurations, draws),
            of_configurations=self.of_configurations[:, :draws],
            freedom=min(self.freedom, draws - 1.0) if self._is_spared else self.freedom,
        )

    @property
    def few_draws(self) -> int:
        """`FEW_DRAWS`, and beyond `FULLY_DRAWN` fits fewer, down to `LEAST_DRAWS`."""
        return max(FEW_DRAWS * FULLY_DRAWN // max(len(self.weights), FULLY_DRAWN), LEAST_DRAWS)

    def few_notes(self, what: str) -> list[str]:
        """What a large table says of the intervals of statistics that have `few` draws."""
        if not self._is_spared:
            return []
        return [f"Intervals of {what} are from {self.few_draws} draws, with {len(self.weights)} fits."]

    @property
    def _is_spared(self) -> bool:
        return self.few_draws < min(FEW_DRAWS, max(self.within, self.configurations))

    def uncertainty(self, replicates: np.ndarray) -> Uncertainty | None:
        """The uncertainty of statistics whose values under every set of weights, (M, L), are given."""
        last = self.within + self.left_out
        return self.assembled(
            self.drawn(replicates[:, : self.within]),
            replicates[:, self.within : last],
            Covariance(_covariance(replicates[:, last:]), None, len(self.of_configurations) - 1.0)
            if self.configurations
            else None,
        )

    def drawn(self, replicates: np.ndarray) -> Covariance | None:
        """The covariance of draws within configurations, (M, `within`)."""
        if not self.within:
            return None
        return Covariance(self.enlarged * _covariance(replicates), None, self.freedom)

    def assembled(
        self, alone: Covariance | None, without: np.ndarray, configurations: Covariance | None = None
    ) -> Uncertainty | None:
        """The uncertainty from its parts; `without` (M, `left_out`) are the values with seeds left out."""
        if alone is None and configurations is None:
            return None
        together = None
        if self.left_out:
            # Leaving out one of J blocks moves a mean by 1/(J - 1) of that block's deviation.
            blocks = self.left_out
            together = Covariance((blocks - 1) ** 2 / blocks * _covariance(without), None, blocks - 1.0)
        return Uncertainty(alone, together, configurations, self.pooled)


def usual_draws(fits: int) -> int:
    """Draws of each kind for a table of so many fits, where no number is asked for.

    What a draw costs grows with the fits. A standard error from B draws is known to 1/√(2B): to 2 % from
    1,000, to 5 % from the 200 that are the fewest, by which an interval is wrong far less than by the few
    seeds that its largest part comes from.
    """
    return min(USUAL_DRAWS, max(USUAL_DRAWS * LARGE_TABLE // max(fits, 1), FEW_DRAWS))


def resampling(
    design: Design,
    interval: str,
    draws: int,
    seed: int = 0,
    paired: bool = True,
    pooled: np.ndarray | None = None,
) -> Resampling:
    """The sets of weights for intervals of one kind.

    Parameters
    ----------
    design : Design
    interval : str
        One of `INTERVALS`. Over configurations, seeds are a part where configurations have several fits.
    draws : int
        Draws of each kind; 0 for none at all.
    paired : bool
        Whether the design's seeds tell which fits of different configurations share one.
    """
    empty = np.empty((design.n, 0), dtype=np.int16)
    within, without = empty, empty
    fits = np.bincount(design.configuration, minlength=design.n_configurations)
    several = fits[fits > 1]
    if draws and len(several):
        # Beside configurations the fits' own part is the lesser one, and fewer draws tell it well enough.
        count = draws if interval == "retraining" else max(draws // 4, 2)
        within = seed_weights(design.configuration, count, seed)
        if paired:
            without = _left_out(design.seed)
    of_configurations = np.empty((design.n_configurations, 0), dtype=np.int16)
    if interval == "configurations":
        of_configurations = configuration_weights(design.n_configurations, draws, seed)
    freedom = float(design.n - design.n_configurations)
    return Resampling(
        interval,
        np.hstack([within, without, of_configurations[design.configuration]]),
        within.shape[1],
        without.shape[1],
        of_configurations.shape[1],
        of_configurations,
        float(several.sum()) / freedom if freedom else np.nan,
        freedom,
        pooled,
    )


def configuration_weights(count: int, replicates: int, seed: int = 0) -> np.ndarray:
    """How often each of `count` configurations is drawn, in `replicates` draws of `count` with replacement.

    These are weights, not copies: a pair of rows counts with the product of its configurations' weights and
    no row is paired with itself. (Copied rows tie with each other, so that even a perfect measure falls short
    of 1.)

    Returns
    -------
    (count, replicates) int16 array
        Every column sums to `count`.
    """
    random = np.random.default_rng([seed, 0xB007])
    weights = np.empty((count, replicates), dtype=np.int16)
    for replicate in range(replicates):
        weights[:, replicate] = np.bincount(random.integers(0, count, count), minlength=count)
    return weights


def seed_weights(configuration: np.ndarray, replicates: int, seed: int = 0) -> np.ndarray:
    """How often each row is drawn, where every configuration draws as many of its rows as it has.

    Returns
    -------
    (n, replicates) int16 array
        The rows of a configuration sum to their number.
    """
    random = np.random.default_rng([seed, 0x5EED])
    order = stable_order(configuration)
    fits = np.bincount(configuration)
    first = np.repeat(np.cumsum(fits) - fits, fits)
    many = np.repeat(fits, fits)
    weights = np.empty((len(configuration), replicates), dtype=np.int16)
    for replicate in range(replicates):
        drawn = first + (random.random(len(many)) * many).astype(np.int64)
        weights[order, replicate] = np.bincount(drawn, minlength=len(many))
    return weights


def _left_out(seed: np.ndarray) -> np.ndarray:
    """One set of weights for every seed, or block of seeds, that is left out: (n, J), 0 and 1."""
    count = int(seed.max(initial=-1)) + 1
    if count < 2:
        return np.empty((len(seed), 0), dtype=np.int16)
    blocks = min(count, MOST_BLOCKS)
    return (seed[:, None] % blocks != np.arange(blocks)).astype(np.int16)


def _covariance(replicates: np.ndarray) -> np.ndarray:
    """Covariance of the rows; replicates without a value left out, NaN where they are more than half."""
    known = ~np.isnan(replicates)
    count = known.sum(axis=1)
    enough = (count * 2 > replicates.shape[1]) & (count > 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, replicates, 0.0).sum(axis=1) / count
        deviation = np.where(known, replicates - mean[:, None], 0.0) / np.sqrt(count - 1)[:, None]
    deviation[~enough] = np.nan
    return deviation @ deviation.T
