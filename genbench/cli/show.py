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
        content = card(host_for_cards(plugins, without, words=[name]), name)
    if json_:
        options.echo_json(content)
    elif "text" in content:
        click.echo(content["text"], nl=False)
    else:
        _print(content)


def _print(content: dict[str, Any]) -> None:
    documentation, settings = content.pop("documentation", ""), content.pop("settings", {})
    invariances = content.pop("invariances", {})
    lines = {key.replace("_", " "): _line(key, value) for key, value in content.items()}
    width = max(map(len, lines)) + 2
    for key, line in lines.items():
        if line:
            click.echo(f"{key:{width}}{line}")
    if settings:
        click.echo("settings")
        for name, each in settings.items():
            click.echo(f"  {name} = {each['default']}    ({each['type']})")
            if "probe" in each:
                click.echo(f"      As of {each['probe']}. {each['documentation']}".rstrip())
    if invariances:
        print_invariances(invariances)
    if documentation:
        click.echo("\n" + documentation)


def _line(key: str, value: Any) -> str:
    """One value of a card in a line; empty where there is nothing to say."""
    if key == "applies_to":
        return _applies_to(value)
    if key == "repeatability":
        from genbench.auditing.words import repeatability_in_words

        return repeatability_in_words(value)
    if key == "cost_measured":
        return f"{value['milliseconds']:g} ms alone, {value['network']}, one thread of {value['processor']}"
    if isinstance(value, bool):
        return "yes" if value else ""
    return ", ".join(value) if isinstance(value, list) else str(value)


def _applies_to(answers: Mapping[str, str]) -> str:
    """``mlp, convnet; not mlp-regression (defined for classification only)``."""
    refusals: dict[str, list[str]] = {}
    for network, answer in answers.items():
        refusals.setdefault(answer, []).append(network)
    yes = ", ".join(refusals.pop("yes", [])) or "none of the audited networks"
    return "; ".join([yes, *(f"not {', '.join(names)} ({why})" for why, names in refusals.items())])


def print_invariances(changes: Mapping[str, Mapping[str, Any]]) -> None:
    """A line for each change, with what it did on each network: of an audit, or of the laws of a plugin."""
    from genbench.auditing.words import change_in_words

    networks = list(next(iter(changes.values())))
    if not networks:
        return
    rows = [["what moves it", *networks]]
    rows += [
        [f"  {title}", *(change_in_words(found.get(each)) for each in networks)]
        for title, found in changes.items()
    ]
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
