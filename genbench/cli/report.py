"""``genbench report``: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from genbench.base.errors import UsageError
from genbench.cli import options
from genbench.cli.waiting import Waiting


@click.command("report")
@click.argument("run", type=options.PATH)
@click.option("--out", type=options.PATH, metavar="FILE.html", help="[default: RUN/report.html]")
@click.option("--targets", metavar="A,B", help="What to predict.  [default: the suite's targets]")
@click.option("--axes", metavar="A,B", help="Axes of the grid.  [default: all of the run's]")
@click.option("--bootstrap", default=1000, show_default=True, help="Replicates for the intervals.")
@options.plugins
@click.option("--json", "json_", is_flag=True, help="Print what the report says as JSON.")
def command(
    run: Path, out: Path | None, targets: str | None, axes: str | None, bootstrap: int,
    plugins: tuple[str, ...], without: tuple[str, ...], json_: bool,
) -> None:  # fmt: skip
    """Write a page with the ranking, plots of every measure and where the numbers come from.

    The page is one file and needs no other: it opens from a disk, from a mail, or on any server.
    """
    from genbench.base.files import unwritable, write_atomically
    from genbench.report.content import read_content
    from genbench.report.further import claim_rows, regularizer_rows
    from genbench.report.page import as_page
    from genbench.runs.run import Run

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"'{out}': the ending must be .html")
    opened = Run(run, warn=options.warn)
    with Waiting(f"reading {run}") as at:
        results = opened.results()
        at.now(f"ranking {len(results.measures)} measures on {len(results.frame)} fits")
        content = read_content(
            opened, results, cards=lambda names: options.cards(names, plugins, without),
            targets=options.words(targets), axes=options.words(axes), bootstrap=bootstrap,
            regularizers=regularizer_rows(results),
            claims=claim_rows(opened.folder.suite_content(), results),
        )  # fmt: skip
    for target, reason in content.refused.items():
        options.warn(f"no ranking for {target}: {reason}")
    if json_:
        options.echo_json(content.as_dict())
        return
    file = out or run / "report.html"
    try:
        write_atomically(file, as_page(content).encode())
    except OSError as fault:
        raise unwritable(file, fault) from None
    click.echo(file)
