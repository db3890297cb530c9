"""What is in a run folder brought into MLflow: one run a fit, and nothing twice."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench import Run
from genbench.base.errors import GenbenchError

if TYPE_CHECKING:
    from mlflow.entities import Run as LoggedRun
    from mlflow.tracking import MlflowClient

__all__ = ["Logged", "log_run", "metric_name"]

KEY = "genbench.key"
"""The tag by which a fit is known."""

METRICS_AT_ONCE = 1000
"""More is refused by servers."""


@dataclass(frozen=True)
class Logged:
    """What was done.

    Attributes
    ----------
    experiment : str
    runs : int
        Fits that MLflow did not have.
    metrics : int
        Numbers that it did not have.
    """

    experiment: str
    runs: int
    metrics: int


def log_run(folder: Path, *, tracking_uri: str | None = None, experiment: str | None = None) -> Logged:
    """Bring what is in a run folder into MLflow.

    Parameters
    ----------
    folder : Path
    tracking_uri : str, optional
        MLflow's own choice where left out: ``$MLFLOW_TRACKING_URI``, or what its version takes.
    experiment : str, optional
        ``$MLFLOW_EXPERIMENT_NAME`` where left out, or ``genbench-`` and the folder's name.

    Raises
    ------
    InvalidInput
        This is no run folder.
    GenbenchError
        MLflow refuses, or is not installed.
    """
    table = Run(folder, warn=lambda line: None).results()
    name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or f"genbench-{folder.resolve().name}"
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # of what it does to its tables
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError as fault:
        raise GenbenchError(f"MLflow cannot be imported ({fault}): pip install mlflow-skinny") from fault
    try:
        client = MlflowClient(tracking_uri)
        found = client.get_experiment_by_name(name)
        place = found.experiment_id if found else client.create_experiment(name)
        known = {each.data.tags.get(KEY): each for each in _runs(client, place)}
        created = metrics = 0
        for row, record in zip(table.frame.to_dict("records"), table.records, strict=True):
            run = known.get(row["key"])
            if run is None:
                run = _create(client, place, folder, row["key"], record)
                created += 1
            metrics += _add(client, run, row, ["seed", *table.axes])
    except MlflowException as fault:
        raise GenbenchError(f"MLflow refuses: {str(fault).partition(chr(10))[0]}") from fault
    return Logged(name, created, metrics)


def metric_name(column: str) -> str:
    """The name in MLflow of a column of a run's table: ``path_norm[p=2]`` is ``path_norm/p:2``."""
    named = column.replace("[", "/").replace("]", "").replace("=", ":").replace(",", " ")
    return re.sub(r"[^\w/.\- :]", "-", named)


def _runs(client: MlflowClient, experiment: str) -> Iterator[LoggedRun]:
    """All runs of an experiment."""
    token: str | None = None
    while True:
        page = client.search_runs([experiment], page_token=token)
        yield from page
        if not (token := page.token):
            return


def _create(
    client: MlflowClient, experiment: str, folder: Path, key: str, record: Mapping[str, Any]
) -> LoggedRun:
    """A run for a fit, with the curve of its training."""
    from mlflow.entities import Metric

    trial = record["trial"]
    ended = int(datetime.fromisoformat(record["time"]).timestamp() * 1000)
    tags = {
        KEY: key,
        "genbench.folder": str(folder.resolve()),
        **{f"genbench.{part}": trial[part]["name"] for part in ("dataset", "model", "protocol")},
        "genbench.stop_reason": str(record.get("stop_reason")),
    }
    began = ended - int((record.get("seconds") or 0) * 1000)
    run = client.create_run(experiment, start_time=began, tags=tags, run_name=key[:10])
    history = record.get("history") or {}
    curve = [
        Metric("history/train_loss", loss, ended, step)
        for step, loss in zip(history.get("step", ()), history.get("train_loss", ()), strict=True)
        if _is_number(loss)
    ]
    _log_metrics(client, run, curve)
    client.set_terminated(run.info.run_id, end_time=ended)
    return run


def _add(client: MlflowClient, run: LoggedRun, row: Mapping[Any, Any], parameters: Sequence[str]) -> int:
    """Log what a run does not have yet; returns how many numbers that were."""
    from mlflow.entities import Metric, Param

    given = [Param(metric_name(name), str(row[name])) for name in parameters]
    new = [each for each in given if each.key not in run.data.params]
    if new:
        client.log_batch(run.info.run_id, params=new)
    now = int(time.time() * 1000)
    numbers = {metric_name(name): value for name, value in row.items() if name not in parameters}
    metrics = [
        Metric(name, float(number), now, 0)
        for name, number in numbers.items()
        if _is_number(number) and run.data.metrics.get(name) != float(number)
    ]
    _log_metrics(client, run, metrics)
    return len(metrics)


def _log_metrics(client: MlflowClient, run: LoggedRun, metrics: Sequence[Any]) -> None:
    for start in range(0, len(metrics), METRICS_AT_ONCE):
        client.log_batch(run.info.run_id, metrics=metrics[start : start + METRICS_AT_ONCE])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
