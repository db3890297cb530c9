"""The far side of an executor on a cluster, without any cluster: parcels in, files out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from genbench.contract.jobs import Job
from genbench.executors import remote
from genbench.executors.remote import Node, files_below, files_of_fit, place_of_data, settle
from genbench.host import Host
from genbench.runs.store import Folder

pytestmark = pytest.mark.usefixtures("inline")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another machine's cache and temporary folder."""
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache of the node"))
    monkeypatch.setattr(remote.tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    return tmp_path


def job(run: Path, key: str, kind: str, **changed: object) -> Job:
    stored = Folder(run).fit(key)
    sources = [vars(each) for each in Host.load().sources]
    limits = {"training_seconds": 60.0, "component_seconds": 60.0}
    return Job(
        kind=kind, key=key, trial=stored.record["trial"], folder=str(run), plugins=sources, limits=limits,
        keep=["initial", "final"], **changed,
    )  # fmt: skip


def test_a_trial_is_trained_and_measured_with_nothing_but_what_the_parcels_hold(
    cache, finished, elsewhere, monkeypatch
):
    key = Folder(finished).fit_keys()[0]
    train = job(finished, key, "train")
    measure = job(finished, key, "measure", measures=["param_norm", "train_loss"])
    name = remote.data_name(train)
    with monkeypatch.context() as driver:
        driver.setenv(
            "GENBENCH_CACHE", str(next(p for p in finished.parents[1].glob("cache*") if p.is_dir()))
        )
        data = files_below(place_of_data(name))
    assert "data.json" in data
    fetched: list[str] = []

    def fetch(token: str) -> dict[str, bytes]:
        fetched.append(token)
        return data if token == "data" else files_of_fit(elsewhere / "run", key)

    node = Node("cpu", fetch)
    run = elsewhere / "run"
    answer = node.do({"job": train.as_dict(), "data": (name, "data"), "fits": {}})
    assert answer["outcome"]["status"] == "ok", answer["outcome"]
    settle(run, answer["files"])
    ours, other = Folder(run).fit(key, check_weights=True), Folder(finished).fit(key)
    for what in ("weights", "test_error", "history"):
        assert ours.record[what] == other.record[what]
    assert list(Folder(run).environments()) == [answer["outcome"]["environment"]]

    answer = node.do({"job": measure.as_dict(), "data": (name, "data"), "fits": {key: "fit"}})
    found = {each["measure"]: each["value"] for each in answer["outcome"]["values"]}
    there = Folder(finished).measured(key).values
    assert found == {each: there[each]["value"] for each in found}
    assert fetched == ["data"], "what is there is not fetched again"

    answer = node.do({"job": measure.as_dict(), "data": (name, "data"), "fits": {key: "fit"}})
    assert fetched == ["data", "fit"], "a fit that was measured is gone"
    assert len(answer["outcome"]["values"]) == 2
    node.close()
    assert list((elsewhere / "scratch").iterdir()) == []


def test_a_fault_in_training_comes_back_as_an_outcome(finished, elsewhere):
    key = Folder(finished).fit_keys()[0]
    broken = job(finished, key, "train")
    broken.trial["model"]["name"] = "no_such_model"
    node = Node("cpu", lambda token: {})
    answer = node.do({"job": broken.as_dict(), "data": ("none", "data"), "fits": {}})
    node.close()
    assert answer["outcome"]["status"] == "error"
    assert "no_such_model" in answer["outcome"]["reason"]
    assert not any(name.startswith("fits/") for name in answer["files"])


def test_scratch_folders_of_killed_processes_are_swept(elsewhere):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    dead = elsewhere / "scratch" / f"{remote.SCRATCH}{int(gone.stdout)}-x"
    alive = elsewhere / "scratch" / f"{remote.SCRATCH}{os.getpid()}-x"
    other = elsewhere / "scratch" / f"{remote.SCRATCH}mine"
    for each in (dead, alive, other):
        each.mkdir()
    Node("cpu", lambda token: {}).close()
    assert (dead.exists(), alive.exists(), other.exists()) == (False, True, True)


def test_files_are_settled_whole_and_a_description_that_is_there_is_left_alone(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    (environment,) = (run / "environments").glob("*.json")
    before = environment.stat().st_ino
    settle(run, {f"environments/{environment.name}": environment.read_bytes()})
    assert environment.stat().st_ino == before
    key = Folder(run).fit_keys()[0]
    assert list(files_of_fit(run, key)) == [f"fits/{key}/weights.safetensors", f"fits/{key}/fit.json"]
    assert files_of_fit(run, "0" * 32) == {}
