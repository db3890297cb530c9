"""Trainings with code of plugins: what they made is taken over whole, and they reach no other record."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from running import TINY

from genbench.base.children import child_environment
from genbench.base.confinement import offered
from genbench.contract.jobs import Job
from genbench.execution.supervision import bounds_of
from genbench.execution.trained_apart import TrainingScratch
from genbench.fitting.preflight import plan_suite
from genbench.host import Host
from genbench.planning.plan import Trial
from genbench.planning.suite import load_suite
from genbench.runs.store import Folder

CORE = {"name": "models", "distribution": "genbench"}
OTHER = {"name": "b", "distribution": "", "file": "", "module": "b"}


@pytest.fixture(scope="module")
def trial(cache, tmp_path_factory):
    host = Host.load()
    file = tmp_path_factory.mktemp("suite") / "s.toml"
    file.write_text(TINY)
    return plan_suite(load_suite(file, host), host).trials[0]


@pytest.fixture
def job(trial, tmp_path):
    return Job("train", trial.key, trial.as_dict(), str(tmp_path / "run"), [CORE, OTHER])


@pytest.fixture
def scratch(job):
    made = TrainingScratch(job)
    yield made
    made.remove()


def record(trial):
    return {"trial": trial.as_dict(), "stop_reason": "target", "test_error": 0.1}


def test_only_trainings_with_plugins_are_apart(job):
    assert bounds_of(replace(job, plugins=[CORE])) == {}
    found = bounds_of(job)["scratch"]
    assert isinstance(found, TrainingScratch)
    assert found.asked(job).folder == str(found.own / "run")
    found.remove()
    assert not found.own.exists()


def test_a_fit_is_taken_over_with_the_trial_that_was_asked_for(job, scratch, trial):
    there = Folder(scratch.asked(job).folder)
    weights = {"final": {"w": torch.arange(5.0)}}
    environment = there.add_environment({"python": "3"})
    lie = {**record(trial), "trial": {**trial.as_dict(), "seed": 99}, "seeds": {"initialization": 1}}
    there.write_fit(job.key, {**lie, "environment": environment}, weights)
    scratch.take_over(job, environment)
    found = Folder(job.folder).fit(job.key, check_weights=True)
    assert found is not None
    assert Trial.from_dict(found.record["trial"]).key == trial.key
    assert found.record["seeds"] == trial.seeds()
    assert torch.equal(found.load_states()["final"]["w"], torch.arange(5.0))
    assert environment in Folder(job.folder).environments()
    assert there.fit_keys() == [], "nothing stays"


def test_a_fit_that_is_damaged_or_of_another_trial_is_not(job, scratch, trial):
    there = Folder(scratch.asked(job).folder)
    scratch.take_over(job, "")
    there.write_fit(job.key, record(trial), {"final": {"w": torch.zeros(3)}})
    (there.fit_folder(job.key) / "weights.safetensors").write_bytes(b"x")
    scratch.take_over(job, "")
    there.write_fit("other", record(trial), {"final": {"w": torch.zeros(3)}})
    pathlib.Path(there.fit_folder("other")).rename(there.fit_folder(job.key))
    scratch.take_over(job, "")
    there.write_fit(job.key, record(trial), {"final": {"w": torch.zeros(3)}})
    (there.fit_folder(job.key) / "fit.json").unlink()
    os.mkfifo(there.fit_folder(job.key) / "fit.json")  # nobody ever writes to it
    scratch.take_over(job, "../../x")
    assert Folder(job.folder).fit(job.key) is None


PROGRAM = """
import os, sys
from genbench.execution.apart import enter
enter(sys.argv[1])
for path, mode in zip(sys.argv[2::2], sys.argv[3::2]):
    try:
        open(path, mode).close()
        print("could")
    except PermissionError:
        print("could not")
try:
    os.kill(os.getppid(), 0)
    print("could")
except PermissionError:
    print("could not")
"""


@pytest.mark.skipif(offered() < 6, reason="this system cannot keep a process in (Landlock 6)")
def test_the_run_and_the_cache_can_be_read_and_nothing_else_is_lost(job, scratch, cache, tmp_path):
    (tmp_path / "run").mkdir()
    for folder in (tmp_path / "run", cache, tmp_path):
        (folder / "here").write_text("whole")
    tried = [
        (tmp_path / "run" / "here", "r"), (tmp_path / "run" / "here", "w"), (tmp_path / "run" / "new", "w"),
        (cache / "here", "w"), (tmp_path / "here", "a"), (scratch.own / "new", "w"),
    ]  # fmt: skip
    words = [str(word) for pair in tried for word in pair]
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, scratch.argument, *words],
        env=child_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["could", *3 * ["could not"], "could", "could", "could not"]
