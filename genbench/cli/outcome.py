"""How commands that execute trials end: what they did, what is missing, the leaderboard of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genbench.cli.options import echo_json

if TYPE_CHECKING:
    from genbench.api import Run
    from genbench.runner import Summary

__all__ = ["conclude"]


def conclude(run: Run, *, json_: bool) -> int:
    """Print the ranking of a run to standard output, the rest to standard error; returns the exit code."""
    summary = run.summary
    assert summary is not None
    for line in _lines(summary, str(run.folder.path)):
        click.echo(line, err=True)
    _print_ranking(run, json_=json_)
    return 0 if summary.is_complete else 1


def _lines(summary: Summary, folder: str) -> list[str]:
    lines = [f"{summary.trials} trials: {summary.trained} trained now, {summary.measured} measured now"]
    for reason, count in summary.failure_counts().items():
        lines.append(f"{count} without a fit: {reason}")
    for measure, reasons in summary.faults.items():
        reason, count = reasons.most_common(1)[0]
        lines.append(f"{measure}: no value on {reasons.total()} fits ({count} of them: {reason})")
    if not summary.is_complete:
        lines.append(f"'genbench retry {folder}' tries these again; 'genbench status {folder}' lists them")
    return lines


def _print_ranking(run: Run, *, json_: bool) -> None:
    from genbench.ranking import RankingError
    from genbench.report.terminal import print_ranking

    target = (run.folder.suite_content().get("targets") or ["gap"])[0]
    try:
        board = run.rank(target)
    except RankingError as fault:
        click.echo(f"no ranking yet: {fault}", err=True)
        if json_:
            echo_json({"folder": str(run.folder.path), "rows": []})
        return
    if json_:
        click.echo(board.to_json(), nl=False)
    else:
        print_ranking(board, f"{run.folder.path}: which measure predicts the {target}?")
