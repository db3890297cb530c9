"""Which columns of anybody's table are measures, and what the others seem to be."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from genbench.ranking.columns import count_numbers, is_index

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["looks_like_a_result", "measure_columns"]

EFFORT = frozenset({"epochs", "steps", "random"})
"""Columns of an exported run that may be axes or measures of somebody else: ranked where they are named."""
COSTS = "seconds of "

ENOUGH_ROWS = 8
"""A measure rises from row to row by chance with probability 1/n!; with fewer rows that may happen."""

SPLITS = frozenset(
    ("test", "val", "valid", "validation", "train", "training", "eval", "heldout", "holdout", "gen",
     "generalization", "generalisation")
)  # fmt: skip
RESULTS = frozenset(("acc", "accuracy", "err", "error", "loss", "gap", "risk", "nll", "perplexity"))
KINDS = frozenset(("top", "clean", "final", "best", "last", "mean", "avg"))
IDENTIFIER = re.compile(
    r"(.*_)?(id|ids|uid|uuid|guid|hash)|(run|trial|job|row|index|idx|number|no|nr|experiment)s?"
)


def measure_columns(
    table: pd.DataFrame,
    names: Sequence[str],
    taken: Collection[object],
    known: Collection[str],
    goal: np.ndarray,
) -> tuple[list[str], list[str]]:
    """The columns to rank where none are named, and remarks on those that are left out.

    Measures are columns of numbers (one of mostly numbers is among them, and refused when it is read) that
    are neither `taken` nor row numbers, identifiers, results by another name, or counters that grow with the
    row. Names in `known` are measures whatever they look like.

    Parameters
    ----------
    table : pandas.DataFrame
    names : sequence of str
        Its columns.
    taken, known : names
    goal : (n,) array
        The target. In a table sorted by it a good measure grows with the row, too.
    """
    sorted_by_target = _rises(goal) or _rises(-goal)
    measures, others, mixed = [], [], []
    for name in names:
        column = table[name]
        if name in taken:
            continue
        if name in EFFORT or name.startswith(COSTS) or is_index(name, column):
            others.append(name)
            continue
        found, filled = count_numbers(column)
        if found * 2 >= filled and (found or column.dtype.kind in "iuf"):
            what = "" if name in known else _seems(name, column, sorted_by_target)
            if what:
                others.append(f"{name} ({what})")
            else:
                measures.append(name)
        elif found:
            mixed.append(f"{name} ({found} of {filled} cells)")
        else:
            others.append(name)
    remarks = []
    if mixed:
        remarks.append(f"Columns with few numbers, not ranked: {', '.join(sorted(mixed))}.")
    if others:
        remarks.append(f"Columns not taken for measures: {', '.join(sorted(others))}.")
    return measures, remarks


def looks_like_a_result(name: str) -> bool:
    """Whether a name is that of an outcome, as ``generalization_gap``, ``test acc`` and ``valLoss`` are."""
    words = set(_words(name))
    if not words & (RESULTS | SPLITS) or not words <= SPLITS | RESULTS | KINDS:
        return False
    return len(words) == 1 or bool(words & SPLITS and words & RESULTS)


def _seems(name: str, column: pd.Series, sorted_by_target: bool) -> str:
    """What a column of numbers is rather than a measure, in words; empty for a measure."""
    if looks_like_a_result(name):
        return "a result by its name"
    numbers = column.to_numpy(dtype=float, na_value=np.nan) if column.dtype.kind in "iuf" else None
    if numbers is None or np.isnan(numbers).any():
        return ""
    whole = np.isfinite(numbers).all() and bool((numbers == np.floor(numbers)).all())
    if whole and IDENTIFIER.fullmatch("_".join(_words(name))):
        return "an identifier by its name"
    if _rises(numbers) and not sorted_by_target:
        return "it grows from row to row; name it to rank it"
    return ""


def _rises(numbers: np.ndarray) -> bool:
    return len(numbers) >= ENOUGH_ROWS and bool((numbers[1:] > numbers[:-1]).all())


def _words(name: str) -> list[str]:
    """The words of a name in any spelling: ``valLoss`` and ``val-loss`` are val and loss; no digits."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return [word for word in re.split(r"[^a-z]+", spaced) if word]
