"""Reports for tests, made of a table of invented fits: nothing is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from genbench import ranking
from genbench.report.content import Content
from genbench.report.correlation import correlation
from genbench.report.fits import axis_columns, curves, endings
from genbench.report.numbers import column
from genbench.report.standing import standing

LEVELS: Mapping[str, Sequence[Any]] = {
    "model.width": [16, 32, 64],
    "protocol.learning_rate": [0.01, 0.1],
    "protocol.optimizer": ["adam", "sgd"],
}
DIRECTIONS = {"good": "+", "good_reversed": "-", "weak": "+", "useless": "+", "undirected": "?", "held": "+"}


def invented(seeds: int = 2, levels: Mapping[str, Sequence[Any]] = LEVELS, extra: int = 0) -> pd.DataFrame:
    """A row for each point of a grid and seed: two targets, and measures that follow them more or less."""
    random = np.random.default_rng(7)
    rows = [
        dict(zip(levels, point, strict=True), seed=seed)
        for *point, seed in product(*levels.values(), range(seeds))
    ]
    frame = pd.DataFrame(rows)
    signal = sum(pd.factorize(frame[axis])[0] / len(each) for axis, each in levels.items())
    noise = random.normal(size=(8 + extra, len(frame)))
    frame["gap"] = 0.1 + 0.05 * signal + 0.005 * noise[0]
    frame["test_error"] = 0.2 + 0.05 * signal + 0.01 * noise[1]
    frame["good"] = np.exp(6 * signal + 0.2 * noise[2])
    frame["good_reversed"] = -signal + 0.05 * noise[3]
    frame["weak"] = signal + 2 * noise[4]
    frame["useless"] = noise[5]
    frame["undirected"] = signal + noise[6]
    frame["held"] = signal + 0.5 * noise[7]
    further = {f"further_{place:03}": signal + noise[8 + place] for place in range(extra)}
    return pd.concat([frame, pd.DataFrame(further)], axis=1)


def report(
    frame: pd.DataFrame | None = None,
    directions: Mapping[str, str] = DIRECTIONS,
    levels: Mapping[str, Sequence[Any]] = LEVELS,
    bootstrap: int = 50,
    **changes: Any,
) -> Content:
    """A report on a table of `invented` fits; `changes` replace what it says."""
    frame = invented() if frame is None else frame
    boards = {
        target: ranking.rank(
            frame, list(directions), target, axes=list(levels), directions=directions, bootstrap=bootstrap,
            statistics=["tau", "psi", "spearman"], families=dict.fromkeys(directions, "invented"),
            costs={name: 10.0 ** -(place % 5) for place, name in enumerate(directions)},
            held_out=[name for name in directions if name == "held"],
        )
        for target in ("gap", "test_error")
    }  # fmt: skip
    columns = {axis: list(frame[axis]) for axis in levels}
    history = {
        "epoch": list(range(100)),
        "train_loss": [2 * math.exp(-each / 20) for each in range(100)],
        "train_error": [0.9 * math.exp(-each / 10) for each in range(100)],
    }
    content: dict[str, Any] = {
        "title": "Invented fits",
        "folder": "invented",
        "suite": {"name": "invented", "version": 1, "notes": "Nothing was trained."},
        "targets": list(boards),
        "refused": {},
        "axes": axis_columns(columns),
        "fits": {
            "key": [f"{place:012x}" for place in range(len(frame))],
            "seed": [int(each) for each in frame["seed"]],
            **{target: column(frame[target]) for target in boards},
        },
        "measures": {
            name: {
                "family": "spectral" if place % 2 else "margin", "direction": direction,
                "cost_class": "ABCDEF"[place % 6], "seconds": 10.0 ** -(place % 5), "held_out": name == "held",
                "plugin": "core", "version": 1, "statuses": {"ok": len(frame)}, "aliases": [],
                "formula": f"formula of {name}", "source": "nobody", "documentation": f"What {name} is.",
                "invariance": {}, "values": column(frame[name]),
            }
            for place, (name, direction) in enumerate(directions.items())
        },
        "standings": {target: standing(board) for target, board in boards.items()},
        "correlation": correlation(frame, directions),
        "curves": curves([history] * len(frame)),
        "endings": endings(columns, ["target"] * (len(frame) - 1) + ["diverged"]),
        "provenance": {
            "environments": [], "seeds": [0, 1], "test_examples": [898], "checksums": ["sha256:0"], "suite": "seeds = 2\n",
        },
        "tables": [],
        "notes": [],
    }  # fmt: skip
    return Content(**{**content, **changes})
