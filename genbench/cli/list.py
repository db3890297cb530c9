"""``genbench list``: what there is."""

from __future__ import annotations

from typing import Any

import click

from genbench.cli import options
from genbench.errors import UsageError, nearest

KINDS = (
    "datasets", "models", "regularizers", "protocols", "probes", "measures", "statistics", "suites",
    "executors", "plugins",
)  # fmt: skip

# What a table leaves to --json and to `genbench show`, so that a row stays a line.
NOT_IN_TABLES = frozenset({"settings", "version", "source", "needs"})


@click.command("list")
@click.argument("kind", required=False, metavar=f"[{'|'.join(KINDS)}]")
@options.plugins
@options.as_json
def command(kind: str | None, plugins: tuple[str, ...], without: tuple[str, ...], json_: bool) -> int:
    """List what there is of a kind, or how much there is of each."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f"unknown kind '{kind}'{nearest(kind, KINDS)}")
    from genbench.catalog import rows
    from genbench.host import Host
    from genbench.report.terminal import print_rows

    host = Host.load(plugins, without)
    if kind is None:
        content: list[dict[str, Any]] = [{"kind": each, "count": len(rows(host, each))} for each in KINDS]
    else:
        content = rows(host, kind)
    for line in host.problems():
        click.echo(f"genbench: {line}", err=True)
    if json_:
        options.echo_json(content)
    elif content:
        columns = [each for each in content[0] if each not in NOT_IN_TABLES]
        print_rows(columns, [[_cell(row[column]) for column in columns] for row in content], right=["count"])
    return 1 if host.problems(asked_for=True) else 0


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
