"""Hostile models, regularizers and data sets in whole runs: others' fits and values are the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import command, values

from genbench.base.confinement import offered
from genbench.host import elsewhere, host, probation
from genbench.runs.store import Folder

REAL = elsewhere._Deputy, probation.fatal, probation.tried

CORE = """
[[grid]]
dataset = { name = "digits", train_size = 100 }
model = { name = "mlp", width = 8, depth = 1 }
protocol = { name = "interpolate", batch_size = 32, max_epochs = 1 }
"""
HONEST = CORE.replace('"mlp", width = 8, depth = 1', '"honest:net"')

NET = """
import genbench
from torch import nn


@genbench.model
def net(task, *, act: str = ""):
    ACT
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, task.outputs))
"""

HOSTILE = """
import glob
import os
import shutil
import signal
import sys

import torch
from torch.nn import functional as F


def tries(function, *given):
    try:
        function(*given)
    except PermissionError:
        pass


def does(act):
    if act == "dies":
        os._exit(0)
    if act == "interrupts":
        raise KeyboardInterrupt
    if act == "has no text":
        class Mute(BaseException):
            def __str__(self):
                raise RuntimeError
        raise Mute
    if act == "patches":
        F.relu = torch.relu = lambda x, inplace=False: x
    if act == "attacks":
        tries(os.kill, os.getppid(), signal.SIGKILL)
        shutil.rmtree(RUN, ignore_errors=True)
        for path in glob.glob(os.path.join(CACHE, "prepared", "*", "*")):
            tries(os.truncate, path, 10)


@genbench.regularizer
class Acting(genbench.Regularizer):
    act: str = ""

    def __post_init__(self):
        does(self.act)


@genbench.dataset
def blobs(root, *, act: str = ""):
    does(act)
    return 5
"""

ACTS = {
    'model = { name = "hostile:net", act = "dies" }': "'hostile:net': building the network ends the process with code 0",
    'model = { name = "hostile:net", act = "interrupts" }': "'hostile:net': building the network raised KeyboardInt",
    'model = { name = "hostile:net", act = "has no text" }': "'hostile:net': building the network raised Mute: no mess",
    'model = { name = "hostile:net", act = "patches" }': "code of plugin 'hostile' changed torch.nn.functional.relu",
    'model = { name = "hostile:net", act = "attacks" }': "",
    'regularizers = [[{ name = "hostile:acting", act = "dies" }]]': "'hostile:acting': building the network ends the pro",
    'dataset = { name = "hostile:blobs", act = "dies" }': "dataset 'hostile:blobs' ends the process with code 0",
    'dataset = { name = "hostile:blobs", act = "" }': "dataset 'hostile:blobs' is not to be had: ",
}  # fmt: skip


def grid(changed: str) -> str:
    key = changed.partition(" = ")[0]
    lines = [line for line in CORE.splitlines() if not line.startswith(f"{key} = ")]
    return "\n".join([*lines, changed, ""])


def found(run: Path) -> dict[str, object]:
    """Fits and values of the core and of the honest plugin, without their times."""
    folder = Folder(run)
    fits = {key: folder.fit(key, check_weights=True) for key in folder.fit_keys()}
    whole = {key: each.record for key, each in fits.items() if each is not None}
    own = {key: each for key, each in whole.items() if "hostile:" not in str(each["trial"])}
    told = ("trial", "seeds", "history", "weights", "test_error", "test_loss", "stop_reason")
    return {
        "fits": {key: [each[name] for name in told] for key, each in own.items()},
        "values": {
            (each["key"], each["measure"]): (each["status"], each["value"])
            for key in own
            for content in folder.passes(key)
            for each in content["values"]
        },
    }


@pytest.mark.slow  # two whole runs, the second of which starts a process for each way to harm it
@pytest.mark.skipif(offered() < 6, reason="this system cannot keep a process in (Landlock 6)")
def test_others_have_the_same_bits_beside_hostile_trials(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(elsewhere, "_Deputy", REAL[0])
    monkeypatch.setattr(host, "fatal", REAL[1])
    monkeypatch.setattr(host, "tried", REAL[2])
    beside = tmp_path / "beside"
    own = f"RUN, CACHE = {str(beside)!r}, {str(cache)!r}\n"
    (tmp_path / "honest.py").write_text(NET.replace("ACT", ""))
    (tmp_path / "hostile.py").write_text(own + NET.replace("ACT", "does(act)") + HOSTILE)
    (tmp_path / "alone.toml").write_text(CORE + HONEST)
    (tmp_path / "all.toml").write_text(CORE + HONEST + "".join(grid(each) for each in ACTS))
    common = ("--workers", 1, "--measures", "param_norm,train_loss,path_norm,random", "--plugin")
    honest = (*common, tmp_path / "honest.py")
    first = command("run", "--suite", tmp_path / "alone.toml", "--out", tmp_path / "alone", *honest)
    done = command(
        "run", "--suite", tmp_path / "all.toml", "--out", beside, *honest, "--plugin", tmp_path / "hostile.py"
    )
    assert (first.code, done.code) == (0, 1), first.err + done.err
    expected = found(tmp_path / "alone")
    assert len(expected["fits"]) == 2
    assert found(beside) == expected
    for reason in ACTS.values():
        assert reason in done.err
    assert "Traceback" not in done.err
    assert {each["status"] for each in values(beside)} == {"ok"}
