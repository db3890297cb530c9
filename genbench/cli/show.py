"""``genbench show``: the card of one component or plugin, or the text of a suite."""

from __future__ import annotations

from typing import Any

import click

from genbench.cli import options


@click.command("show")
@click.argument("name")
@options.plugins
@options.as_json
def command(name: str, plugins: tuple[str, ...], without: tuple[str, ...], json_: bool) -> None:
    """Show what a component is: formula, source, needs, settings, direction, cost.

    NAME may be a variant of a measure, a suite or a plugin, and may say its kind: model:resnet.
    """
    from genbench.catalog import card
    from genbench.host import Host

    content = card(Host.load(plugins, without), name)
    if json_:
        options.echo_json(content)
    elif "text" in content:
        click.echo(content["text"], nl=False)
    else:
        _print(content)


def _print(content: dict[str, Any]) -> None:
    documentation, settings = content.pop("documentation", ""), content.pop("settings", {})
    width = max(map(len, content)) + 2
    for key, value in content.items():
        if value not in ("", []):
            click.echo(f"{key:{width}}{', '.join(value) if isinstance(value, list) else value}")
    if settings:
        click.echo("settings")
        for name, each in settings.items():
            click.echo(f"  {name} = {each['default']}    ({each['type']})")
    if documentation:
        click.echo("\n" + documentation)
