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
