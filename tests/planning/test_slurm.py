"""The script of an array job: what it asks for, and that its tasks together are the run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from running import command, results

from genbench.planning.slurm import ArrayJob, tasks_for


def job(**changed: object) -> ArrayJob:
    given = {
        "title": "Suite tiny, version 1: It's small", "name": "tiny one", "trials": 8, "tasks": 4, "workers": 2,
        "seconds": 8 * 3600.0, "longest": 600.0, "memory_bytes": 1e9, "gpu": False,
        "program": ["python", "-m", "genbench"], "run": ["--suite", "it's tiny"], "out": "/runs/it's tiny",
    }  # fmt: skip
    return ArrayJob(**(given | changed))  # type: ignore[arg-type]


def asked(script: str) -> dict[str, str]:
    return dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(.*))?$", script, re.MULTILINE))


def test_time_and_memory_are_the_predicted_ones_with_something_to_spare():
    options = asked(job().script())
    assert options["time"] == "0-02:10:00"  # twice an hour, and ten minutes to start
    assert options["mem"] == "5G"  # one and a half times two workers of 1.4 GB and their driver
    assert (options["array"], options["cpus-per-task"]) == ("1-4", "2")
    assert "gres" not in options
    assert asked(job(gpu=True).script())["gres"] == "gpu:1"
    assert asked(job(seconds=1e6).script())["time"].startswith("2-")


def test_a_task_is_at_least_as_long_as_the_longest_trial():
    assert job(seconds=700.0).task_seconds == 600


def test_tasks_take_about_an_hour_within_what_slurm_and_the_grid_have():
    assert tasks_for(10 * 3600, 60, 1, 500) == 10
    assert tasks_for(10 * 3600, 60, 4, 500) == 3
    assert tasks_for(1, 1, 1, 500) == 1
    assert tasks_for(1e9, 60, 1, 500) == 500
    assert tasks_for(1e9, 60, 1, 10**6) == 1000
    assert tasks_for(10 * 3600, 5 * 3600, 1, 500) == 2


def test_the_script_is_valid_whatever_the_names(tmp_path):
    file = tmp_path / "job.sbatch"
    file.write_text(job(title="two\nlines $(touch hacked)").script())
    assert subprocess.run(["bash", "-n", file], capture_output=True).stderr == b""
    before = file.read_text().partition("set -euo")[0]
    assert all(line.startswith("#") for line in before.splitlines()), "Slurm reads no option behind a command"


@pytest.mark.slow  # each task is a process that imports torch
def test_the_tasks_of_a_script_merge_into_what_one_run_would_have_been(finished, tiny_suite, tmp_path):
    planned = command("plan", "--suite", tiny_suite, "--out", tmp_path / "run", "--slurm", "--tasks", 2)
    assert planned.code == 0, planned.err
    (tmp_path / "job.sbatch").write_text(planned.out)
    for number in (1, 2):
        ended = subprocess.run(
            ["bash", tmp_path / "job.sbatch"], env={**os.environ, "SLURM_ARRAY_TASK_ID": str(number)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
    shards = sorted(Path(f"{tmp_path / 'run'}.shards").iterdir())
    assert [each.name for each in shards] == ["1", "2"]
    assert command("merge", *shards, "--out", tmp_path / "run").code == 0
    assert command("measure", tmp_path / "run", "--workers", 1).code == 0
    assert results(tmp_path / "run", tmp_path) == results(finished, tmp_path)


def test_the_plan_prints_the_script_alone_and_takes_no_second_choice(tiny_suite, tmp_path):
    words = ("plan", "--suite", tiny_suite, "--out", tmp_path / "run", "--slurm")
    plugin = tmp_path / "mine.py"
    plugin.write_text("import genbench\n@genbench.probe\ndef twice(logits):\n    return 2 * logits\n")
    planned = command(*words, "--set", "seeds=[3]", "--plugin", plugin, "--device", "cuda", "--workers", 3)
    assert planned.code == 0, planned.err
    assert planned.out.startswith("#!/bin/bash\n")
    (line,) = [each for each in planned.out.splitlines() if each.startswith("exec ")]
    assert (
        f"--suite {tiny_suite.resolve()} --device cuda --set 'seeds=[3]' --plugin {plugin} --workers 3"
        in line
    )
    for more in (["--shard", "1/2"], ["--json"], ["--budget", "2h"]):
        assert command(*words, *more).code == 2
    assert command(*words[:-1], "--tasks", 2).code == 2
    assert not (tmp_path / "run").exists()


def test_a_budget_is_shown_with_how_often_each_level_occurs(tiny_suite, tmp_path):
    words = ("plan", "--suite", tiny_suite, "--out", tmp_path / "run", "--workers", 1)
    found = command(*words, "--budget", "1h", "--json").json["budget"]
    assert (found["configurations"], found["of"], found["trials"]) == (2, 2, 4)
    assert found["levels"] == {"protocol.learning_rate": [[0.03, 1], [0.1, 1]]}
    assert "2 of 2 configurations with all their seeds (4 trials)" in command(*words, "--budget", "1h").out
    refused = command(*words, "--budget", "1ms")
    assert refused.code == 2
    refused = command(*words, "--budget", "0.001s")
    assert (refused.code, "too little for one configuration" in refused.err) == (2, True)
