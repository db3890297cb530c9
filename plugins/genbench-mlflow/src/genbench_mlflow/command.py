"""``genbench mlflow``: log a run folder that is there."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("mlflow")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--tracking-uri", metavar="URI", help="Where to; $MLFLOW_TRACKING_URI where left out.")
@click.option("--experiment", metavar="NAME", help="Name of the experiment; genbench-RUN where left out.")
def command(run: Path, tracking_uri: str | None, experiment: str | None) -> None:
    """Log the fits of RUN and all their values to MLflow; what is there already is left as it is."""
    from genbench_mlflow.logbook import log_run

    done = log_run(run, tracking_uri=tracking_uri, experiment=experiment)
    click.echo(f"experiment {done.experiment}: {done.runs} fits and {done.metrics} numbers logged", err=True)
