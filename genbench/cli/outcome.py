"""How commands that execute trials end: what they did, what is missing, the leaderboard of the run."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from genbench.base.counting import counted
from genbench.cli.options import debugs_plugins, echo_json, with_plugins
from genbench.cli.waiting import Waiting

if TYPE_CHECKING:
    from genbench.runs.run import Run, Summary

__all__ = ["conclude", "next_steps"]

LARGER = {"digits": "mnist-cpu", "mnist-cpu": "cifar10-jpeg-cpu", "cifar10-jpeg-cpu": "cifar10-jpeg"}
"""What to run next; a suite NAME-quick is followed by NAME."""

MANY_TRIALS = 2_000
"""Above so many, ranking takes minutes: a command that had nothing to do leaves it to ``rank``."""


def conclude(run: Run, *, json_: bool, plugins: Sequence[str] = ()) -> int:
    """Print the ranking of a run to standard output, the rest to standard error; returns the exit code.

    Parameters
    ----------
    plugins : sequence of str
        What was given with ``--plugin``, for hints to repeat.
    """
    summary = run.summary
    assert summary is not None
    for line in _lines(summary, str(run.folder.path), with_plugins(plugins)):
        click.echo(line, err=True)
    if debugs_plugins():
        _print_tracebacks(run)
    if summary.trained == summary.measured == 0 and summary.trials > MANY_TRIALS and not json_:
        folder = shlex.quote(str(run.folder.path))
        click.echo(f"nothing was left to do; 'genbench rank {folder}' ranks the measures", err=True)
    else:
        _print_tables(run, json_=json_)
    return 0 if summary.is_complete else 1


def _lines(summary: Summary, folder: str, plugins: str) -> list[str]:
    trials, folder = counted(summary.trials, "trial"), shlex.quote(folder)
    lines = [f"{trials}: {summary.trained} trained now, {summary.measured} measured now"]
    for reason, count in summary.failure_counts().items():
        lines.append(f"{count} without a fit: {reason}")
    for measure, reasons in summary.faults.items():
        reason, count = reasons.most_common(1)[0]
        lines.append(f"{measure}: no value on {counted(reasons.total(), 'fit')} ({count} of them: {reason})")
    if not summary.is_complete:
        lines.append(
            f"'genbench retry {folder}{plugins}' tries these again; 'genbench status {folder}' lists them"
        )
    return lines


def _print_tracebacks(run: Run) -> None:
    """Where components raised: one traceback for each measure, and for each reason why trials failed."""
    from genbench.base.values import Status

    shown: dict[str, str] = {}
    for key in run.folder.fit_keys():
        failure = run.folder.failure(key)
        if failure is not None and failure.get("detail"):
            shown.setdefault(failure["reason"], failure["detail"])
        for name, value in run.folder.measured(key).values.items():
            if Status(value["status"]).is_fault and value.get("detail"):
                shown.setdefault(name, value["detail"])
    for what, traceback in shown.items():
        click.echo(f"\n{what}:\n{traceback}", err=True)


def _print_tables(run: Run, *, json_: bool) -> None:
    """The ranking of measures; where there is more than one alternative, that of regularizers too."""
    from genbench.ranking import RankingError
    from genbench.report.ranking import print_ranking
    from genbench.report.terminal import print_alternatives
    from genbench.runs.regularizers import has_alternatives, rank_regularizers

    folder, suite = str(run.folder.path), run.folder.suite_content()
    target = (suite.get("targets") or ["gap"])[0]
    with Waiting("reading the values") as at:
        results = run.results()
        at.now(f"ranking {len(results.measures)} measures on {len(results.frame)} fits")
        second = rank_regularizers(results) if has_alternatives(results) else None
        try:
            board, unranked = results.rank(target), ""
        except RankingError as fault:
            board, unranked = None, str(fault)
    if unranked:
        click.echo(f"no ranking yet: {unranked}", err=True)
    if json_:
        content = {"folder": folder, "rows": []} if board is None else json.loads(board.to_json())
        echo_json(content | ({"regularizers": second.as_dict()} if second else {}))
        return
    if board is not None:
        print_ranking(board, f"{folder}: which measure predicts the {target}?", source=folder)
    if second is not None:
        print_alternatives(second, f"{folder}: which regularizer helps?")
    if suite.get("claim"):
        click.echo(f"'genbench claims {folder}' has the verdicts on {len(suite['claim'])} claims", err=True)
    if board is not None and sys.stdout.isatty():
        click.echo("\n".join(next_steps(folder, suite.get("name", ""), board.rows[0]["measure"])), err=True)


def next_steps(folder: str, suite: str, best: str) -> list[str]:
    """What to look at after a run, as lines to copy: the page, why the best stands there, a larger suite."""
    from genbench.suites import genbench_suites

    folder = shlex.quote(folder)
    larger = LARGER.get(suite, suite.removesuffix("-quick"))
    steps = {
        f"genbench report {folder}": "a page with plots",
        f"genbench rank {folder} --why {shlex.quote(best)}": "where the best wins",
        f"genbench rank {folder} --design": "what more fits would tell",
    }
    if larger != suite and larger in {each.stem for each in genbench_suites()}:
        steps[f"genbench plan --suite {larger}"] = "the next larger suite"
    width = max(map(len, steps))
    return ["next:", *(f"  {command:{width}}  {what}" for command, what in steps.items())]
