"""Trainings that are stacked on a CPU, from the suite to the record."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from running import TINY, command

from genbench.contract.jobs import Job
from genbench.execution.company import Company
from genbench.execution.worker import Worker
from genbench.fitting.preflight import plan_suite
from genbench.host import Host
from genbench.planning.plan import alike_together
from genbench.planning.suite import read_suite
from genbench.runs.store import Folder

STACKED = (
    TINY.replace("max_epochs = 3", "max_epochs = 3, stacked = [true, false]")
    .replace("seeds = 2", "seeds = 1")
    .replace(
        'model = { name = "mlp", width = 8, depth = 1 }',
        'model = { name = "mlp", width = 8, depth = 1, normalization = ["none", "batch"] }',
    )
)
ALONE = "it was trained alone"


@pytest.fixture
def host(cache):
    return Host.load()


@pytest.fixture
def plan(tmp_path, host):
    file = tmp_path / "stacked.toml"
    file.write_text(STACKED)
    return plan_suite(read_suite(str(file), host), host)


def stacked(trial):
    return trial.protocol.settings["stacked"]


def normalized(trial):
    return trial.model.settings["normalization"] == "batch"


def test_keys_tell_what_was_stacked(plan):
    assert len({each.key for each in plan.trials}) == len(plan.trials)
    assert len({each.configuration for each in plan.trials}) == 2 * len(
        {each.configuration for each in plan.trials if stacked(each)}
    )


def test_trials_of_one_shape_come_together_where_some_are_stacked(plan):
    found = alike_together(plan.trials)
    kinds = [normalized(each) for each in found]
    assert kinds == sorted(kinds, key=kinds.index)
    assert {each.key for each in found} == {each.key for each in plan.trials}
    rest = [each for each in plan.trials if not stacked(each)]
    assert alike_together(rest) == rest


@pytest.mark.usefixtures("one_thread")
def test_fits_of_a_stack_are_those_of_a_worker_but_for_rounding(plan, host, tmp_path):
    sources = [dataclasses.asdict(each) for each in host.sources]
    trials = [each for each in plan.trials if stacked(each)]
    worker, events = Worker(lambda event: None), []
    company = Company(events.append, "cpu", None)
    for name in ("alone", "stack"):
        folder = tmp_path / name
        Folder(folder).open_for(plan.suite)
        for each in trials:
            job = Job(
                kind="train", key=each.key, trial=each.as_dict(), folder=str(folder), plugins=sources,
                keep=["initial", "final"], limits=dataclasses.asdict(plan.suite.limits), device="cpu",
            )  # fmt: skip
            plain = {**job.as_dict(), "id": job.id, "token": "of this job"}
            worker.do(plain) if name == "alone" else company.take(plain)
    while company.busy:
        company.go_on()
    assert [each for each in events if each["event"] == "failed"] == []
    for each in trials:
        ours, theirs = (Folder(tmp_path / name).fit(each.key) for name in ("stack", "alone"))
        reason = "the network is no chain of plain linear layers" if normalized(each) else ""
        assert (ours.record["why_not_stacked"], theirs.record["why_not_stacked"]) == (reason, ALONE)
        assert ours.record["test_loss"] == pytest.approx(theirs.record["test_loss"], rel=1e-4)
        found, wanted = (each.load_states()["final"] for each in (ours, theirs))
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_run_stacks_what_asks_for_it(tmp_path, cache):
    file = tmp_path / "stacked.toml"
    file.write_text(STACKED)
    ran = command("run", "--suite", file, "--out", tmp_path / "run", "--workers", "1")
    assert ran.code == 0, ran.err
    folder = Folder(tmp_path / "run")
    records = [folder.fit(key).record for key in folder.fit_keys()]
    asked = [each for each in records if each["trial"]["protocol"]["settings"]["stacked"]]
    assert len(asked) == len(records) / 2
    assert {each["why_not_stacked"] for each in asked} == {
        "",
        "the network is no chain of plain linear layers",
    }
    assert not any("why_not_stacked" in each for each in records if each not in asked)
