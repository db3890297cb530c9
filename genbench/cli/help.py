"""``genbench help``: the guide, topic by topic or as one page, and the help of commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genbench.base.errors import UsageError, nearest
from genbench.cli import options

if TYPE_CHECKING:
    from genbench.report.guide.topics import Topic


@click.command("help")
@click.argument("topic", nargs=-1, metavar="[TOPIC]")
@click.option("--html", type=options.PATH, metavar="FILE", help="Write the whole guide as one page.")
def command(topic: tuple[str, ...], html: Path | None) -> None:
    """Show a topic of the guide, or the help of a command; without TOPIC, what there is.

    The page of --html is one file and needs no network.
    """
    from genbench.cli.reference import every_topic

    found = {each.name: each for each in every_topic()}
    asked = " ".join(topic)
    if html is not None:
        _write(html, list(found.values()))
    elif not topic:
        width = max(map(len, found)) + 2
        click.echo("Topics of the guide, each shown by: genbench help TOPIC\n")
        for each in found.values():
            click.echo(f"  {each.name:{width}}{each.title}")
        click.echo("\nAll of them as one page: genbench help --html guide.html")
    elif asked in found:
        _show(found[asked].text)
    else:
        click.echo(_help_of(topic, [*found]))


def _help_of(words: Sequence[str], topics: Sequence[str]) -> str:
    """What a command says with --help; one that a group holds is named by two words."""
    from genbench.cli import COMMANDS, cli
    from genbench.cli.reference import every_command

    context = click.Context(cli, info_name="genbench")
    for word in words:
        group = context.command
        found = group.get_command(context, word) if isinstance(group, click.Group) else None
        if found is None:
            asked = " ".join(words)
            known = [*topics, *COMMANDS, *(each for each, _ in every_command())]
            raise UsageError(
                f"no topic '{asked}'{cli.inside_a_group(context, asked) or nearest(asked, known)}"
            )
        context = click.Context(found, info_name=word, parent=context)
    return context.command.get_help(context)


def _show(text: str) -> None:
    """On a terminal set as a page, elsewhere the Markdown as it is."""
    from genbench.report.guide.topics import on_terminal

    text = on_terminal(text)
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=sys.stdout)
    console.print(Markdown(text, code_theme="bw"), width=min(console.width, 100))


def _write(file: Path, topics: list[Topic]) -> None:
    from genbench.base.files import unwritable, write_atomically
    from genbench.report.guide.page import as_page

    try:
        write_atomically(file, as_page(topics).encode())
    except OSError as fault:
        raise unwritable(file, fault) from None
    click.echo(file)
