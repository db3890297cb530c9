"""Runs logged to a store of MLflow's own in SQLite, by the observer and by the command."""

from __future__ import annotations

import importlib.metadata
import math
import os
import subprocess
import sys
import time

import pytest

pytest.importorskip("mlflow", reason="mlflow is not installed")
pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed, which stores in a database need")

from click.testing import CliRunner
from genbench_mlflow.command import command
from genbench_mlflow.logbook import log_run, metric_name
from mlflow.tracking import MlflowClient

import genbench
from genbench.testing import ObserverLaws

INSTALLED = {each.value: each.name for each in importlib.metadata.entry_points(group="genbench")}
NAME = INSTALLED.get("genbench_mlflow", "genbench_mlflow")
PLUGINS = () if "genbench_mlflow" in INSTALLED else ("genbench_mlflow",)
SUITE = """\
title = "Two widths on a hundred digits"
dataset = { name = "digits", train_size = 100 }
model = { name = "mlp", width = [8, 9], depth = 1 }
protocol = { name = "interpolate", learning_rate = 0.1, batch_size = 32, max_epochs = 3 }
measures = ["param_norm", "weight_tail_kurtosis[aggregate=pooled]"]
"""


class TestObserver(ObserverLaws):
    component = NAME
    plugins = PLUGINS


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run and a store to which the observer logged it."""
    place = tmp_path_factory.mktemp("logged")
    (place / "two.toml").write_text(SUITE)
    words = [part for each in PLUGINS for part in ("--plugin", each)]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store(place), "GENBENCH_CACHE": str(place / "cache")}
    ended = subprocess.run(
        [sys.executable, "-m", "genbench", "run", "--suite", "two.toml", "--out", "run", *words],
        cwd=place, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "mlflow" not in ended.stderr
    return place


def store(place) -> str:
    return f"sqlite:///{place}/mlflow.db"


def logged(place, experiment="genbench-run", wait=0.0):
    """The runs of an experiment by the keys of the fits."""
    client = MlflowClient(store(place))
    deadline = time.monotonic() + wait
    while True:
        found = client.get_experiment_by_name(experiment)
        runs = client.search_runs([found.experiment_id]) if found else []
        if len(runs) == 2 and all("param_norm" in each.data.metrics for each in runs):
            return {each.data.tags["genbench.key"]: each for each in runs}
        assert time.monotonic() < deadline, f"{len(runs)} runs are logged"
        time.sleep(0.5)


def test_the_observer_logs_every_fit_with_axes_results_and_measures(place):
    runs = logged(place, wait=300)
    table = genbench.Run(place / "run").table().set_index("key")
    assert set(runs) == set(table.index)
    for key, run in runs.items():
        row = table.loc[key]
        assert run.data.params == {"seed": str(row["seed"]), "model.width": str(row["model.width"])}
        for name in (
            "gap",
            "test_error",
            "train_loss",
            "param_norm",
            "weight_tail_kurtosis[aggregate=pooled]",
        ):
            assert run.data.metrics[metric_name(name)] == pytest.approx(row[name], rel=1e-12)
        assert run.data.tags["genbench.model"] == "mlp"
        assert run.info.status == "FINISHED"


def test_the_curve_of_training_is_that_of_the_record(place):
    for record in genbench.Run(place / "run").results().records:
        run = logged(place, wait=300)[record["key"]]
        curve = MlflowClient(store(place)).get_metric_history(run.info.run_id, "history/train_loss")
        assert [each.step for each in curve] == record["history"]["step"]
        assert [each.value for each in curve] == pytest.approx(record["history"]["train_loss"])


def test_what_is_logged_twice_is_there_once_and_what_is_missing_is_added(place):
    def log():
        done = log_run(place / "run", tracking_uri=store(place))
        return done.experiment, done.runs, done.metrics

    client, (first, *_) = MlflowClient(store(place)), logged(place, wait=300).values()
    assert log() == ("genbench-run", 0, 0)
    client.log_metric(first.info.run_id, "gap", 7.0)
    assert log() == ("genbench-run", 0, 1)
    client.set_tag(first.info.run_id, "genbench.key", "another")
    assert log()[:2] == ("genbench-run", 1)
    client.delete_run(first.info.run_id)
    assert log() == ("genbench-run", 0, 0)


def test_the_command_logs_a_run_that_is_there(place):
    options = [str(place / "run"), "--tracking-uri", store(place), "--experiment", "mine"]
    ended = CliRunner().invoke(command, options, catch_exceptions=False)
    assert "experiment mine: 2 fits and " in ended.output
    assert len(logged(place, "mine")) == 2


def test_values_that_are_no_numbers_are_left_out(place):
    metrics = [value for run in logged(place, wait=300).values() for value in run.data.metrics.values()]
    assert all(map(math.isfinite, metrics))


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(genbench.InvalidInput, match="is not a run folder"):
        log_run(tmp_path, tracking_uri=store(tmp_path))


def test_a_store_that_does_not_exist_is_one_line(place):
    with pytest.raises(genbench.GenbenchError, match=r"MLflow refuses: .*nowhere") as fault:
        log_run(place / "run", tracking_uri="nowhere://there")
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("gap", "gap"),
        ("rounding:bits_needed", "rounding:bits_needed"),
        ("path_norm[p=2,fold=true]", "path_norm/p:2 fold:true"),
        ("mine[word='a+b']", "mine/word:-a-b-"),
    ],
)
def test_names_are_those_that_mlflow_allows(column, name):
    assert metric_name(column) == name
