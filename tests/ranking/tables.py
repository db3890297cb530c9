"""Tables to rank: made at random by hypothesis, or planted with known answers."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from hypothesis import strategies as st


@st.composite
def random_columns(draw, missing=False, infinite=True, fewest=2, most=22):
    """Values, target, axes and seeds of a ragged grid: ties, infinities, missing cells, repeated seeds."""
    n = draw(st.integers(fewest, most))
    kind = draw(st.sampled_from(["ties", "distinct", "mixed"]))
    if kind == "ties":
        number = st.integers(0, 4).map(float)
    elif kind == "distinct":
        number = st.floats(-1e6, 1e6)
    else:
        number = st.sampled_from([-1.5, 0.0, 2.0, 7.25, 1e-9] + ([np.inf, -np.inf] if infinite else []))
    cell = st.one_of(number, st.just(np.nan)) if missing else number
    values = np.array(draw(st.lists(cell, min_size=n, max_size=n)))
    target = np.array(draw(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.35, 0.5]) | st.floats(0, 1),
                                    min_size=n, max_size=n)))  # fmt: skip
    axes = {
        f"axis{place}": np.array(
            draw(st.lists(st.integers(0, draw(st.integers(0, 3))), min_size=n, max_size=n))
        )
        for place in range(draw(st.integers(1, 3)))
    }
    seed = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    return values, target, axes, seed


def grid(levels: list[int], seeds: int = 1) -> pd.DataFrame:
    """All points of a grid, columns a0, a1 ... and seed."""
    points = itertools.product(*(range(count) for count in levels), range(seeds))
    return pd.DataFrame(list(points), columns=[*(f"a{axis}" for axis in range(len(levels))), "seed"])


def planted(levels=(3, 3, 2, 2), seeds: int = 3, noise: float = 0.01, seed: int = 0) -> pd.DataFrame:
    """A grid whose gap depends on its axes and on something hidden, with measures of known worth."""
    random = np.random.default_rng(seed)
    table = grid(list(levels), seeds)
    axes = [column for column in table if column != "seed"]
    by_axes = 0.1 + 0.02 * table[axes].to_numpy() @ np.linspace(1.0, -0.5, len(axes))
    hidden = 0.02 * random.normal(size=len(table))
    table["gap"] = by_axes + hidden + noise * random.normal(size=len(table))
    table["perfect"] = np.exp(30 * table["gap"])
    table["opposite"] = -table["gap"]
    table["signal"] = hidden + 0.002 * random.normal(size=len(table))
    table["proxy"] = 10.0 ** table["a0"] * (1 + table["a1"])
    table["noise"] = random.normal(size=len(table))
    table["constant"] = 3.0
    return table
