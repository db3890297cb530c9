"""The command line. Each command lives in a file of its own, imported when it is used."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

import genbench
from genbench.base.errors import GenbenchError, Remark, nearest, printable
from genbench.base.files import disk_full
from genbench.cli.ending import ending_at_once
from genbench.cli.streams import discard_output, is_closed_pipe, prepare_streams

__all__ = ["cli", "main"]

COMMANDS = {
    "run": "Train a suite's grid, measure every fit, rank the measures.",
    "plan": "Show what would run, what is done, and what it will take.",
    "measure": "Compute measures on the fits of a run; trains nothing.",
    "evaluate": "Compute measures of a network of your own.",
    "import": "Make a run folder of checkpoints that were trained elsewhere.",
    "rank": "Rank the measures of a run, or the columns of any table.",
    "report": "Write a run as one page: ranking, plots, provenance.",
    "plot": "Draw one figure of a run as PDF, SVG or PNG.",
    "claims": "Judge what papers claim by a run of their suite.",
    "status": "Show how far a run is, and what is missing or damaged.",
    "retry": "Try again what failed in a run.",
    "forget": "Remove values of some measures, or of older code.",
    "explain": "Show everything that is known of one trial.",
    "merge": "Bring the work of several machines into one run folder.",
    "export": "Write a run's table to a CSV, Parquet or JSON file.",
    "list": "List components, suites or plugins.",
    "show": "Show the card of one component or suite.",
    "audit": "Measure the measures: what moves them, chance, cost.",
    "plugin": "Begin a plugin; check one by the laws of its kinds.",
    "leaderboard": "Pack, check and publish runs: entries and tables.",
    "completion": "Print what completes words in bash, zsh or fish.",
    "doctor": "Show versions, devices and the data that are found.",
    "docs": "Open the whole documentation as one page.",
    "help": "Show a topic of the guide, or write it as a page.",
}

MODULES = {"import": "import_networks"}
"""Of commands whose name no module can have."""

GROUPS = ("audit", "plugin", "leaderboard")
"""Commands that hold others."""

INTERRUPTED = 130

CALLED_OTHERWISE = {
    "--jobs": "--workers",
    "-j": "--workers",
    "--output": "--out",
    "-o": "--out",
    "--seed": "--set seeds=N",
    "--seeds": "--set seeds=N",
    "--epochs": "--set protocol.max_epochs=N",
}
"""Options of other programs, and what is meant by them here."""


RESUMED = frozenset({"run", "measure", "retry"})
"""Commands that find what they did before."""


class _ReadEnough(Exception):
    """Nobody reads our output any more; by another name, since click ends the process for a closed pipe."""


class _Commands(click.Group):
    """Knows its commands by name; help and usage errors import none of them, and no plugin."""

    def make_context(self, *arguments: Any, **given: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **given)
        except BrokenPipeError as fault:
            raise _ReadEnough from fault

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as fault:
            raise _ReadEnough from fault

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(_foreign())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"genbench.cli.{MODULES.get(cmd_name, cmd_name)}")
            return module.command
        point = _foreign().get(cmd_name)
        if point is None:
            return None
        try:
            return point.load()
        except Exception as fault:
            raise GenbenchError(
                f"the command '{cmd_name}' of {point.value} cannot be loaded: {fault}"
            ) from fault

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.list_commands(ctx):
            hint = self.inside_a_group(ctx, args[0]) or nearest(args[0], self.list_commands(ctx))
            raise click.UsageError(f"no such command '{args[0]}'{hint}", ctx)
        return super().resolve_command(ctx, args)

    def inside_a_group(self, ctx: click.Context, word: str) -> str:
        """A hint at the group whose command this is; empty where there is none."""
        for name in GROUPS:
            group = self.get_command(ctx, name)
            if isinstance(group, click.Group) and word in group.commands:
                return f"; did you mean '{name} {word}'?"
        return ""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        foreign = sorted(_foreign().items())
        rows = [
            *COMMANDS.items(),
            *((name, f"from {each.value.partition(':')[0]}") for name, each in foreign),
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _foreign() -> dict[str, importlib.metadata.EntryPoint]:
    return {
        point.name: point
        for point in importlib.metadata.entry_points(group="genbench.commands")
        if point.name not in COMMANDS and f"{point.name}{point.value}".isprintable()
    }


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="--debug with any command shows the traceback of an error.",
)
@click.version_option(genbench.__version__, prog_name="genbench")
def cli() -> None:
    """Which number, computed from a trained network and its training data, tells how well it generalizes?"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    0 done; 1 something asked for is missing for a fault; 2 wrong usage; 3 invalid input; 130 interrupted.

    Parameters
    ----------
    arguments : sequence of str, optional
        The process's own where left out, which then ends with the command.
    """
    if arguments is None:
        with ending_at_once():
            _run(sys.argv[1:])
    else:
        _run(arguments)


def _run(arguments: Sequence[str]) -> None:
    # Not `list`: once used, the command of that name is an attribute of this package.
    words = [*arguments]
    debug = "--debug" in words
    words = [each for each in words if each != "--debug"]
    prepare_streams()
    try:
        with _remarks_as_lines():
            code = cli.main(words, prog_name="genbench", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as fault:
        if debug:
            raise
        _with_hint(fault).show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        goes_on = "; whole records only are on disk, the same command goes on from there"
        _error(f"interrupted{goes_on if RESUMED.intersection(words[:1]) else ''}")
        sys.exit(INTERRUPTED)
    except (_ReadEnough, BrokenPipeError, SystemExit) as end:
        # rich ends the process itself where a pipe is closed, with a code of its own.
        if not is_closed_pipe(end):
            raise
        discard_output()  # whoever read our output has enough of it
        sys.exit(0)
    except GenbenchError as fault:
        if debug:
            raise
        for line in str(fault).splitlines():
            _error(line)
        if "--debug-plugin" in words:
            for note in getattr(fault, "__notes__", ()):
                click.echo(note, err=True)
        sys.exit(fault.exit_code)
    except Exception as fault:
        if debug:
            raise
        if _is_refused_table(fault):
            _error(str(fault))
            sys.exit(3)
        if isinstance(fault, OSError) and fault.strerror:
            if fault.filename is not None and (full := disk_full(fault)):
                _error(str(full))
                sys.exit(full.exit_code)
            where = f"'{fault.filename}'" if fault.filename is not None else "standard output"
            _error(f"{where}: {fault.strerror} (--debug shows where)")
            if fault.filename is None:
                discard_output()  # or the interpreter tries once more, and says so, as it ends
            sys.exit(1)
        _error(f"{type(fault).__name__}: {fault} (--debug shows where)")
        sys.exit(1)
    sys.exit(code or 0)


def _with_hint(fault: click.ClickException) -> click.ClickException:
    """The fault with what was meant by an option of other programs, where the command has that."""
    if not isinstance(fault, click.NoSuchOption) or fault.ctx is None:
        return fault
    meant = CALLED_OTHERWISE.get(fault.option_name, "")
    has = {name for each in fault.ctx.command.params for name in each.opts}
    if meant.partition(" ")[0] not in has:
        return fault
    message = f"No such option '{fault.option_name}'. Did you mean '{meant}'?"
    return click.NoSuchOption(fault.option_name, message, ctx=fault.ctx)


def _is_refused_table(fault: Exception) -> bool:
    """Ranking knows nothing of genbench's errors, and refuses bad tables in its own way."""
    ranking = sys.modules.get("genbench.ranking.errors")
    return ranking is not None and isinstance(fault, ranking.RankingError)


@contextmanager
def _remarks_as_lines() -> Iterator[None]:
    """Say once what is remarked of inputs, as every other line; other warnings look as Python has them."""
    with warnings.catch_warnings():
        shown = warnings.showwarning
        said: set[str] = set()

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, Remark):
                if str(message) not in said:
                    said.add(str(message))
                    _error(str(message))
            else:
                shown(message, category, *where, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", Remark)
        yield


def _error(line: str) -> None:
    click.echo(f"genbench: {printable(line)}", err=True)
