"""``genbench show``: the card of one component, or the text of a suite."""

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

    NAME may be a variant, and may say its kind: model:resnet. The name of a suite shows its text.
    """
    from genbench.catalog import card
    from genbench.host import Host

    host = Host.load(plugins, without)
    suites = host.suites()
    if name in suites:
        text = suites[name].read_text(encoding="utf-8")
        if json_:
            options.echo_json({"kind": "suite", "name": name, "text": text})
        else:
            click.echo(text, nl=False)
        return
    content = card(host, name)
    if json_:
        options.echo_json(content)
    else:
        _print(content)


def _print(content: dict[str, Any]) -> None:
    documentation, settings = content.pop("documentation"), content.pop("settings")
    width = max(map(len, content)) + 2
    for key, value in content.items():
        if value not in ("", []):
            click.echo(f"{key:{width}}{', '.join(value) if isinstance(value, list) else value}")
    if settings:
        click.echo("settings")
        for name, each in settings.items():
            click.echo(f"  {name} = {each['default']}    ({each['type']})")
    click.echo("\n" + documentation)
