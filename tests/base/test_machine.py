"""What a process may use: of systems that tell, that do not, and that tell of a container's limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from genbench.base import machine


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A system of eight cores and 4000 bytes; files of limits are written by a call."""
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4}.__getitem__)

    def limited(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_max", ".max").replace("cpu_cfs", "cpu.cfs")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return limited


def test_without_limits_the_cores_are_those_that_the_process_may_run_on(system):
    assert machine.cores() == 8
    assert machine.memory() == 4000


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000\n", 8), ("200000 100000\n", 2), ("150000 100000", 2), ("1000 100000", 1), ("9900000 100000", 8),
     ("", 8), ("0 0", 8), ("-1 100000", 8), ("nonsense", 8)],
)  # fmt: skip
def test_a_container_may_use_as_many_cores_as_its_quota_says(system, text, cores):
    system(cpu_max=text)
    assert machine.cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3)])
def test_the_first_version_of_control_groups_is_read_too(system, quota, cores):
    system(cpu__cpu_cfs_quota_us=quota, cpu__cpu_cfs_period_us="100000")
    assert machine.cores() == cores


@pytest.mark.parametrize(
    ("text", "memory"), [("max\n", 4000), ("1000\n", 1000), ("9223372036854771712", 4000)]
)
def test_a_container_may_use_as_much_memory_as_its_limit_says(system, text, memory):
    system(memory_max=text)
    assert machine.memory() == memory


@pytest.mark.parametrize(("counted", "cores"), [(6, 6), (None, 1)])
def test_a_system_that_does_not_tell_has_its_cores_counted(system, monkeypatch, counted, cores):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert machine.cores() == cores


def test_a_system_that_does_not_tell_its_memory_has_none(system, monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert machine.memory() is None


def test_the_cores_are_the_workers_of_a_run_that_names_none(system):
    from genbench.execution.places import devices

    system(cpu_max="300000 100000")
    assert devices("cpu", None) == ("cpu",) * 3
