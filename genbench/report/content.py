"""What a report says, in plain data: the page, the figures and ``genbench report --json`` are made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from genbench.base.errors import UsageError, nearest
from genbench.report.correlation import correlation
from genbench.report.fits import FAILED, axis_columns, curves, endings
from genbench.report.numbers import column, rounded
from genbench.report.provenance import provenance
from genbench.report.sections import claims_section, regularizers_section
from genbench.report.standing import standing

if TYPE_CHECKING:
    from genbench.ranking import Board
    from genbench.runs.results import RunTable
    from genbench.runs.run import Run

__all__ = ["FORMAT", "Content", "boards_of", "read_content"]

# The underlined head of a section of a docstring: what follows is for those who call the function.
SECTIONS = re.compile(r"^\w[\w ]*\n-{3,}$", re.MULTILINE)

FORMAT = 1
"""Raised when a key changes its meaning."""


@dataclass(frozen=True)
class Content:
    """A report in plain data: texts, finite numbers, lists and dictionaries with texts as keys.

    Attributes
    ----------
    title, folder : str
    suite : dict
        ``name, version, notes``.
    targets : list of str
        Those that have a ranking.
    refused : dict
        By target, why there is no ranking for it.
    axes : list of dict
        See `genbench.report.fits.axis_columns`.
    fits : dict
        ``key`` and ``seed`` of each fit, and its value of each target.
    measures : dict
        By column: what the records say of a measure, what its card says, and ``values``, one for each fit.
    standings : dict
        By target, see `genbench.report.standing.standing`.
    correlation, curves, endings, provenance : dict
        See the functions of these names.
    tables : list of dict
        Further tables, each with ``id, title, note, columns`` and ``rows``; see `genbench.report.sections`.
    notes : list of str
        What the reader should know of the records.
    """

    title: str
    folder: str
    suite: Mapping[str, Any]
    targets: list[str]
    refused: Mapping[str, str]
    axes: list[dict[str, Any]]
    fits: Mapping[str, Any]
    measures: Mapping[str, Mapping[str, Any]]
    standings: Mapping[str, Mapping[str, Any]]
    correlation: Mapping[str, Any]
    curves: Mapping[str, Any]
    endings: Mapping[str, Any]
    provenance: Mapping[str, Any]
    tables: list[dict[str, Any]]
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Everything, with the number of the format."""
        return {"format": FORMAT, **self.__dict__}


def read_content(
    run: Run,
    results: RunTable | None = None,
    *,
    cards: Callable[[list[str]], Mapping[str, Mapping[str, Any]]] = lambda names: {},
    targets: Sequence[str] | None = None,
    axes: Sequence[str] | None = None,
    bootstrap: int | None = None,
    rank: bool = True,
    regularizers: Sequence[Mapping[str, Any]] = (),
    claims: Sequence[Mapping[str, Any]] = (),
) -> Content:
    """Read a run folder and rank its measures.

    Parameters
    ----------
    run : Run
    results : RunTable, optional
        Of this run, where it has been read.
    cards : callable
        Takes the columns of measures and returns their cards, see `genbench.report.catalog.card`; a measure
        without one is shown without its formula and description.
    targets : sequence of str, optional
        The suite's where left out.
    axes : sequence of str, optional
        The axes of the ranking; all of the run's where left out.
    bootstrap : int, optional
        Draws for the intervals, see `genbench.ranking.rank`.
    rank : bool
        Whether to rank; without it there are no standings.
    regularizers, claims : sequence of mappings
        Rows of these tables, which are left out where there are none.

    Raises
    ------
    InvalidInput
        The folder is no run folder.
    UsageError
        A target or an axis does not exist.
    """
    suite = run.folder.suite_content()
    results = results or run.results()
    wanted = list(targets or suite.get("targets") or ["gap"])
    for target in wanted:
        if target not in results.frame.columns:
            raise UsageError(f"unknown target '{target}'{nearest(target, results.frame.columns)}")
    boards, refused = (
        boards_of(lambda target: results.rank(target, axes=axes, bootstrap=bootstrap), wanted)
        if rank
        else ({}, {})
    )
    trials, ended, histories = _training(results)
    return Content(
        title=suite.get("title") or suite.get("name", ""),
        folder=run.folder.path.resolve().name,
        suite={
            "name": suite.get("name", ""),
            "version": suite.get("version"),
            "notes": str(suite.get("notes", "")).strip(),
        },
        targets=[target for target in wanted if target in boards],
        refused=refused,
        axes=axis_columns({axis: list(results.frame[axis]) for axis in results.axes}),
        fits={
            "key": [key[:12] for key in results.frame["key"]],
            "seed": [int(each) for each in results.frame["seed"]],
            **{target: column(results.frame[target]) for target in wanted},
        },
        measures=_measures(results, cards(list(results.measures))),
        standings={target: standing(_own_notes(board, results)) for target, board in boards.items()},
        correlation=correlation(
            results.frame, {name: info.direction for name, info in results.measures.items()}
        ),
        curves=curves(histories),
        endings=endings(trials, ended),
        provenance=provenance(run.folder, results.records),
        tables=[each for each in (regularizers_section(regularizers), claims_section(claims)) if each],
        notes=list(results.notes),
    )


def boards_of(
    rank: Callable[[str], Board], targets: Sequence[str]
) -> tuple[dict[str, Board], dict[str, str]]:
    """The board of each target, side by side, and why there is none where there is none.

    Raises
    ------
    NoDirection
        Measures without one are refused.
    """
    from genbench.ranking.errors import NoDirection, RankingError
    from genbench.ranking.jit import side_by_side

    def one(target: str) -> Board | str:
        try:
            return rank(target)
        except NoDirection:
            raise
        except RankingError as fault:
            return str(fault)

    found = dict(zip(targets, side_by_side(one, targets), strict=True))
    refused = {target: each for target, each in found.items() if isinstance(each, str)}
    return {target: each for target, each in found.items() if not isinstance(each, str)}, refused


def _own_notes(board: Board, results: RunTable) -> Board:
    """A board without the notes on the records, which a report has once for all targets."""
    return replace(board, notes=[each for each in board.notes if each not in results.notes])


def _training(results: RunTable) -> tuple[dict[str, list[Any]], list[str], list[Mapping[str, Any]]]:
    """Of all trials, those without a fit last, levels and endings; then the histories of the fits."""
    from genbench.planning.axes import ABSENT
    from genbench.planning.plan import Trial

    frame = results.frame
    coordinates: list[Mapping[Any, Any]] = list(frame[list(results.axes)].to_dict(orient="records"))
    histories: list[Mapping[str, Any]] = [each["history"] for each in results.records]
    ended = [str(each) for each in frame["stop_reason"]]
    for failure in results.failures:
        coordinates.append(Trial.from_dict(failure["trial"]).coordinates())
        ended.append(FAILED)
    columns = {axis: [each.get(axis, ABSENT) for each in coordinates] for axis in results.axes}
    return columns, ended, histories


def _measures(results: RunTable, cards: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, info in results.measures.items():
        card = cards.get(name, {})
        found[name] = {
            "family": info.family,
            "direction": info.direction,
            "cost_class": info.cost_class,
            "seconds": rounded(info.seconds),
            "held_out": info.held_out,
            "plugin": info.plugin,
            "version": info.version,
            "statuses": dict(info.statuses),
            "aliases": list(info.aliases),
            "formula": card.get("formula", ""),
            "source": card.get("source", ""),
            "documentation": SECTIONS.split(card.get("documentation", ""))[0].strip(),
            "invariance": _invariance(card.get("invariances", {})),
            "values": column(results.frame[name]),
        }
    return found


def _invariance(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the audit that came with genbench found of a measure, in words: a row for each change."""
    if not changes:
        return {}
    from genbench.auditing.words import change_in_words

    networks = list(dict.fromkeys(network for found in changes.values() for network in found))
    rows = [
        [title, *(change_in_words(found.get(each)) for each in networks)] for title, found in changes.items()
    ]
    return {"networks": networks, "rows": [row for row in rows if set(row[1:]) != {"–"}]}
