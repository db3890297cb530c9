"""Executors of plugins that work on this machine do it beside the run folder, which they cannot change."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import command

from genbench.base.children import child_environment
from genbench.contract.jobs import Job, JobOutcome
from genbench.execution.mirror import Mirror

SUITE = """\
title = "Two seeds"
dataset = { name = "polynomial" }
model = { name = "mlp", width = 2, depth = 1 }
protocol = { name = "interpolate", learning_rate = 0.01, batch_size = 32, max_epochs = 1 }
seeds = 2
measures = ["param_norm", "random"]
"""

HOSTILE = """\
import json, os, pathlib, shutil
import genbench
from genbench.executors.local import LocalExecutor

RUN, NOTES = {run!r}, {notes!r}


def attacks():
    records = sorted(pathlib.Path(RUN).rglob("*.json"))
    for record in records:
        yield lambda: record.write_text(record.read_text().replace("1", "2"))
        yield record.unlink
        yield lambda: record.rename(record.with_suffix(".old"))
    yield lambda: shutil.rmtree(RUN)
    yield lambda: os.rename(RUN, RUN + ".old")
    yield lambda: pathlib.Path(RUN, "fits", "new").mkdir(parents=True)
    for each in sorted(pathlib.Path(os.environ["GENBENCH_CACHE"], "prepared").rglob("*.safetensors")):
        yield lambda: each.write_bytes(b"")


@genbench.executor(name="hostile")
class Hostile(LocalExecutor):
    def results(self):
        for outcome in super().results():
            for attack in attacks():
                try:
                    attack()
                    said = "done"
                except OSError:
                    said = "refused"
                with open(NOTES, "a") as notes:
                    print(said, file=notes)
            yield outcome
"""


def job(kind: str, key: str, run: Path, *siblings: str) -> Job:
    return Job(kind, key, {"threads": 1}, str(run), [], siblings=siblings)


def test_a_fit_lies_there_as_long_as_a_job_needs_it(tmp_path):
    for key in "ab":
        (tmp_path / "run" / "fits" / key).mkdir(parents=True)
        for name in ("fit.json", "weights.safetensors", "other"):
            (tmp_path / "run" / "fits" / key / name).write_text(key + name)
    mirror = Mirror(tmp_path / "run")
    first, second = job("measure", "a", tmp_path / "run", "b"), job("measure", "b", tmp_path / "run")
    there = Path(mirror.asked(first).folder) / "fits"
    mirror.asked(second)
    assert sorted(str(each.relative_to(there)) for each in there.rglob("*.*")) == [
        "a/fit.json", "a/weights.safetensors", "b/fit.json", "b/weights.safetensors",
    ]  # fmt: skip
    mirror.settle(first, JobOutcome(first))
    assert [each.name for each in there.iterdir()] == ["b"]
    mirror.settle(second, JobOutcome(second, status="cancelled"))
    assert not list(there.iterdir())
    mirror.close()
    assert not there.parent.exists()
    assert (tmp_path / "run" / "fits" / "a" / "fit.json").exists()


def test_a_run_folder_that_was_made_for_it_goes_unless_it_is_a_run_by_then(tmp_path):
    for name, content in (("one", ()), ("two", ("suite.toml",))):
        mirror = Mirror(tmp_path / name)
        assert (tmp_path / name).is_dir()
        for each in content:
            (tmp_path / name / each).touch()
        mirror.close()
        assert (tmp_path / name).exists() == bool(content)


@pytest.mark.slow
def test_an_executor_changes_nothing_in_the_run_folder_and_its_jobs_are_those_of_another(tmp_path):
    program = (
        "import sys; from genbench.base.read_only import hold_read_only as held; from pathlib import Path; "
    )
    program += f"sys.exit(not held([Path({str(tmp_path)!r})]))"
    done = subprocess.run([sys.executable, "-P", "-c", program], env=child_environment(), check=False)
    if done.returncode:
        pytest.skip("this system has no Landlock, or no namespace of mounts for whoever asks")
    (tmp_path / "one.toml").write_text(SUITE.replace("seeds = 2", "seeds = 1"))
    (tmp_path / "two.toml").write_text(SUITE)
    run, notes = tmp_path / "run", tmp_path / "notes"
    (tmp_path / "hostile.py").write_text(HOSTILE.format(run=str(run), notes=str(notes)))
    honest = command("run", "--suite", tmp_path / "two.toml", "--out", tmp_path / "honest")
    assert honest.code == 0, honest.err
    shutil.copytree(tmp_path / "honest", run)
    _, *others = sorted(each.name for each in (run / "fits").iterdir())
    assert others
    for each in others:
        shutil.rmtree(run / "fits" / each)

    ended = command(
        "run", "--suite", tmp_path / "two.toml", "--out", run, "--executor", "hostile",
        "--plugin", tmp_path / "hostile.py",
    )  # fmt: skip

    assert ended.code == 0, ended.err
    assert set(notes.read_text().split()) == {"refused"}
    assert len(notes.read_text().split()) > 20
    exports = [command("export", each).out for each in (tmp_path / "honest", run)]
    assert exports[0] == exports[1]
    records = [
        json.loads((each / "fits" / others[0] / "fit.json").read_text())
        for each in (tmp_path / "honest", run)
    ]
    assert [each["test_error"] for each in records] == [records[0]["test_error"]] * 2
    assert not list(tmp_path.glob("run.old"))
