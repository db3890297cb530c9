"""Whole runs with real workers: interrupted, killed, shared, merged. The results are the same bytes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import (
    Ended,
    command,
    ended,
    fit_files,
    marked,
    results,
    start,
    wait_until,
)

from genbench.runs.store import Folder


def trained_now(run: Ended) -> int:
    found = re.search(r"(\d+) trained now", run.err)
    assert found, run.err
    return int(found.group(1))


def start_and_wait_for_a_fit(
    suite: Path, folder: Path, mark: str, workers: int = 2, *further: str
) -> subprocess.Popen[str]:
    process = start("run", "--suite", suite, "--out", folder, "--workers", workers, *further, mark=mark)
    wait_until(lambda: fit_files(folder) or process.poll() is not None, "the first fit is on disk")
    return process


def assert_only_whole_records(folder: Path) -> None:
    damage: list[str] = []
    run = Folder(folder, damage.append)
    for key in run.fit_keys():
        run.fit(key, check_weights=True)
        run.measured(key)
    assert damage == []


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_leaves_whole_records_and_no_worker_and_says_how_to_go_on(
    number, cache, tiny_suite, tmp_path
):
    many = ("--set", "seeds=200")  # so many that they are not over before the signal arrives
    process = start_and_wait_for_a_fit(tiny_suite, tmp_path / "run", mark := f"{tmp_path}", 1, *many)
    process.send_signal(number)
    run = ended(process)
    assert run.code == 130, run.err
    assert run.err.splitlines()[-1].startswith("genbench: interrupted; ")
    assert "the same command goes on from there" in run.err
    assert "Traceback" not in run.err
    assert run.out == ""
    wait_until(lambda: not marked(mark), "the workers are gone")
    assert fit_files(tmp_path / "run")
    assert_only_whole_records(tmp_path / "run")
    assert not list((tmp_path / "run").glob("locks/*.lock"))


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was_with_the_results_of_an_uninterrupted_one(
    finished, tiny_suite, tmp_path
):
    folder = tmp_path / "run"
    process = start_and_wait_for_a_fit(tiny_suite, folder, mark := f"{tmp_path}")
    process.kill()
    process.communicate()
    wait_until(lambda: not marked(mark), "the workers have died with the command")
    assert_only_whole_records(folder)
    before = fit_files(folder)

    resumed = command("run", "--suite", tiny_suite, "--out", folder, "--workers", 2)
    assert resumed.code == 0, resumed.err
    after = fit_files(folder)
    assert trained_now(resumed) == 4 - len(before)
    assert {key: after[key] for key in before} == before, "a finished fit was trained twice"
    assert results(folder, tmp_path) == results(finished, tmp_path)


@pytest.mark.slow
def test_two_commands_on_one_folder_share_the_work(finished, tiny_suite, tmp_path):
    folder = tmp_path / "run"
    both = [start("run", "--suite", tiny_suite, "--out", folder, "--workers", 1) for _ in range(2)]
    ends = [ended(each) for each in both]
    assert [each.code for each in ends] == [0, 0], [each.err for each in ends]
    assert sum(trained_now(each) for each in ends) == 4
    assert results(folder, tmp_path) == results(finished, tmp_path)


def test_shards_merged_by_copying_give_the_results_of_one_run(finished, tiny_suite, inline, tmp_path):
    for shard in (1, 2):
        words = ("run", "--suite", tiny_suite, "--out", tmp_path / f"{shard}", "--shard", f"{shard}/2")
        run = command(*words)
        assert (run.code, trained_now(run)) == (0, 2), run.err
    shutil.copytree(tmp_path / "1", tmp_path / "both")
    shutil.copytree(tmp_path / "2", tmp_path / "both", dirs_exist_ok=True)
    assert results(tmp_path / "both", tmp_path) == results(finished, tmp_path)
    again = command("run", "--suite", tiny_suite, "--out", tmp_path / "both")
    assert trained_now(again) == 0


def test_damaged_fits_are_said_and_made_again_with_the_same_results(finished, tiny_suite, inline, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    first, second, third, fourth = (folder / "fits" / key for key in Folder(folder).fit_keys())
    (first / "fit.json").write_bytes((first / "fit.json").read_bytes()[:100])
    weights = bytearray((second / "weights.safetensors").read_bytes())
    weights[-3] ^= 4
    (second / "weights.safetensors").write_bytes(weights)
    os.truncate(third / "weights.safetensors", 10)
    untouched = fit_files(folder)[fourth.name]

    damaged = command("status", folder, "--json").json["damaged"]
    assert len(damaged) == 3
    left_out = command("export", folder, tmp_path / "some.csv")
    assert left_out.err.count("is damaged") == 2, "a table tells what it leaves out"

    run = command("run", "--suite", tiny_suite, "--out", folder)
    assert run.code == 0
    assert run.err.count("is damaged") == 3
    assert trained_now(run) == 3
    assert fit_files(folder)[fourth.name] == untouched
    assert results(folder, tmp_path) == results(finished, tmp_path)
    assert command("status", folder, "--json").json["damaged"] == []


@pytest.mark.slow
def test_workers_die_with_the_command_even_while_native_code_hangs(cache, tmp_path):
    (tmp_path / "one.toml").write_text(
        'dataset = { name = "digits", train_size = 100 }\nmodel = "mlp"\n'
        'protocol = { max_epochs = 1, name = "interpolate" }\n'
    )
    (tmp_path / "hanging.py").write_text(
        "import ctypes, pathlib\nimport genbench\n\n\n"
        '@genbench.measure(family="x", direction="+")\n'
        "def hangs(model):\n"
        f"    pathlib.Path({str(tmp_path / 'reached')!r}).touch()\n"
        "    ctypes.PyDLL(None).sleep(100_000)\n"
    )
    process = start(
        "run", "--suite", "one.toml", "--out", "run", "--workers", 1, "--plugin", "hanging.py",
        "--measures", "hangs", mark=f"{tmp_path}", folder=tmp_path,
    )  # fmt: skip
    wait_until(lambda: (tmp_path / "reached").exists() or process.poll() is not None, "the measure hangs")
    process.kill()
    process.communicate()
    wait_until(lambda: not marked(f"{tmp_path}"), "the workers have died with the command")


@pytest.mark.slow
def test_a_script_needs_no_main_guard(cache, tiny_suite, tmp_path):
    (tmp_path / "script.py").write_text(
        "import genbench\n"
        f"run = genbench.run({str(tiny_suite)!r}, out='out', workers=1, limit=1)\n"
        "print('rows', len(run.table()))\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert (done.returncode, done.stdout) == (0, "rows 1\n"), done.stderr
