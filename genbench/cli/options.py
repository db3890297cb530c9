"""Options that several commands share, and how they print."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from genbench.base import moved
from genbench.base.errors import UsageError, printable
from genbench.cli import completing

__all__ = [
    "DEBUG_PLUGIN",
    "PATH",
    "as_json",
    "axes",
    "cards",
    "debugs_plugins",
    "echo_encoded",
    "echo_json",
    "forms",
    "interruptible",
    "listed",
    "plugins",
    "shard_numbers",
    "warn",
    "with_plugins",
    "working",
]

moved.signpost(__name__)


class _Path(click.Path):
    """A path; an empty word is none, though Python takes it for the folder that one is in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Run folders where a run is wanted, before whatever else there is."""
        folders = completing.run_folders(ctx, param, incomplete) if param.name == "run" else []
        return folders or super().shell_complete(ctx, param, incomplete)


PATH = _Path(path_type=Path)
"""Of a file or folder."""


class _List(click.ParamType):
    """Words given as ``A,B``; the commas inside brackets are theirs."""

    name = "list"

    def __init__(self, *, may_be_empty: bool = False):
        self._may_be_empty = may_be_empty

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        if isinstance(value, list):
            return value
        from genbench.host.settings import split_at_commas

        words = split_at_commas(value)
        if not words and not self._may_be_empty:
            self.fail("the list is empty", param, ctx)
        return words


def listed(
    name: str, help: str, *, may_be_empty: bool = False, **settings: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option for words given as ``A,B``, of which the command is handed a list.

    An empty one is refused, unless it means something: it is a shell's variable that was not set.
    """
    return click.option(name, type=_List(may_be_empty=may_be_empty), metavar="A,B", help=help, **settings)


def axes(help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Names of axes; none are those of a table without axes, whose networks can still be ranked by tau."""
    return listed("--axes", help, may_be_empty=True)


as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")


def forms(**helps: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option for each form of the output, by its help; the command is handed the `form` that is chosen."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for form, text in reversed(helps.items()):
            flag = click.option(f"--{form}", is_flag=True, expose_value=False, callback=_note_form, help=text)
            command = flag(command)
        return command

    return decorate


def _note_form(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    before = context.params.setdefault("form", None)
    if wanted and before is not None:
        raise UsageError(f"--{before} and --{option.name} are two forms of one output; give one of them")
    if wanted:
        context.params["form"] = option.name


draws = click.option(
    "--bootstrap",
    type=int,
    metavar="N",
    help="Draws for the intervals; 0 for none.  [default: 1000, fewer beyond 2000 fits]",
)


def plugins(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--plugin`` and ``--no-plugin``."""
    for option in (
        click.option(
            "--no-plugin",
            "without",
            multiple=True,
            metavar="NAME",
            help="Leave a plugin out.",
            shell_complete=completing.plugins,
        ),
        click.option(
            "--plugin",
            "plugins",
            multiple=True,
            metavar="FILE|MODULE",
            help="Add a plugin.",
            shell_complete=completing.plugins,
        ),
    ):
        command = option(command)
    return command


DEBUG_PLUGIN = "--debug-plugin"


def debugs_plugins() -> bool:
    """Whether the present command is to show the tracebacks of plugins' own code."""
    return bool(click.get_current_context().meta.get(DEBUG_PLUGIN))


def _note_debugging(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    context.meta[DEBUG_PLUGIN] = wanted


def with_plugins(plugins: Sequence[str]) -> str:
    """The options that give a command the same plugins, as a hint repeats them; with a space before each."""
    return "".join(f" --plugin {shlex.quote(each)}" for each in plugins)


def working(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that execute trials."""
    for option in (
        click.option(
            DEBUG_PLUGIN,
            is_flag=True,
            expose_value=False,
            callback=_note_debugging,
            help="Show where plugins' own code raised.",
        ),
        click.option("--data", type=PATH, metavar="DIR", help="Folder with the data."),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps."),
        click.option("--workers", type=int, metavar="N", help="Trials at a time."),
        click.option(
            "--per-device",
            type=int,
            metavar="N",
            help="Trainings side by side on each GPU; found out if left out.",
        ),
    ):
        command = option(command)
    return plugins(command)


def cards(
    measures: Sequence[str], plugins: Sequence[str], without: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The cards of measures by spelling; one that no plugin has here, or no longer has, is left out."""
    from genbench.base.errors import GenbenchError
    from genbench.report.catalog import card
    from genbench.report.catalog_cache import host_for_cards

    host = host_for_cards(plugins, without, words=measures)
    for line in host.problems():
        warn(line)
    found = {}
    for name in measures:
        with suppress(GenbenchError):
            found[name] = card(host, f"measure:{name}")
    return found


def shard_numbers(text: str | None) -> tuple[int, int] | None:
    """Read ``I/N``."""
    if text is None:
        return None
    first, slash, second = text.partition("/")
    if not (slash and first.isdigit() and second.isdigit()):
        raise UsageError(f"--shard {text}: must be I/N, as in 1/4")
    return int(first), int(second)


def warn(line: str) -> None:
    """Say on standard error what the user should know."""
    click.echo(f"genbench: {printable(line)}", err=True)


def echo_json(content: Any) -> None:
    """Print JSON to standard output; what is not finite is null."""
    from genbench.base.files import as_json as encode

    echo_encoded(json.dumps(json.loads(encode(content)), indent=2, ensure_ascii=False) + "\n")


def echo_encoded(text: str) -> None:
    """Print what is JSON already, with escapes where standard output could not write its characters."""
    from genbench.cli.streams import writes

    click.echo(text if writes(text) else json.dumps(json.loads(text), indent=2) + "\n", nl=False)


@contextmanager
def interruptible() -> Iterator[None]:
    """End on SIGTERM as on Ctrl-C: workers are stopped, whole records stay."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
