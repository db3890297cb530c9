"""The executor with pilots that are processes of this machine: submitit's local mode."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("submitit", reason="submitit is not installed")

from genbench_submitit import SlurmExecutor
from genbench_submitit.pilot import fly
from genbench_submitit.spool import Spool

from genbench.contract.jobs import Job
from genbench.executors.remote import versions

SUITE = """\
title = "Six small networks on a hundred digits"
dataset = { name = "digits", train_size = 100 }
model = { name = "mlp", width = [8, 9, 10], depth = 1 }
protocol = { name = "interpolate", learning_rate = 0.1, batch_size = 32, max_epochs = 3 }
seeds = 2
measures = ["param_norm", "seed_disagreement"]
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "six.toml").write_text(SUITE)
    return tmp_path / "six.toml"


def genbench(*words: object, wait: bool = True) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "genbench", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if wait:
        process.out, process.err = process.communicate(timeout=1200)  # type: ignore[attr-defined]
    return process


def chosen() -> list[str]:
    """The options that choose the executor, whether this package is installed or only on the path."""
    names = {each.value: each.name for each in importlib.metadata.entry_points(group="genbench")}
    known = names.get("genbench_submitit")
    plugin = [] if known else ["--plugin", "genbench_submitit"]
    return [*plugin, "--executor", f"{known or 'genbench_submitit'}:slurm[cluster=local]", "--workers", "2"]


def fits(run: Path) -> int:
    return len(list((run / "fits").glob("*/fit.json"))) if (run / "fits").is_dir() else 0


def pilots() -> list[int]:
    """Processes of submitit that do the work, not those that watch over them."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            words = (each / "cmdline").read_bytes().split(b"\0") if each.name.isdigit() else []
            own = f"PYTEST_CURRENT_TEST={os.environ['PYTEST_CURRENT_TEST'].partition(' ')[0]}".encode()
            if b"submitit.core._submit" in words and own in (each / "environ").read_bytes():
                found.append(int(each.name))
        except OSError:
            continue
    return found


@pytest.mark.timeout(1500)
def test_a_pilot_is_killed_in_the_middle_and_the_results_are_those_of_a_local_run(suite, tmp_path):
    run = tmp_path / "run"
    driver = genbench("run", "--suite", suite, "--out", run, *chosen(), wait=False)
    until = time.monotonic() + 900
    while fits(run) < 2 and driver.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    at_work = pilots()
    assert at_work
    os.kill(at_work[0], signal.SIGKILL)
    _, said = driver.communicate(timeout=1200)
    assert driver.returncode == 0, said
    assert "6 trials: 6 trained now" in said
    local = genbench("run", "--suite", suite, "--out", tmp_path / "local", "--workers", 2)
    assert local.returncode == 0, local.err
    for name in ("run", "local"):
        assert genbench("export", tmp_path / name, tmp_path / f"{name}.csv").returncode == 0
    assert (tmp_path / "run.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()
    assert not list((tmp_path / "cache" / "submitit").iterdir()), "the spool is gone"


def job(key: str) -> Job:
    return Job(kind="train", key=key, trial={"threads": 1}, folder="", plugins=[])


class Pilots:
    """Stands for submitit: pilots are dead or alive as a script says, and do nothing by themselves."""

    def __init__(self, executor: SlurmExecutor):
        self.made: list[Pilots.One] = []
        executor._submit = self.submit
        self.spool = executor._spool

    class One:
        def __init__(self, name: str):
            self.name, self.job_id, self.is_done = name, name, False

        def done(self) -> bool:
            return self.is_done

        def cancel(self) -> None:
            self.is_done = True

        def stderr(self) -> str:
            return "Traceback\nImportError: no genbench here\n"

    def submit(self, name: str, *given: object) -> Pilots.One:
        self.made.append(self.One(name))
        return self.made[-1]


@pytest.fixture
def executor(tmp_path, monkeypatch):
    from genbench_submitit import executor as module

    monkeypatch.setattr(module, "SECONDS_BETWEEN_CHECKS", 0.0)
    said: list[str] = []
    made = SlurmExecutor(cluster="local", folder=str(tmp_path / "spools"), say=said.append)
    made.said = said
    yield made
    made.close()
    assert list((tmp_path / "spools").iterdir()) == []


OUTCOME = {"status": "ok", "job": None}


def test_what_a_dead_pilot_had_taken_is_done_by_the_next_one(executor):
    pilots = Pilots(executor)
    executor.submit(job("a"))
    executor._check()
    assert executor._spool.take("p1")[0] == 1
    pilots.made[0].is_done = True
    executor._check()
    assert "is done again" in executor.said[0]
    number, content = executor._spool.take("p2")
    assert (number, content["key"], len(pilots.made)) == (1, "a", 2)
    executor._spool.finish("p2", number, OUTCOME)
    assert [(each.job.key, each.status) for each in executor.results()] == [("a", "ok")]


def test_an_outcome_that_a_pilot_left_before_it_died_counts(executor):
    pilots = Pilots(executor)
    executor.submit(job("a"))
    executor._check()
    executor._spool.take("p1")
    executor._spool._write(executor._spool.path / "done" / "000001.json", {"pilot": "p1", "outcome": OUTCOME})
    pilots.made[0].is_done = True  # it had no time to say that the job is no longer with it
    executor._check()
    assert [each.status for each in executor.results()] == ["ok"]
    assert executor._spool.take("p2") is None


def test_a_job_that_ends_every_pilot_is_given_up(executor):
    pilots = Pilots(executor)
    executor.submit(job("a"))
    for number in range(1, 4):
        executor._check()
        executor._spool.take(f"p{number}")
        pilots.made[-1].is_done = True
    (outcome,) = executor.results()
    assert (outcome.status, "3 pilots ended" in outcome.reason) == ("crashed", True)
    assert "no genbench here" in outcome.reason


def test_pilots_that_end_as_they_start_end_the_run_with_their_last_words(executor):
    from genbench.base.errors import InvalidInput

    pilots = Pilots(executor)
    executor.submit(job("a"))

    def checks() -> None:
        for _ in range(10):
            executor._check()
            pilots.made[-1].is_done = True

    with pytest.raises(InvalidInput, match="pilots end as they start: ImportError: no genbench here"):
        checks()


def test_a_job_that_no_pilot_has_taken_can_be_cancelled(executor):
    Pilots(executor)
    ids = [executor.submit(job(each)) for each in "ab"]
    executor._spool.take("p1")
    for each in ids:
        executor.cancel(each)
    executor._spool.finish("p1", 1, OUTCOME)
    assert {each.job.key: each.status for each in executor.results()} == {"a": "ok", "b": "cancelled"}


def test_a_pilot_refuses_other_versions_and_leaves_a_driver_that_is_gone(tmp_path):
    spool = Spool(tmp_path / "spool")
    spool.make()
    assert fly(str(spool.path), "p1", "cpu", {**versions(), "torch": "0.0"}) == "versions differ"
    assert "a node has torch " in spool.fault()
    assert fly(str(spool.path), "p1", "cpu", versions(), patience=0.0) == "the driver is gone"
    spool.stop()
    assert fly(str(spool.path), "p1", "cpu", versions()) == "stopped"


def test_where_there_is_no_slurm_it_is_said(tmp_path, monkeypatch):
    from genbench.base.errors import UsageError

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no slurm cluster here"):
        SlurmExecutor(folder=str(tmp_path))
