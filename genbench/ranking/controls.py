"""The rows every table carries for comparison, and what chance and noise alone would score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from genbench.ranking.granulated import granulated_tau
from genbench.ranking.hyperparameters import AXES_FOLDS, AxesModel, cross_fit
from genbench.ranking.kendall import rank_counts
from genbench.ranking.mutual_information import PairCounter, conditioning_sets
from genbench.ranking.noise import (
    CEILING_STREAM,
    NULL_STREAM,
    ORACLE_NOISE,
    STREAMS,
    keyed_normal,
    null_band,
    oracle,
    seed_variance,
    shrunken,
)
from genbench.ranking.ranks import dense_rank
from genbench.ranking.regression import configuration_folds
from genbench.ranking.table import Study
from genbench.ranking.targets import LOSSES

__all__ = ["axes_model", "ceilings", "control_columns", "null_draws"]

CEILING_DRAWS = 100

Statistic = Callable[[np.ndarray], np.ndarray]


def axes_model(study: Study) -> AxesModel | None:
    """The cross-fitted predictor from the axes; None where there is no axis or nothing to leave out."""
    design = study.design
    if not design.names or design.n_configurations < 3 or not np.isfinite(study.target).all():
        return None
    return cross_fit(study.target, design, configuration_folds(design.configuration, AXES_FOLDS))


def control_columns(study: Study, model: AxesModel | None, seed: int) -> dict[str, np.ndarray]:
    """One draw at random, the noisy oracles, the hyperparameters' prediction, size and training loss.

    A column ``random`` of the table is the draw; only a table without one is given another.
    """
    columns = {"random": keyed_normal(study.keys, STREAMS * seed + NULL_STREAM, 1)[:, 0]}
    for deviation in ORACLE_NOISE:
        columns[f"oracle_{deviation}"] = oracle(study.target, study.keys, deviation, seed)
    if model is not None:
        columns["hyperparameters"] = model.prediction
    columns |= study.extra
    return {name: column for name, column in columns.items() if name not in study.measures}


def _statistics(study: Study, target: np.ndarray, chosen: tuple[str, ...]) -> dict[str, Statistic]:
    """The chosen ones of tau, Ψ and K, as functions from values (n, M) to (M,)."""
    from genbench.ranking.jit import in_threads

    against = dense_rank(target)

    def tau(values: np.ndarray) -> np.ndarray:
        columns = np.ascontiguousarray(values.T)
        return np.array(
            in_threads(
                lambda column: float(rank_counts(dense_rank(column), against).tau_a[0]), columns, study.n
            )
        )

    def psi(values: np.ndarray) -> np.ndarray:
        return granulated_tau(values, target, study.design).mean

    def cmi(values: np.ndarray) -> np.ndarray:
        sets = conditioning_sets(study.design)
        counters = [PairCounter(column, target, sets) for column in values.T]
        weighting = counters[0].weighting(sets.lanes(np.ones((study.n, 1), dtype=np.int16))[0])
        return np.array(
            in_threads(lambda each: float(each.information(weighting).signed[0]), counters, study.n)
        )

    found: dict[str, Statistic] = {"tau": tau, "cmi": cmi}
    if study.design.names:
        found["psi"] = psi
    return {name: found[name] for name in sorted(found) if name in chosen}


def null_draws(study: Study, chosen: tuple[str, ...], seed: int) -> dict[str, np.ndarray]:
    """tau, Ψ and signed K of measures drawn from N(0, 1), as far as `chosen`; O(draws · n log n).

    1,000 draws for tau and Ψ; for K, which is dearer, 200,000 over the number of fits, from 50 to 1,000.
    """
    draws = {"tau": 1000, "psi": 1000, "cmi": int(np.clip(200_000 // study.n, 50, 1000))}
    found = null_band(_statistics(study, study.target, chosen), study.keys, draws, seed)
    return {name: values for name, values in found.items() if not np.isnan(values).any()}


def ceilings(study: Study, chosen: tuple[str, ...], seed: int) -> dict[str, dict[str, float]]:
    """tau and Ψ that a measure would have which knows the target without its noise.

    ``test_set``: noise of a finite test set, a binomial error rate. ``seeds``: the spread between the seeds
    of one configuration, for measures that know the configuration only. The truth stands in as the observed
    target, drawn in until the noise restores its spread; the noise is Gaussian; the mean over 100 draws.

    Returns
    -------
    dict
        Source of noise to statistic to value; a source is absent where its noise cannot be known.
    """
    found: dict[str, dict[str, float]] = {}
    if not np.isfinite(study.target).all():
        return found
    noise = keyed_normal(study.keys, STREAMS * seed + CEILING_STREAM, CEILING_DRAWS)
    variance = _sampling_variance(study)
    if variance is not None:
        truth = shrunken(study.target, variance)
        found["test_set"] = _expected(study, chosen, truth, np.sqrt(variance)[:, None] * noise)
    between = seed_variance(study.target, study.design.configuration)
    if not np.isnan(between):
        count = np.bincount(study.design.configuration)
        mean = np.bincount(study.design.configuration, weights=study.target) / count
        truth = shrunken(mean[study.design.configuration], between / float(np.mean(count)))
        found["seeds"] = _expected(study, chosen, truth, np.sqrt(between) * noise)
    return found


def _expected(
    study: Study, chosen: tuple[str, ...], truth: np.ndarray, noise: np.ndarray
) -> dict[str, float]:
    wanted = tuple(name for name in chosen if name in ("tau", "psi"))
    return {
        name: float(np.mean(statistic(truth[:, None] + noise)))
        for name, statistic in _statistics(study, truth, wanted).items()
    }


def _sampling_variance(study: Study) -> np.ndarray | None:
    if study.test_size is None or study.target_name in LOSSES:
        return None
    # Without the test error itself the target stands for it: their difference, the training error, is small.
    rate = study.target if study.test_error is None else study.test_error
    rate = np.clip(np.where(np.isnan(rate), study.target, rate), 0.0, 1.0)
    return rate * (1 - rate) / study.test_size
