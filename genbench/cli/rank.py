"""``genbench rank``: the statistics, on a run folder or on anybody's table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.cli import options
from genbench.errors import InvalidInput, UsageError

if TYPE_CHECKING:
    import pandas as pd


@click.command("rank")
@click.argument("source", metavar="RUN|TABLE", type=click.Path(path_type=Path))
@click.option("--target", default="gap", show_default=True, help="gap, test_error, loss_gap or a column.")
@click.option("--axes", metavar="A,B", help="Axes of the grid.  [default: all of the run's]")
@click.option("--measures", metavar="A,B", help="Rank these only.")
@click.option("--seed-column", default="seed", show_default=True, help="Column that tells repeats apart.")
@click.option("--test-size", help="Size of the test set, or the column that holds it.")
@click.option("--converged", metavar="COLUMN", help="Use only fits for which this column is true.")
@click.option("--converged-only", is_flag=True, help="Use only fits of a run that reached their target.")
@click.option("--rank-by", default="psi", show_default=True, help="The statistic that orders the rows.")
@click.option("--bootstrap", default=1000, show_default=True, help="Replicates for the intervals.")
@click.option("--no-cost", is_flag=True, help="Leave out times, which differ from machine to machine.")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@click.option("--markdown", "form", flag_value="markdown", help="Print Markdown.")
@click.option("--latex", "form", flag_value="latex", help="Print LaTeX.")
def command(
    source: Path, target: str, axes: str | None, measures: str | None, converged: str | None,
    converged_only: bool, no_cost: bool, form: str | None, test_size: str | None, **given: Any,
) -> None:  # fmt: skip
    """Rank measures by how well they predict a target: those of a run folder, or columns of a table.

    A table is a .csv, .parquet or .json file with one row for each trained network.
    """
    given["measures"] = options.words(measures)
    chosen = options.words(axes)
    if test_size is not None:
        given["test_size"] = float(test_size) if test_size.replace(".", "", 1).isdigit() else test_size
    if source.is_dir():
        from genbench.api import Run

        run = Run(source, warn=options.warn)
        if converged_only:
            given["converged"] = (run.table()["stop_reason"] == "target").to_numpy()
        elif converged is not None:
            given["converged"] = converged
        board = run.rank(target, axes=chosen, **{k: v for k, v in given.items() if v is not None})
    else:
        from genbench.ranking import rank

        if converged_only:
            raise UsageError("--converged-only is for run folders; name a column with --converged")
        board = rank(_table(source), target=target, axes=chosen, converged=converged, **given)
    if form is not None:
        click.echo(getattr(board, f"to_{form}")(no_cost=no_cost), nl=False)
        return
    from genbench.report.terminal import print_ranking

    print_ranking(board, f"{source}: which measure predicts the {target}?", no_cost=no_cost)


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.exists():
        raise UsageError(f"'{path}' is neither a run folder nor a table file")
    readers: dict[str, Any] = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".json": pd.read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"'{path}': a table is a {', '.join(readers)} file")
    try:
        return reader(path)
    except (OSError, ValueError, ImportError) as fault:
        raise InvalidInput(f"{path}: cannot be read as a table: {str(fault).splitlines()[0]}") from None
