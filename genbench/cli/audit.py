"""``genbench audit``: what is measured of the measures themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.auditing.words import change_in_words
from genbench.base.errors import InvalidInput
from genbench.cli import completing, options

if TYPE_CHECKING:
    from genbench.auditing.apart import Audited
    from genbench.host import Host
    from genbench.host.battery import Battery

__all__ = ["print_audit"]


@click.group("audit")
def command() -> None:
    """Measure the measures: what moves them, how far chance does, what they cost.

    `genbench show MEASURE` has what the audits found; these commands make the tables anew. Without --out the
    table is printed.
    """


def _shared(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        options.as_json,
        options.plugins,
        click.option("--out", type=options.PATH, metavar="FILE", help="Write the table, JSON."),
        options.listed(
            "--measures",
            "Names, variants, family:NAME, cost:A-C.",
            shell_complete=completing.measures,
            default="all",
        ),
    ):
        function = option(function)
    return function


@command.command("invariance")
@_shared
def invariance(measures: list[str], **given: Any) -> int:
    """Show what moves a measure although the network's function stays, on small networks trained here.

    ReLU rescaling of layers and units, weights before batch norm, permutations of units and classes, scaled
    logits, the batch size of the computation, single precision.
    """
    host, battery = _asked(measures, given)
    from genbench.auditing import apart

    return _conclude("invariance", apart.invariance(battery, host, options.warn), host, **given)


@command.command("repeatability")
@click.argument("run", type=options.PATH)
@click.option("--repeats", type=click.IntRange(2), default=3, show_default=True, help="Generator seeds.")
@click.option("--fits", type=click.IntRange(2), default=32, show_default=True, help="At most so many fits.")
@click.option("--data", type=options.PATH, metavar="DIR", help="Folder with the data.")
@_shared
def repeatability(
    run: Path, repeats: int, fits: int, data: Path | None, measures: list[str], **given: Any
) -> int:
    """Compare the spread across generator seeds with that across the fits of a run; trains nothing.

    Only of measures that draw at random. ICC is the share of the variance that is the models'.
    """
    host, battery = _asked(measures, given, run)
    from genbench.auditing import apart
    from genbench.auditing.repeatability import drawing

    found = apart.repeatability(
        run, drawing(battery), host, repeats=repeats, fits=fits, data=data, say=options.warn
    )
    return _conclude("repeatability", found, host, **given)


@command.command("cost")
@_shared
def cost(measures: list[str], **given: Any) -> int:
    """Time each measure alone, the probes below it included, on a network trained here."""
    host, battery = _asked(measures, given)
    from genbench.auditing import apart

    return _conclude("cost", apart.cost(battery, host), host, **given)


def _asked(measures: list[str], given: dict[str, Any], *kept: Path) -> tuple[Host, Battery]:
    """The plugins and the battery; code of plugins must not write what is to be kept, nor the table."""
    from genbench.host import Host
    from genbench.host.selection import select

    out: Path | None = given["out"]
    if out is not None and not out.parent.is_dir():
        raise InvalidInput(f"'{out}': there is no folder '{out.parent}'")
    kept += () if out is None else (out,)
    host = Host.described(given.pop("plugins"), given.pop("without"), kept)
    for line in host.problems():
        options.warn(line)
    return host, select(measures, host)


def _conclude(audit: str, found: Audited, host: Host, out: Path | None, json_: bool) -> int:
    """Write or print the table; returns the exit code."""
    from genbench.auditing import stored
    from genbench.base.files import unwritable, write_atomically

    for spelling, reason in found.missing.items():
        options.warn(f"{spelling}: was not audited: {reason}")
    content = stored.table_content(audit, found.about, found.measures, host)
    if out is not None:
        try:
            write_atomically(out, content)
        except OSError as fault:
            raise unwritable(out, fault) from None
        options.warn(f"{len(found.measures)} measures written to {out}")
    elif json_:
        click.echo(content.decode(), nl=False)
    else:
        print_audit(audit, found.about, found.measures)
    return 1 if found.missing else 0


def print_audit(audit: str, about: Mapping[str, Any], measures: Mapping[str, Any]) -> None:
    """Print the table of an audit."""
    from genbench.report.terminal import print_rows

    if audit == "cost":
        slowest = sorted(measures.items(), key=lambda each: -each[1]["milliseconds"])
        rows = [[name, f"{each['milliseconds']:g}"] for name, each in slowest]
        print_rows(["measure", "milliseconds"], rows, right=["milliseconds"])
    elif audit == "repeatability":
        shares = sorted(measures.items(), key=lambda each: -(each[1]["ratio"] or 0))
        rows = [
            [
                name,
                *("–" if each[key] is None else f"{each[key]:.3g}" for key in ("ratio", "icc")),
                each["fits"],
            ]
            for name, each in shares
        ]
        print_rows(
            ["measure", "seeds / models", "ICC", "fits"], rows, right=["seeds / models", "ICC", "fits"]
        )
        beyond = [name for name, each in shares if (each["ratio"] or 0) > about["largest_ratio"]]
        if beyond:
            print_rows(
                ["spread across seeds above a tenth of that across models"], [[each] for each in beyond]
            )
    else:
        for network in about["networks"]:
            rows = [
                [name, *(change_in_words(found["changes"][change]) for change in about["changes"])]
                for name, each in measures.items()
                if "changes" in (found := each["networks"][network])
            ]
            if rows:
                print_rows([network, *about["changes"].values()], rows)
