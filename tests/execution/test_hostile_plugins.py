"""Hostile plugins in whole runs: the core's values are the same bits as without them, and each is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import command, values

SUITE = """\
dataset = { name = "digits", train_size = 100 }
model = { name = "mlp", width = 8, depth = 1 }
protocol = { name = "interpolate", batch_size = 32, max_epochs = 1 }
seeds = 2
"""

HOSTILE = """\
import os
import genbench
import torch
from torch.nn import functional as F


def bad(function):
    return genbench.measure(family="bad", direction="+")(function)


@bad
def changes_inputs(inputs):
    inputs.numpy()[:] = 0
    return 1.0


@bad
def changes_targets(targets):
    targets.data.zero_()
    return 1.0


@bad
def patches_relu(model):
    F.relu = torch.relu = lambda x, inplace=False: x
    return 1.0


@bad
def patches_cross_entropy(model):
    F.cross_entropy = lambda *given, **more: torch.zeros(())
    return 1.0


@bad
def hooks_everything(model):
    torch.nn.modules.module.register_module_forward_hook(lambda module, given, found: found * 0)
    return 1.0


@bad
def flushes(model):
    torch.set_flush_denormal(True)
    return 1.0


@bad
def is_good(model):
    return 2.0


def genbench_trial_finished(record):
    os._exit(0)
"""

CORE = "param_norm,train_loss,path_norm,inverse_margin,random"


def core_values(run: Path) -> dict[tuple[str, str], tuple[str, float]]:
    return {(each["key"], each["measure"]): (each["status"], each["value"]) for each in values(run)
            if ":" not in each["measure"]}  # fmt: skip


@pytest.mark.slow  # two runs of real workers, of which seven are replaced
def test_the_core_has_the_same_bits_beside_a_hostile_plugin(cache, tmp_path):
    (tmp_path / "two.toml").write_text(SUITE)
    (tmp_path / "hostile.py").write_text(HOSTILE)
    common = ("run", "--suite", tmp_path / "two.toml", "--workers", 1, "--out")
    alone = command(*common, tmp_path / "alone", "--measures", CORE)
    beside = command(
        *common, tmp_path / "beside", "--measures", f"family:bad,{CORE}",
        "--plugin", tmp_path / "hostile.py",
    )  # fmt: skip
    assert (alone.code, beside.code) == (0, 1), beside.err
    assert core_values(tmp_path / "alone") == core_values(tmp_path / "beside")
    found = {each["measure"].partition(":")[2]: each for each in values(tmp_path / "beside")}
    assert found["is_good"]["value"] == 2.0
    for name, change in {
        "changes_inputs": "inputs",
        "changes_targets": "targets",
        "patches_relu": "torch.nn.functional.relu",
        "patches_cross_entropy": "torch.nn.functional.cross_entropy",
        "hooks_everything": "torch's global forward hooks",
        "flushes": "flushing of denormal numbers",
    }.items():
        assert found[name]["status"] == "error"
        assert change in found[name]["reason"]
        assert found[name]["reason"].endswith("which is read-only")
    assert "observer genbench_trial_finished of plugin 'hostile' ended its process" in beside.err


OTHERS = """\
import gc
import os
import threading
import time

import genbench
import torch


class Evil:
    def __float__(self):
        os._exit(0)

    def __str__(self):
        raise RuntimeError("no text")

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    __hash__ = None


def bad(function):
    return genbench.measure(family="bad", direction="+")(function)


@genbench.probe
def evil(model):
    return {"a": Evil(), "b": [Evil()]}


@bad
def exits(model):
    os._exit(0)


@bad
def is_evil(model):
    return Evil()


@bad
def of_evil(evil):
    return 1.0


@bad
def works_on(model):
    def late():
        time.sleep(0.2)
        for each in model.parameters():
            each.data.zero_()

    threading.Thread(target=late, daemon=True).start()
    return 1.0


@bad
def leaves_a_child(model):
    if os.fork() == 0:
        os.setsid()
        time.sleep(5)
        os._exit(0)
    return 1.5


@bad
def recurses(model):
    def deeper():
        return deeper()

    return deeper()


@bad
def tells_all(model):
    raise ValueError("x" * 50_000_000)


@bad
def silences(model):
    from genbench.execution.channel import Speaker

    Speaker.__call__ = lambda self, message: None
    return 1.0


@bad
def speaks(model):
    from genbench.execution.channel import Speaker

    (speaker,) = [each for each in gc.get_objects() if isinstance(each, Speaker)]
    value = {"measure": "param_norm", "value": 1.0, "status": "ok"}
    speaker({"event": "value", "value": value})
    return 1.0


@bad
def is_of_its_own_kind(inputs):
    class Own(torch.Tensor):
        pass

    return inputs.sum().as_subclass(Own)


@bad
def is_good(model):
    return 2.0
"""


@pytest.mark.slow  # a run of real workers, of which four are replaced
def test_others_are_named_too_and_cost_themselves_alone(cache, tmp_path):
    (tmp_path / "one.toml").write_text(SUITE.replace("seeds = 2\n", ""))
    (tmp_path / "others.py").write_text(OTHERS)
    done = command(
        "run", "--suite", tmp_path / "one.toml", "--workers", 1, "--out", tmp_path / "run",
        "--measures", "family:bad,param_norm,random", "--plugin", tmp_path / "others.py",
    )  # fmt: skip
    assert done.code == 1, done.err
    found = {each["measure"].partition(":")[2]: each for each in values(tmp_path / "run")}
    for name, reason in {
        "exits": "the worker exited with code 0",
        "is_evil": "returned a Evil, expected one real number",
        "works_on": "changed the threads: one runs on",
        "recurses": "RecursionError",
        "tells_all": "raised ValueError: xxx",
        "silences": "changed genbench.execution.channel.Speaker.__call__",
        "speaks": "it spoke of another job than the one that it was given",
    }.items():
        assert found[name]["value"] is None
        assert reason in found[name]["reason"]
        assert len(found[name]["reason"]) < 10_000
    assert [found[name]["value"] for name in ("is_good", "leaves_a_child", "of_evil")] == [2.0, 1.5, 1.0]
    assert found["is_of_its_own_kind"]["status"] == "ok"
    assert {each["status"] for each in values(tmp_path / "run") if ":" not in each["measure"]} == {"ok"}


@pytest.mark.slow  # whole commands, each in a process of its own
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import os; os._exit(0)", "importing it ends the process with code 0"),
        ("import os; os.kill(os.getpid(), 11)", "importing it kills the process (SIGSEGV)"),
        ("raise KeyboardInterrupt", "importing it kills the process (SIGINT)"),
        ("import json; json.dumps = lambda *given, **more: '{}'", "importing it changes json.dumps"),
    ],
)
def test_a_plugin_whose_import_ends_everything_is_one_line_and_exit_code_1(cache, tmp_path, text, said):
    (tmp_path / "two.toml").write_text(SUITE)
    (tmp_path / "deadly.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "genbench", "run", "--suite", str(tmp_path / "two.toml"),
         "--out", str(tmp_path / "run"), "--measures", "param_norm", "--plugin", str(tmp_path / "deadly.py")],
        capture_output=True, text=True, timeout=240, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"plugin 'deadly' (file deadly.py): {said}" in done.stderr
    assert "Traceback" not in done.stderr
