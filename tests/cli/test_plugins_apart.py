"""Commands that ask code of plugins: it runs in other processes, and what it does there stays there."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
import torch
from running import TINY, command, processes_in
from torch import nn

from genbench.fitting import imported
from genbench.runs.store import Folder

pytestmark = pytest.mark.usefixtures("processes_of_plugins")

MARKING = """
import __main__
import os

if getattr(__main__.__spec__, "name", "") != "genbench.execution.worker":  # which may write nothing
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
    assert os.getpid() not in (asked := processes_in(mark))
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
    assert os.getpid() not in processes_in(mark)


TOUCHING = """
import time
import torch
from torch import nn

torch.touched = True

def make(width):
    if width == 5:
        os._exit(3)
    if width == 6:
        raise SystemExit("enough")
    if width == 7:
        time.sleep(1000)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
"""
PICTURES = """
import genbench

@genbench.dataset
def pictures(root):
    torch.touched = True
    drawn = torch.Generator().manual_seed(0)
    def split(count):
        inputs = torch.randn(count, 1, 8, 8, generator=drawn)
        return genbench.Split(inputs, torch.arange(count) % 10)
    return genbench.Data(split(40), split(30), genbench.Task("classification", (1, 8, 8), 10), "1")
"""


def checkpoints(folder, widths):
    """A network of each width, and their manifest."""
    folder.mkdir()
    lines = ["file,width,rate"]
    for width in widths:
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
        torch.save(network.state_dict(), folder / f"{width}.pt")
        lines.append(f"{width}.pt,{width},0.1")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder


def import_(folder, out, model, *words):
    return command("import", folder, "--model", model, "--out", out, "--measures", "param_norm",
                   "--workers", 1, *words)  # fmt: skip


@pytest.mark.slow
def test_what_is_imported_is_built_and_tested_by_other_processes(tmp_path, mark):
    folder = checkpoints(tmp_path / "nets", [4, 8])
    text = MARKING.format(mark=str(mark)) + TOUCHING
    (folder / "nets.py").write_text(text)
    (tmp_path / "b.py").write_text(text + PICTURES)
    given = ("--dataset", "b:pictures", "--plugin", tmp_path / "b.py")
    ended = import_(folder, tmp_path / "run", f"{folder / 'nets.py'}:make", *given)
    assert ended.code == 0, ended.err
    assert len(Folder(tmp_path / "run").fit_keys()) == 2
    assert os.getpid() not in (asked := processes_in(mark))
    assert asked
    assert not hasattr(torch, "touched")
    assert str(folder) not in sys.path


@pytest.mark.slow
def test_a_network_whose_code_gives_no_answer_costs_itself(tmp_path, mark, monkeypatch):
    monkeypatch.setattr(imported, "SECONDS_FOR_A_NETWORK", 15.0)
    folder = checkpoints(tmp_path / "nets", [5, 4, 6, 7, 8])
    (folder / "nets.py").write_text(MARKING.format(mark=str(mark)) + TOUCHING)
    ended = import_(folder, tmp_path / "run", f"{folder / 'nets.py'}:make", "--dataset", "digits")
    assert ended.code == 3
    by = f"building it by '{folder / 'nets.py'}:make' and testing it on 'digits'"
    assert f"genbench: {folder / '5.pt'}: {by} ends the process with code 3\n" in ended.err
    assert f"genbench: {folder / '6.pt'}: {by} raised SystemExit: enough\n" in ended.err
    assert f"genbench: {folder / '7.pt'}: {by} takes more than 15 s\n" in ended.err
    assert "2 networks written" in ended.err
    assert len(Folder(tmp_path / "run").fit_keys()) == 2


@pytest.mark.parametrize(
    ("word", "code", "line"),
    [
        ("{nets}:mke", 2, "--model {nets}:mke: '{nets}' has no 'mke'; did you mean 'make'?"),
        ("{nets}", 2, "--model {nets}: name the function too, as in {nets}:make"),
        ("{nets}x:make", 2, "--model {nets}x:make: there is no module '{nets}x'; a file ends in .py"),
        ("{nets}:make[wdth=3]", 3, "model '{nets}:make[wdth=3]': unknown setting 'wdth'; did you mean 'width'?"),
        ("mpl", 3, "unknown model 'mpl'; did you mean 'mlp'?"),
        ("{broken}:make", 3, "--model {broken}:make: '{broken}' cannot be imported: ValueError: no"),
        ("{dying}:make", 3, "--model {dying}:make: importing it ends the process with code 4"),
    ],
)  # fmt: skip
def test_a_function_that_cannot_be_had_is_told_in_a_line(tmp_path, mark, word, code, line):
    folder = checkpoints(tmp_path / "nets", [4])
    named = {name: folder / f"{name}.py" for name in ("nets", "broken", "dying")}
    named["nets"].write_text(MARKING.format(mark=str(mark)) + TOUCHING)
    named["broken"].write_text("raise ValueError('no')")
    named["dying"].write_text("import os; os._exit(4)")
    ended = import_(folder, tmp_path / "run", word.format(**named), "--dataset", "digits")
    assert ended.code == code
    assert f"genbench: {line.format(**named)}\n" in ended.err
    assert not (tmp_path / "run").exists()
    assert os.getpid() not in processes_in(mark)
