"""Commands that ask code of plugins: it runs in other processes, and what it does there stays there."""

from __future__ import annotations

import os
import shutil

import pytest
from running import TINY, command

from genbench.runs.store import Folder

pytestmark = pytest.mark.usefixtures("processes_of_plugins")

MARKING = """
import os
import genbench
from torch import nn

with open({mark!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
"""
NET = """
import os
import genbench
from torch import nn

@genbench.model
def net(task, *, act: str = ""):
    if act == "die":
        os._exit(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
"""


@pytest.fixture
def mark(tmp_path):
    """A file with a line for each process that imported the plugin."""
    made = tmp_path / "mark"
    made.touch()
    return made


def processes(mark):
    """Those that wrote there, which are forgotten then."""
    found = set(map(int, mark.read_text().split()))
    mark.write_text("")
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("inline")
def test_whether_steps_can_be_captured_is_asked_of_the_process_of_a_plugin(tmp_path, mark):
    file, suite, run = tmp_path / "b.py", tmp_path / "suite.toml", tmp_path / "run"
    file.write_text(NET)
    suite.write_text(TINY.replace('"mlp", width = 8, depth = 1', '"b:net"').replace("[0.03, 0.1]", "0.1"))
    given = ("--workers", 1, "--measures", "train_loss", "--plugin", file)
    done = command("run", "--suite", suite, "--out", run, *given)
    assert done.code == 0, done.err
    file.write_text(NET + MARKING.format(mark=str(mark)))
    key = Folder(run).fit_keys()[0]
    ended = command("explain", run, key, "--captured", "--plugin", file)
    assert ended.out.endswith("on CUDA its steps are captured as graphs and replayed\n"), ended.err
    assert os.getpid() not in (asked := processes(mark))
    assert asked
    unknown = command("explain", run, key, "--captured")
    assert "unknown model 'b:net'" in unknown.out
    assert (ended.code, unknown.code) == (0, 0)


def test_a_trial_of_the_core_is_asked_without_any_plugin(finished, tmp_path, mark):
    run = shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "b.py").write_text(NET + MARKING.format(mark=str(mark)))
    key = Folder(run).fit_keys()[0]
    ended = command("explain", run, key, "--captured", "--plugin", tmp_path / "b.py")
    assert ended.out.endswith("on CUDA its steps are captured as graphs and replayed\n")
    assert os.getpid() not in processes(mark)
