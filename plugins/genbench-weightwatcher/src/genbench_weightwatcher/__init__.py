"""The numbers that WeightWatcher prints, as measures: the mean over the layers of each column of its table.

The measures are made by a program, one for each column of interest, and handed over by `genbench_components`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import torch
from annotated_types import Ge

import genbench
from genbench.measuring.guard import isolated_random_state

__all__ = ["COLUMNS", "RANDOM_COLUMNS", "analysis", "genbench_components"]

COLUMNS = {
    "alpha": ("alpha", "+", "Exponent of the power law in the tail of the spectrum; small is a heavy tail."),
    "alpha_weighted": ("alpha_weighted", "+", "Exponent, times the logarithm of the largest eigenvalue."),
    "entropy": ("entropy", "?", "Entropy of the spectrum as shares of its sum, over the largest it can be."),
    "ks_distance": ("D", "?", "Kolmogorov-Smirnov distance of the tail from the power law fitted to it."),
    "log_alpha_norm": ("log_alpha_norm", "+", "Logarithm of the Schatten norm whose exponent is the tail's."),
    "log_norm": ("log_norm", "+", "Logarithm of the squared Frobenius norm."),
    "log_spectral_norm": ("log_spectral_norm", "+", "Logarithm of the largest eigenvalue."),
    "num_pl_spikes": ("num_pl_spikes", "?", "Number of eigenvalues in the tail that is a power law."),
    "rank_loss": ("rank_loss", "?", "By how much the numerical rank is less than it could be."),
    "sigma": ("sigma", "?", "Standard error of the exponent of the tail."),
    "stable_rank": ("stable_rank", "?", "Sum of the eigenvalues over the largest."),
}
"""By measure: the library's column, the direction that the field claims, what it is."""

BULK_COLUMNS = {
    "mp_softrank": ("mp_softrank", "+", "Where the bulk of the spectrum ends, over the largest eigenvalue."),
    "num_spikes": ("num_spikes", "?", "Number of eigenvalues beyond the bulk of Marchenko & Pastur."),
}
"""Of these the bulk of each layer's spectrum is fitted, a quarter of a second each."""

RANDOM_COLUMNS = {
    "num_traps": ("num_traps", "?", "Number of eigenvalues of the shuffled layer beyond its bulk (traps)."),
    "rand_distance": ("rand_distance", "-", "Jensen-Shannon distance of the spectrum from the shuffled one."),
}
"""Of these the entries of each layer are put into random order once, and the bulk of that is fitted."""


@genbench.probe(cost="A")
def analysis(
    model, generator, *, min_evals: Annotated[int, Ge(2)] = 8, bulk: bool = False, randomize: bool = False
):
    """WeightWatcher's table of the network: one row a layer.

    Parameters
    ----------
    min_evals : int
        Layers with fewer eigenvalues are passed over.
    bulk : bool
        Fit the law of Marchenko & Pastur.
    randomize : bool
        Compare with the layer in random order.

    Returns
    -------
    DataFrame

    Raises
    ------
    NotApplicable
        No layer is left, or the library cannot analyse the network.
    """
    seed = int(torch.randint(2**31, (1,), generator=generator, device=generator.device))
    # It draws from NumPy's global generator, and importing it from Python's.
    with _quietly(), isolated_random_state(seed, torch.device("cpu")):
        from weightwatcher import WeightWatcher  # which greets

        try:
            table = WeightWatcher(model=model).analyze(
                min_evals=min_evals, mp_fit=bulk, randomize=randomize, plot=False, savefig=False
            )
        except Exception as fault:
            raise genbench.NotApplicable(f"WeightWatcher: {type(fault).__name__}: {fault}") from fault
    if not len(table):
        raise genbench.NotApplicable(f"no layer has {min_evals} eigenvalues")
    return table


def genbench_components() -> Iterator[Callable[..., Any]]:
    """A measure for each column."""
    yield from (_measure(name, *each) for name, each in COLUMNS.items())
    yield from (_measure(name, *each, bulk=True) for name, each in BULK_COLUMNS.items())
    yield from (_measure(name, *each, randomize=True) for name, each in RANDOM_COLUMNS.items())


def _measure(name: str, column: str, direction: str, meaning: str, **chosen: bool) -> Callable[..., Any]:
    def average(table=genbench.need("analysis", shared=("min_evals",), **chosen)):
        if column not in table:
            raise genbench.NotApplicable(f"this version of WeightWatcher has no column {column}")
        return float(table[column].mean())

    average.__name__ = average.__qualname__ = name
    average.__doc__ = f"{meaning}\n\nMean over the layers of WeightWatcher's column ``{column}``."
    source = "weightwatcher (Martin, Peng & Mahoney 2021)"
    return genbench.measure(family="heavy-tail", direction=direction, source=source)(average)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep what the library prints, logs and warns of from the output."""
    disabled = logging.root.manager.disable
    logging.disable()
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
