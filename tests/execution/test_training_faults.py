"""Training that dies or raises, in real workers: it costs one trial; what is mended is trained again."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Ended, command, fit_files

from genbench.runs.run import Run

pytestmark = pytest.mark.slow

SUITE = """\
dataset = { name = "digits", train_size = 100 }
model = { name = "fragile:net", fate = ["fine", "kills", "raises"] }
protocol = { name = "interpolate", batch_size = 32, max_epochs = 1 }
regularizers = [[]]
measures = ["train_loss"]
"""

PLUGIN = '''\
"""A network that does not survive its training."""

import os

import genbench
from torch import nn


class Net(nn.Module):
    def __init__(self, fate):
        super().__init__()
        self.fate = fate
        self.linear = nn.Linear(64, 10)

    def forward(self, inputs):
        if inputs.device.type != "meta":
            if self.fate == "kills":
                os.kill(os.getpid(), 9)
            if self.fate == "raises":
                raise ValueError("no luck in training")
        return self.linear(inputs.flatten(1))


@genbench.model
def net(task, *, fate: str = "fine"):
    return Net(fate)
'''


@pytest.fixture(scope="module")
def fragile(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    scratch = tmp_path_factory.mktemp("fragile")
    (scratch / "three.toml").write_text(SUITE)
    (scratch / "fragile.py").write_text(PLUGIN)
    ended = command(
        "run", "--suite", scratch / "three.toml", "--out", scratch / "run", "--workers", 1,
        "--plugin", scratch / "fragile.py",
    )  # fmt: skip
    return scratch, ended


def test_a_crash_or_an_exception_in_training_costs_one_trial(fragile):
    scratch, ended = fragile
    assert ended.code == 1
    lines = ended.err.splitlines()
    assert "3 trials: 1 trained now, 1 measured now" in lines
    assert "1 without a fit: training: the worker was killed by signal 9 (SIGKILL)" in lines
    assert "1 without a fit: ValueError: no luck in training" in lines
    assert len(fit_files(scratch / "run")) == 1
    assert "Traceback" not in ended.err


def test_status_and_explain_tell_of_trials_without_a_fit(fragile):
    scratch, _ = fragile
    status = command("status", scratch / "run", "--json").json
    assert sorted(each["status"] for each in status["failures"]) == ["crashed", "error"]
    raised = next(each for each in status["failures"] if each["status"] == "error")
    explained = command("explain", scratch / "run", raised["key"])
    assert explained.code == 0
    assert "no fit: ValueError: no luck in training" in explained.out
    assert "in forward" in explained.out, "the traceback is kept"


def test_the_table_says_how_many_trials_have_no_fit(fragile):
    scratch, _ = fragile
    assert "2 trials without a fit: training failed" in Run(scratch / "run").results().notes
    exported = command("export", scratch / "run", scratch / "table.csv")
    assert "2 trials without a fit: training failed" in exported.err


def test_retry_with_the_mended_file_trains_what_failed_and_ends_well(fragile, inline):
    scratch, _ = fragile
    (scratch / "mended").mkdir()
    mended = scratch / "mended" / "fragile.py"
    mended.write_text(
        PLUGIN.replace("os.kill(os.getpid(), 9)", "pass").replace(
            'raise ValueError("no luck in training")', "pass"
        )
    )
    ended = command("retry", scratch / "run", "--plugin", mended, "--workers", 1)
    assert ended.code == 0, ended.err
    results = Run(scratch / "run").results()
    assert list(results.frame["model.fate"]) == ["fine", "kills", "raises"]
    assert not any("failed" in note for note in results.notes)
