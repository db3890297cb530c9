"""The process that trains many trials at once: the fits are those of workers that train one at a time."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from running import TINY, command, fit_files

from genbench.contract.jobs import Job
from genbench.execution.company import Company
from genbench.execution.worker import Worker
from genbench.host import Host
from genbench.planning.suite import read_suite
from genbench.runs.store import Folder

SIDE_BY_SIDE = TINY.replace("max_epochs = 3", "max_epochs = [3, 5]").replace(
    'model = { name = "mlp", width = 8, depth = 1 }',
    'model = { name = "mlp", width = [8, 12], depth = 1, dropout = 0.2 }',
)


def states(folder: Path) -> dict[str, bytes]:
    return {
        f"{each.parent.name}/{each.name}": each.read_bytes() for each in folder.glob("fits/*/*.safetensors")
    }


@pytest.fixture
def jobs(tmp_path, cache):
    """Jobs to train the trials of the suite into a folder."""
    from genbench.fitting.preflight import plan_suite

    file = tmp_path / "many.toml"
    file.write_text(SIDE_BY_SIDE)
    host = Host.load()
    suite = read_suite(str(file), host)
    plan = plan_suite(suite, host)
    sources = [dataclasses.asdict(each) for each in host.sources]

    def jobs(folder: Path) -> list[dict[str, Any]]:
        Folder(folder).open_for(suite)
        made = [
            Job(
                kind="train", key=each.key, trial=each.as_dict(), folder=str(folder), plugins=sources,
                keep=["initial", "final", "milestones", "test_history", {"snapshots": 3}],
                limits=dataclasses.asdict(suite.limits), device="cpu",
            )
            for each in plan.trials
        ]  # fmt: skip
        return [{**each.as_dict(), "id": each.id, "token": "of this job"} for each in made]

    return jobs


@pytest.mark.usefixtures("one_thread")
def test_fits_of_a_company_are_those_of_a_worker(jobs, tmp_path):
    alone, events = Worker(lambda event: None), []
    for each in jobs(tmp_path / "alone"):
        alone.do(each)
    company = Company(events.append, "cpu", 5)
    broken = jobs(tmp_path / "company")[0]
    broken = {
        **broken,
        "id": "broken",
        "trial": {**broken["trial"], "model": {"name": "none", "settings": {}}},
    }
    for each in [*jobs(tmp_path / "company"), broken]:
        company.take(each)
    while company.busy:
        company.go_on()
    assert len(fit_files(tmp_path / "alone")) == 16
    assert states(tmp_path / "company") == states(tmp_path / "alone")
    own = Folder(tmp_path / "company")
    for key in own.fit_keys():
        ours, theirs = own.fit(key).record, Folder(tmp_path / "alone").fit(key).record
        differ = {name for name in theirs if ours[name] != theirs[name]}
        assert differ <= {"seconds", "time", "sha256"}, differ
    ends = [(each["job"], each["event"]) for each in events if each["event"] in ("done", "failed")]
    assert sorted(ends) == sorted(
        [(f"train {key}", "done") for key in own.fit_keys()] + [("broken", "failed")]
    )
    numbers = [each["number"] for each in events if each["job"] == ends[0][0]]
    assert numbers == list(range(len(numbers)))


FRAGILE = '''\
"""Networks that do not survive their training."""

import os

import genbench
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, fate):
        super().__init__()
        self.fate = fate
        self.linear = nn.Linear(64, 10)

    def forward(self, inputs):
        if inputs.device.type != "meta" and self.training:
            if self.fate == "kills":
                os.kill(os.getpid(), 9)
            if self.fate == "raises":
                raise ValueError("no luck in training")
            if self.fate == "fills":
                raise torch.OutOfMemoryError("no room")
        return self.linear(inputs.flatten(1))


@genbench.model
def net(task, *, fate: str = "fine"):
    return Net(fate)
'''

SUITE = """\
dataset = { name = "digits", train_size = 100 }
model = { name = "fragile:net", fate = ["fine", "kills", "raises", "fills"] }
protocol = { name = "interpolate", learning_rate = [0.01, 0.02], batch_size = 32, max_epochs = 2 }
measures = ["train_loss"]
"""


@pytest.mark.slow  # starts seven processes
def test_a_training_that_kills_raises_or_fills_costs_itself_only(cache, tmp_path):
    (tmp_path / "three.toml").write_text(SUITE)
    (tmp_path / "fragile.py").write_text(FRAGILE)
    ended = command(
        "run", "--suite", tmp_path / "three.toml", "--out", tmp_path / "run", "--workers", 1,
        "--per-device", 4, "--device", "cpu", "--plugin", tmp_path / "fragile.py",
    )  # fmt: skip
    assert ended.code == 1
    lines = ended.err.splitlines()
    assert "2 without a fit: training: the worker was killed by signal 9 (SIGKILL)" in lines
    assert "2 without a fit: ValueError: no luck in training" in lines
    assert any(
        each.startswith("2 without a fit: OutOfRoom: out of memory with this training alone")
        for each in lines
    )
    assert len(fit_files(tmp_path / "run")) == 2


def test_bad_numbers_at_once_are_refused(tiny_suite, tmp_path):
    refused = command("run", "--suite", tiny_suite, "--out", tmp_path / "run", "--per-device", 0)
    assert refused.code == 2
    assert "--per-device 0: must be from 1 to 1024" in refused.err
    assert not (tmp_path / "run").exists()
