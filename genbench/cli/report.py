"""``genbench report``: a run, or anybody's table, as one HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.base.errors import UsageError
from genbench.cli import directions, options
from genbench.cli.collecting import uncollected
from genbench.cli.waiting import Waiting

if TYPE_CHECKING:
    import pandas as pd

    from genbench.report.content import Content


@click.command("report")
@click.argument("run", metavar="RUN|TABLE", type=options.PATH)
@click.option("--out", type=options.PATH, metavar="FILE.html", help="[default: RUN/report.html, TABLE.html]")
@options.listed("--targets", "What to predict.  [default: the suite's targets; gap]")
@options.axes("Axes of the grid.  [default: all of the run's]")
@options.draws
@directions.options
@options.plugins
@click.option("--json", "json_", is_flag=True, help="Print what the report says as JSON.")
def command(
    run: Path, out: Path | None, targets: list[str] | None, axes: list[str] | None, bootstrap: int | None,
    words: tuple[str, ...], signs: Path | None, plugins: tuple[str, ...], without: tuple[str, ...],
    json_: bool,
) -> None:  # fmt: skip
    """Write a page with the ranking, plots of every measure and where the numbers come from.

    A table is a .csv, .tsv, .json, .jsonl or .parquet file with one row for each trained network. The page
    is one file and needs no other: it opens from a disk, from a mail, or on any server.
    """
    from genbench.base.files import unwritable, write_atomically
    from genbench.report.page import as_page

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"'{out}': the ending must be .html")
    if out is not None and json_:
        raise UsageError("--json prints what the page of --out would say; give one of them")
    asked = {"targets": targets, "axes": axes, "bootstrap": bootstrap}
    with Waiting(f"reading {run}") as at, uncollected():
        said = directions.read_directions(words, signs)
        if run.is_dir() or not (run.exists() or run.suffix):
            directions.check_columns(said, [])
            content, file = _of_run(run, asked, plugins, without, at), run / "report.html"
        else:
            content, file = _of_table(run, asked, said), run.with_suffix(".html")
    for target, reason in content.refused.items():
        options.warn(f"no ranking for {target}: {reason}")
    if json_:
        options.echo_json(content.as_dict())
        return
    file = out or file
    try:
        write_atomically(file, as_page(content).encode())
    except OSError as fault:
        raise unwritable(file, fault) from None
    click.echo(file)


def _of_run(
    run: Path, asked: Mapping[str, Any], plugins: tuple[str, ...], without: tuple[str, ...], at: Waiting
) -> Content:
    from genbench.report.content import read_content
    from genbench.report.further import claim_rows, regularizer_rows
    from genbench.runs.run import Run

    opened = Run(run, warn=options.warn)
    results = opened.results()
    at.now(f"ranking {len(results.measures)} measures on {len(results.frame)} fits")
    return read_content(
        opened, results, cards=lambda names: options.cards(names, plugins, without), **asked,
        regularizers=regularizer_rows(results),
        claims=claim_rows(opened.folder.suite_content(), results),
    )  # fmt: skip


def _of_table(path: Path, asked: Mapping[str, Any], said: directions.Directions) -> Content:
    from genbench.ranking.files import FORMATS
    from genbench.report.foreign import read_table_content

    if not path.exists():
        raise UsageError(f"'{path}' is neither a run folder nor a table file")
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"'{path}': a table is a {', '.join(FORMATS)} file")
    with directions.asking(path.name):
        return read_table_content(path, prepare=lambda frame: _directed(frame, said), **asked)


def _directed(frame: pd.DataFrame, said: directions.Directions) -> tuple[dict[str, str], str | None]:
    """The directions of the columns of a table, and that of all others; its known measures bring theirs."""
    columns = [str(name) for name in frame.columns]
    directions.check_columns(said, [columns])
    directions.recognize(frame, said)
    return {name: sign for name, sign in said.named.items() if name in columns}, said.others
