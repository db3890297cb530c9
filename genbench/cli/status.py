"""``genbench status``: how far a run is, and what is wrong with it."""

from __future__ import annotations

import collections
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from genbench.base.counting import counted
from genbench.cli import options
from genbench.cli.waiting import Waiting


@click.command("status")
@click.argument("run", type=options.PATH)
@click.option("--all", "whole", is_flag=True, help="Show every measure, as pipes and files get them.")
@options.as_json
def command(run: Path, whole: bool, json_: bool) -> None:
    """Show how many fits there are, how they ended, which values are missing and why, and what is damaged."""
    from genbench.runs.status import read_status

    with Waiting(f"reading {run}, weights too"):
        content = read_status(run)
    if json_:
        options.echo_json(content)
    else:
        _print(content, whole or not sys.stdout.isatty())


def _print(content: dict[str, Any], whole: bool) -> None:
    from genbench.report.terminal import print_rows

    planned = content["planned"]
    of = f" of {planned:,}" if planned is not None and planned >= content["fits"] else ""
    fits = f"{content['fits']:,}{of} fits" if of else counted(content["fits"], "fit")
    click.echo(f"{content['folder']}: suite {content['suite']}, {fits}")
    for reason, count in sorted(content["stop_reasons"].items()):
        click.echo(f"  {count} ended with {reason}")
    if content["failures"]:
        counts = collections.Counter(each["reason"] for each in content["failures"])
        for reason, count in counts.most_common():
            click.echo(f"  {count} without a fit: {reason}")
    if (begun := content["fits"] + len(content["failures"])) < (planned or 0):
        click.echo(f"  {planned - begun:,} not trained yet: the same 'genbench run' goes on")
    totals: collections.Counter[str] = collections.Counter()
    for each in content["measures"].values():
        totals.update(each["statuses"])
    if totals:
        parts = ", ".join(f"{count:,} {status}" for status, count in totals.most_common())
        due = len(content["measures"]) * max(planned or 0, content["fits"])
        whole_table = f" of {due:,}" if due > totals.total() else ""
        measures = counted(len(content["measures"]), "measure")
        click.echo(f"{measures}, {totals.total():,}{whole_table} values: {parts}")
    if whole:
        _print_all(content["measures"], sorted(totals))
    rows = _without_values(content)
    if rows:
        print_rows(["measure", "without", "why"], rows, right=["without"])
    elif totals:
        click.echo("every measure has a value on every fit")
    for kind in ("damaged", "conflicts", "warnings"):
        for line in content[kind]:
            click.echo(f"{kind.rstrip('s')}: {line}")
    if content["failures"] or content["faults"]:
        click.echo(f"'genbench retry {shlex.quote(content['folder'])}' tries again what failed")


def _print_all(measures: dict[str, Any], statuses: Sequence[str]) -> None:
    from genbench.report.terminal import print_rows

    rows = [
        [name, each["direction"], each["cost_class"], *(each["statuses"].get(s, 0) for s in statuses)]
        for name, each in measures.items()
    ]
    print_rows(["measure", "", "cost", *statuses], rows, right=statuses)


def _without_values(content: dict[str, Any]) -> list[list[str]]:
    """Of each measure that lacks values: on how many of the fits, and the reasons, the commonest first."""
    rows = []
    for name, each in content["measures"].items():
        absent = content["fits"] - each["statuses"].get("ok", 0)
        if not absent:
            continue
        reasons = [f"{reason} ({count})" for reason, count in each["reasons"].items()]
        never = content["fits"] - sum(each["statuses"].values())
        if never:
            reasons.append(f"not computed yet ({never})")
        rows.append([name, f"{absent} of {content['fits']}", "; ".join(reasons)])
    return rows
