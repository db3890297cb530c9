"""All commands and options as a topic of the guide, read off the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from genbench.report.guide.topics import Topic

__all__ = ["every_command", "every_topic"]

INTRODUCTION = """\
# Commands

Every command has `--help`; every one that reads has `--json`. Results go to standard output, all else to
standard error. Exit codes: 0 done, 1 something is missing because of a fault, 2 wrong usage, 3 invalid input,
130 interrupted. `genbench --version` says which genbench it is.
"""


def every_topic() -> list[Topic]:
    """The topics of the guide, that of the commands last."""
    from genbench.report.guide.topics import topic, topics

    return [*topics(), topic("commands", "\n".join([INTRODUCTION, *_texts()]))]


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Each of genbench's own commands with its words, groups left out: ``leaderboard pack``."""
    from genbench.cli import COMMANDS, cli

    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        if isinstance(found, click.Group):
            yield from ((f"{name} {each}", part) for each, part in found.commands.items())
        elif found is not None:
            yield name, found


def _texts() -> Iterator[str]:
    for words, command in every_command():
        context = click.Context(command)
        arguments = [
            each.make_metavar(context) for each in command.params if isinstance(each, click.Argument)
        ]
        shown = " ".join(["genbench", words, *arguments])
        options = [each for each in command.params if isinstance(each, click.Option)]
        lines = [_option(each) for each in options]
        yield "\n".join([f"## {words}", "", f"`{shown}`", "", _paragraphs(command.help), "", *lines, ""])


def _option(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    names = ", ".join(f"`{each}{value}`" for each in (*option.opts, *option.secondary_opts))
    return f"- {names}: {option.help or ''}"


def _paragraphs(text: str | None) -> str:
    """The help of a command as Markdown: angle brackets and stars are texts here."""
    import inspect

    return inspect.cleandoc(text or "").replace("\b\n", "").replace("<", "\\<").replace("*", "\\*")
