"""``genbench list``: what there is."""

from __future__ import annotations

from typing import Any

import click

from genbench.base.errors import UsageError, nearest
from genbench.cli import options
from genbench.cli.waiting import Waiting

KINDS = (
    "datasets", "models", "regularizers", "protocols", "probes", "measures", "statistics", "suites",
    "executors", "plugins",
)  # fmt: skip

# What a table leaves to --json and to `genbench show`, so that a row stays a line.
NOT_IN_TABLES = frozenset({"settings", "version", "source", "needs"})


def _begun(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The kinds that begin so, for the shell."""
    return [each for each in KINDS if each.startswith(incomplete)]


@click.command("list")
@click.argument("kind", required=False, metavar=f"[{'|'.join(KINDS)}]", shell_complete=_begun)
@click.option("--family", metavar="NAME", help="Only measures of this family.")
@click.option("--cost", metavar="A-C", help="Only measures of this cost class or range.")
@click.option("--need", metavar="NAME", help="Only measures that need this probe or root, at any depth.")
@options.plugins
@options.as_json
def command(
    kind: str | None, plugins: tuple[str, ...], without: tuple[str, ...], json_: bool, **filters: str | None
) -> int:
    """List what there is of a kind, or how much there is of each."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f"unknown kind '{kind}'{nearest(kind, KINDS)}")
    given = [f"--{name}" for name, value in filters.items() if value is not None]
    if given and kind != "measures":
        raise UsageError(f"{given[0]} chooses among measures: genbench list measures {given[0]} ...")
    from genbench.report.catalog import only, rows
    from genbench.report.catalog_cache import host_for_cards
    from genbench.report.terminal import print_rows

    with Waiting("loading plugins"):
        host = host_for_cards(plugins, without)
    if kind is None:
        content: list[dict[str, Any]] = [{"kind": each, "count": len(rows(host, each))} for each in KINDS]
    else:
        content = rows(host, kind)
        if given:
            content = only(content, **filters)
    for line in host.problems():
        click.echo(f"genbench: {line}", err=True)
    if json_:
        options.echo_json(content)
    elif kind == "measures":
        _print_measures(content)
    elif content:
        columns = [each for each in content[0] if each not in NOT_IN_TABLES]
        print_rows(columns, [[_cell(row[column]) for column in columns] for row in content], right=["count"])
    return 1 if host.problems(asked_for=True) else 0


def _print_measures(measures: list[dict[str, Any]]) -> None:
    """A line for each measure under the name of its family, so that a terminal of 80 columns holds it."""
    from genbench.report.terminal import print_sections

    families: dict[str, list[list[str]]] = {}
    for row in sorted(measures, key=lambda row: row["family"]):
        remarks = "(held-out) " if row["held_out"] else ""
        remarks += f"(or {', '.join(row['aliases'])}) " if row["aliases"] else ""
        cells = [row["name"], row["direction"], row["cost"], remarks + row["summary"]]
        families.setdefault(row["family"], []).append(cells)
    print_sections(["measure", "±", "cost", "summary"], families)


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
