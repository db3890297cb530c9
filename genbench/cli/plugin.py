"""``genbench plugin``: for authors of components."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.cli import completing, options

if TYPE_CHECKING:
    from genbench.testing.checking import Checked


@click.group("plugin")
def command() -> None:
    """Begin a plugin, and check one by the laws that components of its kinds keep."""


@command.command("new")
@click.argument("kind", metavar="KIND")
@click.argument("name", metavar="NAME")
@click.option("--file", "single", is_flag=True, help="One file instead of a package.")
@click.option(
    "--out", type=options.PATH, default=".", metavar="DIR", help="Where to make it; here if left out."
)
@options.as_json
def new(kind: str, name: str, single: bool, out: Path, json_: bool) -> None:
    """Begin a plugin: an installable package with one component, its tests and a README.

    KIND is measure, probe, model, dataset, regularizer, protocol, statistic, executor, suite or observer.
    """
    from genbench.scaffolding import begin

    begun = begin(kind, name, out, single=single)
    if json_:
        options.echo_json(
            {"path": str(begun.path), "files": [*map(str, begun.files)], "next": begun.commands}
        )
        return
    for each in begun.files:
        click.echo(str(each))
    click.echo("\nnext:")
    for command_line in begun.commands:
        click.echo(f"  {command_line}")


@command.command("check")
@click.argument("plugin", metavar="MODULE|PATH|NAME", shell_complete=completing.plugins)
@click.option("--only", default="", metavar="NAME", help="One component of it.")
@options.as_json
def check(plugin: str, only: str, json_: bool) -> int:
    """Try every law on every component of a plugin: a module, a file, or one that is installed.

    A law that is broken is named, with what the component did; the exit code is 1 then.
    `genbench.testing` has the same laws for pytest.
    """
    from genbench.base.errors import UsageError, nearest
    from genbench.host import Host
    from genbench.testing.checking import check as tried
    from genbench.testing.checking import given_for, plugin_of

    given = given_for(plugin)
    host = Host.load(given)
    found = plugin_of(plugin, host)
    names = [name for each in found.components for name in (each.name, each.full_name)]
    if only and only not in names:
        raise UsageError(f"plugin '{found.name}' has no component '{only}'{nearest(only, names)}")
    host.suites()  # whether a plugin can list its suites shows only now
    for line in found.problems:
        options.warn(f"plugin '{found.name}' ({found.source.origin}): {line}")
    checked = []
    for each in tried(found, host, given, only):
        checked.append(each)
        if not json_:
            _print(each)
    broken = sum(len(each.broken) for each in checked)
    if json_:
        options.echo_json(
            {"plugin": found.name, "problems": found.problems, "checked": [*map(_plain, checked)]}
        )
    else:
        click.echo(_conclusion(found.name, checked, broken))
    return 1 if broken or found.problems or not checked else 0


def _print(checked: Checked) -> None:
    head = f"{checked.kind} {checked.name}"
    if checked.needs:
        click.echo(f"{head}: not tried, since its setting '{checked.needs}' must be given; try it in a test")
        return
    held = sum(each.status == "holds" for each in checked.verdicts)
    click.echo(f"{head}: {held} of {len(checked.verdicts)} laws hold")
    for verdict in checked.verdicts:
        if verdict.status != "holds":
            click.echo(f"  {verdict.status:8}  {verdict.law.replace('_', ' ')}: {verdict.why}")
    if checked.card:
        from genbench.cli.show import print_invariances

        print_invariances(checked.card)


def _plain(checked: Checked) -> dict[str, Any]:
    return {
        "kind": checked.kind,
        "name": checked.name,
        "needs": checked.needs or None,
        "laws": {each.law: {"status": each.status, "why": each.why} for each in checked.verdicts},
        "card": checked.card,
    }


def _conclusion(name: str, checked: list[Checked], broken: int) -> str:
    count = sum(len(each.verdicts) for each in checked)
    if not checked:
        return f"plugin '{name}' has no component, suite or observer to check"
    laws = f"{count} laws tried on {len(checked)} component{'s' if len(checked) > 1 else ''} of '{name}'"
    return f"{laws}: {broken} broken" if broken else f"{laws}: none is broken"
