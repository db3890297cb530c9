"""What other systems lack is taken away here: what is left must do."""

import os

from genbench.base import machine
from genbench.ranking import jit


def test_without_affinity_all_cores_count(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # macOS and Windows
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.cores() == 6
    assert jit.in_threads(lambda each: each + 1, [1, 2, 3], 10_000_000) == [2, 3, 4]


def test_without_sysconf_the_memory_is_not_known(monkeypatch):
    monkeypatch.delattr(os, "sysconf")  # Windows
    assert machine.memory() is None
