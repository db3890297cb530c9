"""The second table of a run: its regularizers, by test error, gap and loss gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from genbench.base.outcomes import COMMON_TARGETS
from genbench.planning.axes import ABSENT

if TYPE_CHECKING:
    from genbench.ranking.alternatives import Alternatives
    from genbench.runs.results import RunTable

__all__ = ["has_alternatives", "rank_regularizers"]

TARGETS = ("test_error", *(each for each in COMMON_TARGETS if each != "test_error"))
"""The test error first: regularizers are there to lower it."""

BASELINE = "none"
AXIS = "regularizers"
PREFIX = f"{AXIS}."


def has_alternatives(results: RunTable) -> bool:
    """Whether the run has more than one alternative of regularizers."""
    return len(set(_names(results))) > 1


def rank_regularizers(results: RunTable, targets: Sequence[str] = TARGETS) -> Alternatives:
    """Compare the regularizers of a run, each level of their hyperparameters being one of its own.

    Against ``none`` where the run has it, else against the mean of all; paired over the other axes and seeds.

    Raises
    ------
    RankingError
        There is one alternative only.
    """
    from genbench.ranking.alternatives import compare_alternatives

    names = _names(results)
    frame = results.frame
    others = [axis for axis in results.axes if not _is_of_regularizers(axis)]
    places = (
        [tuple(map(str, row)) for row in frame[others].itertuples(index=False)]
        if others
        else [()] * len(frame)
    )
    return compare_alternatives(
        names,
        places,
        list(frame["seed"]),
        {target: frame[target].to_numpy(dtype=float) for target in targets},
        BASELINE if BASELINE in names else None,
    )


def _is_of_regularizers(axis: str) -> bool:
    return axis == AXIS or axis.startswith(PREFIX)


def _names(results: RunTable) -> list[str]:
    """Each fit's regularizers in words, with those of their settings that change: ``dropout[rate=0.2]``."""
    frame = results.frame
    settings = [axis for axis in results.axes if axis.startswith(PREFIX)]
    stacks = frame[AXIS] if AXIS in frame else [BASELINE if not settings else ""] * len(frame)
    return [
        _spelled(stack, {axis: frame[axis].iloc[row] for axis in settings})
        for row, stack in enumerate(stacks)
    ]


def _spelled(stack: str, levels: dict[str, Any]) -> str:
    given: dict[str, list[str]] = {}
    for axis, level in levels.items():
        name, _, setting = axis.removeprefix(PREFIX).rpartition(".")
        if level != ABSENT:
            given.setdefault(name, []).append(f"{setting}={level}")
    names = stack.split("+") if stack else list(given)
    return "+".join(f"{name}[{','.join(given[name])}]" if name in given else name for name in names)
