"""``genbench export``: the table of a run, for other programs."""

from __future__ import annotations

import io
from pathlib import Path

import click

from genbench.base.counting import counted
from genbench.base.errors import UsageError
from genbench.cli import options
from genbench.cli.waiting import Waiting


@click.command("export")
@click.argument("run", type=options.PATH)
@click.argument("file", type=options.PATH)
@click.option("--costs", is_flag=True, help="Add a column with the seconds of each measure.")
def command(run: Path, file: Path, costs: bool) -> None:
    """Write one row for each fit: axes, seed, errors, losses, targets, measures.

    The format follows from the ending of FILE: .csv, .parquet or .json. A measure without a value on a fit
    leaves an empty cell; infinities are inf and -inf, in JSON as texts. Without --costs the same results give
    the same bytes on any number of workers. FILE.about.json beside it tells directions, families and
    axes, so that 'genbench rank FILE' ranks as the run does.
    """
    from genbench.base.files import as_json, unwritable, write_atomically
    from genbench.ranking.files import as_records
    from genbench.ranking.sidecar import beside
    from genbench.runs.run import Run

    with Waiting(f"reading {run}"):
        results = Run(run, warn=options.warn).results()
    frame = results.with_costs() if costs else results.frame
    for note in results.notes:
        options.warn(note)
    form = file.suffix.lower()
    if form == ".csv":
        content = frame.to_csv(index=False, lineterminator="\n").encode()
    elif form == ".json":
        content = as_json(as_records(frame))
    elif form == ".parquet":
        stream = io.BytesIO()
        try:
            frame.to_parquet(stream, index=False)
        except ImportError:
            raise UsageError("Parquet needs pyarrow: pip install 'genbench[parquet]'") from None
        content = stream.getvalue()
    else:
        raise UsageError(f"'{file}': the ending must be .csv, .parquet or .json")
    try:
        write_atomically(file, content)
        write_atomically(beside(file), as_json(results.about(list(frame.columns))))
    except OSError as fault:
        raise unwritable(file, fault) from None
    click.echo(
        f"{counted(len(frame), 'fit')} written to {file}, what their columns are to {beside(file)}", err=True
    )
