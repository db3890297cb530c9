"""What imports no torch: most modules, and the commands that train and measure nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from floors import modules, room

HEAVY = ("torch", "torchvision", "timm")

# What computes with tensors. Every other module of the package, new ones too, is imported without torch.
ROOMS = {
    "datasets",
    "measures",
    "measuring",
    "models",
    "networks",
    "probes",
    "regularizers",
    "testing",
    "training",
}
MODULES = {
    "genbench.auditing.cost",
    "genbench.auditing.invariance",
    "genbench.auditing.transformations",
    "genbench.execution.evaluating",
    "genbench.fitting.benchmark",
    "genbench.leaderboard.answering",
    "genbench.fitting.building",
    "genbench.fitting.fit",
    "genbench.fitting.handed_networks",
    "genbench.fitting.foresight",
    "genbench.fitting.prediction",
    "genbench.fitting.prepared",
    "genbench.fitting.record",
    "genbench.fitting.handing",
    "genbench.fitting.held",
    "genbench.fitting.roots",
    "genbench.fitting.splits",
    "genbench.fitting.work",
}

# Runs the command line.
NOT_IMPORTED = "genbench.__main__"

IMPORTED = """
import importlib, json, sys
sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))
failed = {}
for name in json.loads(sys.argv[2]):
    try:
        importlib.import_module(name)
    except ImportError as fault:
        failed[name] = str(fault)
print(json.dumps(failed))
"""

COMMANDS = """
import contextlib, io, json, sys
from genbench.cli import main
ended = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as end:
            code = end.code
    ended.append([code, out.getvalue(), err.getvalue()])
print(json.dumps({"ended": ended, "heavy": [each for each in json.loads(sys.argv[2]) if each in sys.modules]}))
"""

CARDS = [
    ["list"],
    ["list", "measures"],
    ["list", "measures", "--json", "--family", "norm"],
    ["list", "measures", "--family", "nrom"],
    ["list", "models", "--json"],
    ["list", "protocols"],
    ["list", "suites"],
    ["list", "plugins"],
    ["show", "param_norm"],
    ["show", "cross-entropy", "--json"],
    ["show", "digits"],
    ["show", "plugin:measures"],
    ["show", "resnet"],
    ["show", "model:mpl"],
]


def in_fresh_interpreter(script: str, *arguments: str, cache: Path | None = None) -> Any:
    environment = os.environ | {"COLUMNS": "100"} | ({"GENBENCH_CACHE": str(cache)} if cache else {})
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def commands(*words: list[str], cache: Path | None = None) -> Any:
    """Each command's exit code and outputs, all run by one new process, and what heavy that imported."""
    return in_fresh_interpreter(COMMANDS, json.dumps(words), json.dumps(HEAVY), cache=cache)


def test_modules_that_compute_with_no_tensors_import_no_torch():
    light = [
        name for name in modules() if name != NOT_IMPORTED and name not in MODULES and room(name) not in ROOMS
    ]
    assert in_fresh_interpreter(IMPORTED, json.dumps(HEAVY), json.dumps(light)) == {}


def test_every_exception_is_a_module_that_there_is():
    known = modules()
    assert {*MODULES, NOT_IMPORTED} <= {*known}
    assert {room(each) for each in known} >= ROOMS


def test_help_and_reading_a_run_import_no_torch(finished):
    found = commands(["--help"], ["status", str(finished)], ["rank", str(finished), "--bootstrap", "10"])
    assert [code for code, _, _ in found["ended"]] == [0, 0, 0]
    assert found["heavy"] == []


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A cache in which one command has left what lists and cards are made of."""
    folder = tmp_path_factory.mktemp("kept")
    assert "torch" in commands(["list", "statistics"], cache=folder)["heavy"]
    return folder


def test_lists_and_cards_import_no_torch_the_second_time_and_say_the_same(kept, tmp_path, monkeypatch):
    from running import command

    found = commands(*CARDS, cache=kept)
    assert found["heavy"] == []
    no_folder = tmp_path / "file"
    no_folder.touch()
    monkeypatch.setenv("GENBENCH_CACHE", str(no_folder))
    monkeypatch.setenv("COLUMNS", "100")
    for words, (code, out, err) in zip(CARDS, found["ended"], strict=True):
        anew = command(*words)
        assert (code, out, err) == (anew.code, anew.out, anew.err), words


def test_a_variant_is_asked_of_its_plugin(kept, monkeypatch):
    from running import command

    monkeypatch.setenv("GENBENCH_CACHE", str(kept))
    assert (
        command("show", "inverse_margin[quantile=0.05]", "--json").json["settings"]["quantile"]["default"]
        == 0.05
    )
