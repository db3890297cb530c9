"""Runs made up of numbers, and claims about them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from genbench.claims.evidence import Evidence
from genbench.planning.claims import Claim


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    """Makes the evidence of fits given as (seed, levels by axis, numbers by column)."""

    def make(fits: Sequence[tuple[int, Mapping[str, Any], Mapping[str, float]]]) -> Evidence:
        names = list(dict.fromkeys(name for _, levels, _ in fits for name in levels))
        columns = list(dict.fromkeys(name for *_, numbers in fits for name in numbers))
        coordinates = {name: [levels.get(name, "-") for _, levels, _ in fits] for name in names}
        return Evidence(
            columns={each: np.array([numbers.get(each, np.nan) for *_, numbers in fits]) for each in columns},
            coordinates=coordinates,
            axes=tuple(name for name in names if len(set(coordinates[name]) - {"-"}) > 1),
            seeds=np.array([seed for seed, *_ in fits]),
            diverged=np.zeros(len(fits), dtype=bool),
        )

    return make


@pytest.fixture
def claim() -> Callable[..., Claim]:
    """Makes a claim of which a test names only what it is about."""

    def make(**given: Any) -> Claim:
        words = {"id": "a", "text": "text", "paper": "paper", "place": "place", "column": "test_error"}
        return Claim(**{**words, "statistic": "mean", "expect": "higher", **given})

    return make
