"""``genbench show``: the card of one component or plugin, or the text of a suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from genbench.cli import completing, options
from genbench.cli.waiting import Waiting

__all__ = ["print_invariances"]


@click.command("show")
@click.argument("name", shell_complete=completing.names)
@options.plugins
@options.as_json
def command(name: str, plugins: tuple[str, ...], without: tuple[str, ...], json_: bool) -> None:
    """Show what a component is: formula, source, needs, settings, direction, cost, what audits found.

    NAME may be a variant of a measure, a suite or a plugin, and may say its kind: model:resnet.
    """
    from genbench.report.catalog import card
    from genbench.report.catalog_cache import host_for_cards

    with Waiting("loading plugins"):
        host = host_for_cards(plugins, without, words=[name])
    for line in host.problems(asked_for=True):
        options.warn(line)
    with Waiting("making the card"):
        content = card(host, name)
    if json_:
        options.echo_json(content)
    elif "text" in content:
        click.echo(content["text"], nl=False)
    else:
        _print(content)


def _print(content: dict[str, Any]) -> None:
    from genbench.report.cards import facts

    lines = facts(content)
    width = max(map(len, lines)) + 2
    for key, line in lines.items():
        click.echo(f"{key:{width}}{line}")
    if content.get("settings"):
        click.echo("settings")
        for name, each in content["settings"].items():
            click.echo(f"  {name} = {each['default']}    ({each['type']})")
            if "probe" in each:
                click.echo(f"      As of {each['probe']}. {each['documentation']}".rstrip())
    if content.get("invariances"):
        print_invariances(content["invariances"])
    if content.get("documentation"):
        click.echo("\n" + content["documentation"])


def print_invariances(changes: Mapping[str, Mapping[str, Any]]) -> None:
    """A line for each change, with what it did on each network: of an audit, or of the laws of a plugin."""
    from genbench.report.cards import invariance_lines

    for line in invariance_lines(changes):
        click.echo(line)
