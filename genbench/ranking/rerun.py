"""What the best score is worth: what to expect of it on a rerun, and how probably it is the best there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genbench.ranking.uncertainty import Uncertainty

__all__ = ["TOP", "Rerun", "rerun"]

DRAWS = 4000
TOP = 5
"""How many measures count as the best ones."""

RELEVANT = 1.5
"""Standard deviations from the field's mean beyond which a score is drawn in no further."""

LANES_AT_ONCE = 500


@dataclass(frozen=True)
class Rerun:
    """Of K measures that are ranked together, each (K,).

    Attributes
    ----------
    expected : array
        The score drawn in toward the mean of the field.
    best, among_best : arrays
        Probability of the highest score, and of one of the `TOP` highest; ties share it.
    """

    expected: np.ndarray
    best: np.ndarray
    among_best: np.ndarray


def rerun(scores: np.ndarray, uncertainty: Uncertainty, seed: int = 0) -> Rerun:
    """Empirical Bayes: true scores are normal around the mean of the field, estimates around the true ones.

    The highest of many noisy scores is high in part by its noise, and will be lower on a rerun (the winner's
    curse). With v the sampling variance of a score and τ² that of the true scores, what to expect of it is
    the mean of the field plus τ²/(τ² + v) of its distance from it. τ² is what the spread of the scores
    exceeds the mean of the v by. Noise that all scores have in common moves the field, not the measures
    within it: v is that of the score less the field's mean. A score far from the field, more than `RELEVANT`
    times √(τ² + v), is drawn in as one at that distance: what stands out may be no member of the field.

    The probabilities are shares of draws from the joint distribution of the true scores given the estimates,
    with the covariances of the noise and Student's tails.

    Parameters
    ----------
    scores : (K,) array
        Oriented: larger is better; no NaN.
    uncertainty : Uncertainty
        Of the scores.

    References
    ----------
    Efron & Morris 1972, Journal of the American Statistical Association 67:130 (limited translation);
    Morris 1983, ibid. 78:47 (empirical Bayes); Efron 2011, ibid. 106:1602 (why it undoes the selection of
    the highest).
    """
    count = len(scores)
    if count < 2:
        return Rerun(scores.copy(), np.ones(count), np.ones(count))
    variance, freedom = uncertainty.differences()
    noise = _around_the_field(np.nan_to_num(variance, nan=0.0))
    spread = float(((scores - scores.mean()) ** 2).sum() / (count - 1))
    truth = max(spread - float(np.trace(noise)) / (count - 1), 0.0)
    own = np.maximum(np.diag(noise), 0.0)
    kept = np.divide(truth, truth + own, out=np.ones(count), where=own > 0)
    away = (scores - scores.mean()) / np.sqrt(np.maximum(truth + own, np.finfo(float).tiny))
    drawn_in = np.sqrt((1 - kept) * own) * np.clip(away, -RELEVANT, RELEVANT)
    # Where noise explains the whole spread, scores at the mean of the field tie, whatever their last bits.
    expected = np.where((kept > 0) | (np.abs(away) > RELEVANT), scores - drawn_in, scores.mean())
    best, among_best = _standing(expected, noise, truth, float(np.nanmin(freedom)), seed)
    return Rerun(expected, best, among_best)


def _around_the_field(of_differences: np.ndarray) -> np.ndarray:
    """Covariance of scores less their mean, from the variances of their differences (double centring)."""
    rows = of_differences.mean(axis=0)
    return -(of_differences - rows[:, None] - rows[None, :] + of_differences.mean()) / 2


def _standing(
    expected: np.ndarray, noise: np.ndarray, truth: float, freedom: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of draws in which each measure is highest, and among the `TOP` highest."""
    count = len(expected)
    sizes, directions = np.linalg.eigh((noise + noise.T) / 2)
    sizes = np.maximum(sizes, 0.0)
    left = np.divide(sizes * truth, sizes + truth, out=np.zeros(count), where=sizes + truth > 0)
    spread = directions * np.sqrt(left)
    random = np.random.default_rng([seed, 0xBE57])
    best, among = np.zeros(count), np.zeros(count)
    top = min(TOP, count)
    for _ in range(0, DRAWS, LANES_AT_ONCE):
        tails = np.ones(LANES_AT_ONCE)
        if np.isfinite(freedom):
            tails = np.sqrt(random.chisquare(freedom, LANES_AT_ONCE) / freedom)
        drawn = expected[:, None] + spread @ random.normal(size=(count, LANES_AT_ONCE)) / tails
        highest = drawn == drawn.max(axis=0)
        best += (highest / highest.sum(axis=0)).sum(axis=1)
        least = np.partition(drawn, count - top, axis=0)[count - top]
        above, level = drawn > least, drawn == least
        among += (above + level * (top - above.sum(axis=0)) / level.sum(axis=0)).sum(axis=1)
    return best / DRAWS, among / DRAWS
