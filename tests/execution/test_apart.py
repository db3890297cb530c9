"""The scratch folder of a process that measures for plugins: what it says, and that it goes."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path

import pytest

from genbench.contract.jobs import Job
from genbench.execution import apart
from genbench.execution.apart import Scratch, handing, without_the_run

CORE = {"name": "measures", "module": "genbench.measures", "file": "", "distribution": "genbench"}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(apart.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def job(*plugins: str, dataset: str = "digits") -> Job:
    trial = {"dataset": {"name": dataset}, "protocol": {"name": "interpolate"}, "threads": 1}
    named = [CORE, *({"name": each, "module": "", "file": "", "distribution": ""} for each in plugins)]
    return Job("measure", "key", trial, "/runs/mine", named, data="/data", measures=["a"], siblings=["b"])


def test_only_what_measures_with_plugins_is_apart():
    assert job("mine").is_apart
    assert not job().is_apart
    assert not handing(job("mine"), scratch=type("Scratch", (), {"handed": Path("x")})).is_apart


def test_a_process_apart_is_told_of_no_place_of_the_run(temporary, monkeypatch):
    monkeypatch.setenv("GENBENCH_CACHE", "/somewhere/cache")
    monkeypatch.setenv("GENBENCH_DATA", "/somewhere/data")
    scratch = Scratch(job("mine"))
    sent = without_the_run(job("mine"), scratch.handed)
    assert (sent.folder, sent.data, list(sent.siblings)) == ("", None, [])
    environment = scratch.environment(os.environ)
    assert {environment[name] for name in ("HOME", "TMPDIR", "GENBENCH_CACHE")} == {str(scratch.own)}
    assert not [name for name, value in environment.items() if "/somewhere" in value]
    bounds = json.loads(scratch.argument)
    assert {"/runs/mine", "/data", "/somewhere/cache", "/somewhere/data"} <= set(bounds["denied"])
    assert not [each for each in bounds["readable"] if each in bounds["denied"]]
    scratch.remove()
    assert list(temporary.iterdir()) == []


def test_what_hands_over_loads_the_plugin_of_the_data_set_alone(temporary):
    scratch = Scratch(job("mine"))
    asked = handing(job("mine", "theirs", dataset="theirs:pictures"), scratch)
    assert [each["name"] for each in asked.plugins] == ["measures", "theirs"]
    assert (asked.folder, asked.data, asked.siblings) == ("/runs/mine", "/data", ["b"])
    scratch.remove()


def test_the_code_of_the_users_networks_can_be_read_and_what_lies_beside_it_cannot(
    temporary, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("code")
    (folder / "package").mkdir()
    for name in ("nets.py", "package/__init__.py", "labels.csv"):
        (folder / name).touch()
    scratch = Scratch(dataclasses.replace(job("mine"), code=[str(folder)]))
    readable = json.loads(scratch.argument)["readable"]
    assert {str(folder / each) for each in ("nets.py", "package")} <= {*readable}
    assert not {str(folder), str(folder / "labels.csv")} & {*readable}
    scratch.remove()


def test_a_switch_leaves_everything_open(temporary, monkeypatch):
    monkeypatch.setenv("GENBENCH_CONFINE", "off")
    scratch = Scratch(job("mine"))
    assert scratch.argument == ""
    assert apart.enter(scratch.argument) == {"files": "", "network": ""}
    scratch.remove()


def test_what_a_killed_command_left_is_swept_and_what_a_living_one_has_is_not(temporary):
    living = Scratch(job("mine"))
    dead = temporary / "genbench-apart-dead"
    (dead / "own").mkdir(parents=True)
    (dead / "lock").touch()
    begun = temporary / "genbench-apart-begun"  # to be removed, and written into meanwhile
    (begun / "handed").mkdir(parents=True)
    old = time.time() - 3600
    for folder in (dead, begun, living.own.parent):
        os.utime(folder, (old, old))
    apart._sweep.cache_clear()
    apart._sweep()
    assert not dead.exists()
    assert not begun.exists()
    assert living.own.exists()
    living.remove()
