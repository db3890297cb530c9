"""What to expect on a rerun, and the probability of being the best."""

import numpy as np
import pytest

from genbench.ranking.rerun import RELEVANT, rerun
from genbench.ranking.uncertainty import Covariance, Uncertainty


def noise(covariance):
    return Uncertainty(configurations=Covariance(np.asarray(covariance, dtype=float)))


def test_scores_are_drawn_in_by_the_share_of_their_noise():
    """The closed form with equal variances: the mean of the field and (τ²/(τ² + v)) of the way from it."""
    scores = np.array([0.12, 0.3, 0.1, 0.32, 0.11, 0.31])
    found = rerun(scores, noise(0.001 * np.eye(6)))
    own = 0.001 * 5 / 6  # less the noise of the field's mean
    truth = scores.var(ddof=1) - 0.001
    far = np.abs(scores - scores.mean()) > RELEVANT * np.sqrt(truth + own)
    assert not far.any()
    kept = truth / (truth + own)
    np.testing.assert_allclose(found.expected, scores.mean() + kept * (scores - scores.mean()))


def test_a_score_that_stands_out_is_drawn_in_no_further():
    scores = np.append(np.linspace(0.1, 0.2, 30), 0.9)
    found = rerun(scores, noise(0.001 * np.eye(31)))
    own = 0.001 * 30 / 31
    truth = scores.var(ddof=1) - 0.001
    assert scores[-1] - found.expected[-1] == pytest.approx(RELEVANT * own / np.sqrt(truth + own))


def test_noise_in_common_draws_nothing_in():
    scores = np.array([0.1, 0.3, 0.2])
    found = rerun(scores, noise(np.ones((3, 3))))
    np.testing.assert_allclose(found.expected, scores)
    np.testing.assert_allclose(found.best, [0, 1, 0])


def test_probabilities_are_those_of_normal_differences():
    """Two measures: P(first is better) = Φ(d/√V), by the closed form of the posterior."""
    from scipy.stats import norm

    scores, variance = np.array([0.4, 0.0]), 0.02
    found = rerun(scores, noise(variance * np.eye(2)))
    truth, own = scores.var(ddof=1) - variance, variance / 2
    left = own * truth / (own + truth) if own > 0 else 0.0
    # Around the field the two are mirror images: one direction, of twice the variance of each.
    expected = norm.cdf(
        (found.expected[0] - found.expected[1]) / np.sqrt(4 * (2 * own) * truth / (2 * own + truth) / 2)
    )
    assert left > 0
    assert found.best[0] == pytest.approx(expected, abs=0.02)
    assert found.best.sum() == pytest.approx(1)


def test_equal_scores_share_the_probability_and_the_best_five_sum_to_five():
    found = rerun(np.zeros(8), noise(0.01 * np.eye(8)))
    np.testing.assert_allclose(found.expected, 0)
    np.testing.assert_allclose(found.best, 1 / 8, atol=0.03)
    assert found.among_best.sum() == pytest.approx(5)


def test_scores_that_noise_alone_explains_share_the_probability_whatever_their_last_bits():
    scores = np.array([0.3, 0.2, 0.15, 0.1, 0.05, 0.0, -0.1, -0.2])
    found = rerun(scores, noise(0.3 * np.eye(8)))
    np.testing.assert_allclose(found.expected, scores.mean())
    np.testing.assert_allclose(found.best, 1 / 8)
    np.testing.assert_allclose(found.among_best, 5 / 8)


def test_expected_scores_are_nearer_to_the_truth_than_the_scores_where_there_is_noise():
    random = np.random.default_rng(0)
    raw, drawn = [], []
    for _ in range(200):
        truth = 0.1 * random.normal(size=40)
        scores = truth + 0.1 * random.normal(size=40)
        found = rerun(scores, noise(0.01 * np.eye(40)))
        winner = scores.argmax()
        raw.append(scores[winner] - truth[winner])
        drawn.append(found.expected[winner] - truth[winner])
    assert np.mean(np.abs(drawn)) < 0.7 * np.mean(np.abs(raw))
    assert np.mean(raw) > 0.1
