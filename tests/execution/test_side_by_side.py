"""Several processes that compute one battery: each measure once, whatever becomes of one of them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from genbench.base.children import child_environment
from genbench.base.machine import is_running
from genbench.base.values import Status, Value
from genbench.execution import side_by_side as module
from genbench.execution.side_by_side import _Claims, processes_for, side_by_side

HERE = os.getpid()
MEASURES = [f"measure{each}" for each in range(12)]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")


def passes(behave=lambda name: None):
    """A pass of which each value tells the process; `behave` is called by the copies before each measure."""

    def compute(note, take):
        waiting = list(MEASURES)
        while waiting:
            mine, elsewhere = take(waiting) if take else (waiting[0], [])
            if mine is None:
                return
            if os.getpid() != HERE:
                behave(mine)
            time.sleep(0.01)
            waiting = [each for each in waiting if each != mine and each not in elsewhere]
            yield Value(mine, float(os.getpid()), Status.OK)

    return compute


def computed(compute, processes=3):
    with side_by_side(compute, MEASURES, processes) as values:
        return list(values(lambda *what: None))


@pytest.mark.parametrize("processes", [1, 2, 3, 20])
def test_each_measure_is_computed_once(processes):
    values = computed(passes(), processes)
    assert Counter(each.name for each in values) == Counter(MEASURES)
    at_work = {each.value for each in values}
    assert len(at_work) == min(processes, len(at_work))
    assert (len(at_work) > 1) == (processes > 1)


def ends(name):
    os._exit(1)


def fails(name):
    raise RuntimeError("of no use")


def hangs(name):
    time.sleep(1000)


@pytest.mark.parametrize("behave", [ends, fails, hangs])
def test_what_a_copy_leaves_undone_is_computed_here(behave, monkeypatch, capfd):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    values = computed(passes(behave))
    assert Counter(each.name for each in values) == Counter(MEASURES)
    assert {each.value for each in values} == {HERE}
    assert capfd.readouterr() == ("", "")


def test_nothing_is_left_behind(tmp_path):
    pids = []

    def compute(note, take):
        (tmp_path / str(os.getpid())).touch()
        yield from passes(hangs)(note, take)

    before = torch.get_num_threads()
    with side_by_side(compute, MEASURES, 3) as values:
        assert torch.get_num_threads() == 1
        next(values(lambda *what: None))
        while len(pids) < 2:
            pids = [int(each.name) for each in tmp_path.iterdir() if each.name != str(HERE)]
        assert all(map(is_running, pids))
    assert torch.get_num_threads() == before
    assert not any(map(is_running, pids))


def test_each_takes_its_part_in_order_and_then_the_end_of_the_longest_part(tmp_path):
    first, second, third = (_Claims(tmp_path, MEASURES, place, 3) for place in range(3))
    taken = [second.take(MEASURES)[0] for _ in range(4)]
    assert taken == ["measure4", "measure5", "measure6", "measure7"]
    assert first.take(MEASURES) == ("measure0", taken)
    assert second.take(MEASURES[:4]) == ("measure11", ["measure0"])
    assert [third.take([])[0] for _ in range(3)] == ["measure8", "measure9", "measure10"]
    assert [first.take([])[0] for _ in range(4)] == ["measure1", "measure2", "measure3", None]


def test_how_many_processes_there_are(monkeypatch):
    network = nn.Linear(1000, 1000)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(module, "memory", lambda: 64e9)
    assert processes_for(network, 132) == 4
    assert processes_for(network, 2) == 2
    assert processes_for(network.to("meta"), 132) == 1
    network = nn.Linear(1000, 1000)
    monkeypatch.setattr(module, "memory", lambda: 2.1e9)
    assert processes_for(network, 132) == 2
    monkeypatch.setattr(module, "memory", lambda: None)
    assert processes_for(network, 132) == 1
    monkeypatch.setattr(module, "memory", lambda: 64e9)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 40)
    assert processes_for(network, 132) == module.MOST_PROCESSES
    for what, name, value in (
        (torch.cuda, "is_available", True),
        (threading, "active_count", 2),
        (sys, "platform", "darwin"),
        (torch, "get_num_threads", 1),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(what, name, (lambda value=value: value) if callable(getattr(what, name)) else value)
            assert processes_for(network, 132) == 1


@pytest.mark.slow
def test_a_command_has_the_same_values_however_many_processes_it_uses(tmp_path):
    code = (
        "import torch\n"
        "def make():\n"
        "    torch.manual_seed(0)\n"
        "    layers = torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), *layers)\n"
    )
    (tmp_path / "nets.py").write_text(code)
    model = f"{tmp_path / 'nets.py'}:make"

    def evaluate(threads: int, out: Path) -> dict[str, float]:
        asked = ["evaluate", "--model", model, "--dataset", "digits", "--measures", "all", "--out", str(out)]
        done = subprocess.run(
            [sys.executable, "-m", "genbench", *asked], capture_output=True, text=True, check=False,
            env=child_environment(OMP_NUM_THREADS=str(threads)),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (row,) = csv.DictReader(out.read_text().splitlines())
        return {name: float(cell or "nan") for name, cell in row.items()}

    # Libraries of linear algebra beside torch use the threads that they are allowed.
    expected = pytest.approx(evaluate(1, tmp_path / "one.csv"), rel=1e-12, nan_ok=True)
    assert evaluate(3, tmp_path / "three.csv") == expected
