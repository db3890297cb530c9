"""``genbench status``: how far a run is, and what is wrong with it."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import click

from genbench.cli import options


@click.command("status")
@click.argument("run", type=options.PATH)
@options.as_json
def command(run: Path, json_: bool) -> None:
    """Show how many fits there are, how they ended, which values are missing and why, and what is damaged."""
    from genbench.runs.status import read_status

    content = read_status(run)
    if json_:
        options.echo_json(content)
    else:
        _print(content)


def _print(content: dict[str, Any]) -> None:
    from genbench.report.terminal import print_rows

    click.echo(f"{content['folder']}: suite {content['suite']}, {content['fits']} fits")
    for reason, count in sorted(content["stop_reasons"].items()):
        click.echo(f"  {count} ended with {reason}")
    if content["failures"]:
        counts = collections.Counter(each["reason"] for each in content["failures"])
        for reason, count in counts.most_common():
            click.echo(f"  {count} without a fit: {reason}")
    statuses = sorted({status for each in content["measures"].values() for status in each["statuses"]})
    rows = [
        [name, each["direction"], each["cost_class"], *(each["statuses"].get(s, 0) for s in statuses)]
        for name, each in content["measures"].items()
    ]
    print_rows(["measure", "", "cost", *statuses], rows, right=statuses)
    for kind in ("damaged", "conflicts", "warnings"):
        for line in content[kind]:
            click.echo(f"{kind.rstrip('s')}: {line}")
