"""``genbench plugin``: for authors of components."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.cli import completing, options

if TYPE_CHECKING:
    from genbench.testing.apart import CheckedPlugin, CheckedSubject


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
    from genbench.testing.apart import check as checked

    found = checked(plugin, only, told=(lambda each: None) if json_ else _print)
    for line in found.problems:
        options.warn(line)
    if json_:
        subjects = [_plain(each) for each in found.subjects.values()]
        options.echo_json({"plugin": found.name, "problems": found.problems, "checked": subjects})
    else:
        click.echo(_conclusion(found))
    return 0 if found.is_sound else 1


def _print(checked: CheckedSubject) -> None:
    head = f"{checked.kind} {checked.name}"
    if checked.needs:
        click.echo(f"{head}: not tried, since its setting '{checked.needs}' must be given; try it in a test")
        return
    held = sum(status == "holds" for status, _ in checked.verdicts.values())
    click.echo(f"{head}: {held} of {len(checked.verdicts)} laws hold")
    for law, (status, why) in checked.verdicts.items():
        if status != "holds":
            click.echo(f"  {status:8}  {law.replace('_', ' ')}: {why}")
    if checked.card:
        from genbench.cli.show import print_invariances

        print_invariances(checked.card)


def _plain(checked: CheckedSubject) -> dict[str, Any]:
    return {
        "kind": checked.kind,
        "name": checked.name,
        "needs": checked.needs or None,
        "laws": {law: {"status": status, "why": why} for law, (status, why) in checked.verdicts.items()},
        "card": checked.card,
    }


def _conclusion(checked: CheckedPlugin) -> str:
    subjects = checked.subjects.values()
    if not subjects:
        return f"plugin '{checked.name}' has no component, suite or observer to check"
    tried, broken = (sum(len(laws) for laws in each) for each in (
        [each.verdicts for each in subjects], [each.broken for each in subjects]
    ))  # fmt: skip
    ending = "s" if len(subjects) > 1 else ""
    return (
        f"{tried} laws tried on {len(subjects)} component{ending} of '{checked.name}': "
        f"{broken or 'none is'} broken"
    )
