"""``genbench plot``: one picture of a run, for a paper."""

from __future__ import annotations

from pathlib import Path

import click

from genbench.base.errors import UsageError
from genbench.cli import options


@click.command("plot")
@click.argument("run", type=options.PATH)
@click.argument("kind")
@click.option("--out", type=options.PATH, required=True, metavar="FILE", help="A .pdf, .svg or .png.")
@click.option("--target", help="What to predict.  [default: the suite's first]")
@click.option("--measure", help="The measure of a scatter or axes figure.")
@click.option("--axis", help="Colour networks by this axis.")
@options.axes("Axes of the ranking.  [default: all of the run's]")
@click.option("--top", default=30, show_default=True, help="Measures in a ranking or heat map.")
@options.draws
def command(
    run: Path, kind: str, out: Path, target: str | None, measure: str | None, axis: str | None,
    axes: list[str] | None, top: int, bootstrap: int | None,
) -> None:  # fmt: skip
    """Draw a figure: ranking, scatter, axes, cost, heatmap, correlation or curves.

    The same run gives the same file.
    """
    from genbench.base.files import unwritable, write_atomically
    from genbench.planning.axes import axis_named
    from genbench.report.content import read_content
    from genbench.report.figures import RANKED, Choice, check, draw, save
    from genbench.runs.run import Run

    check(kind, out, measure)
    if top < 1:
        raise UsageError(f"--top {top}: must be at least 1")
    opened = Run(run, warn=options.warn)
    results = opened.results()
    chosen = target or (opened.folder.suite_content().get("targets") or ["gap"])[0]
    choice = Choice(
        target=chosen,
        measure=None if measure is None else results.column(measure),
        axis=None if axis is None else axis_named(axis, results.axes),
        top=top,
    )
    content = read_content(
        opened, results, targets=[chosen], axes=axes, bootstrap=bootstrap, rank=kind in RANKED
    )
    file = save(draw(content, kind, choice), out)
    try:
        write_atomically(out, file)
    except OSError as fault:
        raise unwritable(out, fault) from None
    click.echo(out)
