"""``genbench run``: what it prints where, what it keeps, what it computes anew."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from running import TINY, command, fit_files, results, strict_json, values
from terminals import Terminal, plain

from genbench.cli import main, outcome
from genbench.cli.outcome import LARGER, next_steps
from genbench.runs.store import Folder
from genbench.suites import genbench_suites

pytestmark = pytest.mark.usefixtures("inline")

ONE = TINY.replace("[0.03, 0.1]", "0.03").replace("seeds = 2", "seeds = 1")

ROW = (
    "measure", "direction", "n", "coverage", "tau", "tau_low", "tau_high", "tau_b", "psi", "psi_low",
    "psi_high", "cmi", "sign_error_mean", "sign_error_p90", "sign_error_max", "spearman", "r2", "rank_low",
    "rank_high", "cost_seconds",
)  # fmt: skip


def write(folder: Path, text: str, name: str = "given.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_it_ends_with_the_ranking_on_standard_output_and_the_rest_on_standard_error(tiny_suite, tmp_path):
    ended = command("run", "--suite", tiny_suite, "--out", tmp_path / "run", "--workers", 1)
    assert ended.code == 0
    assert "which measure predicts the gap?" in ended.out
    assert "param_norm" in ended.out
    assert "4 trials, 0 of them done before" in ended.err
    assert "4 trials: 4 trained now, 4 measured now" in ended.err
    assert "trials" not in ended.out.partition("which measure")[0]


def test_the_results_do_not_depend_on_the_process_that_computed_them(finished, tiny_suite, tmp_path):
    command("run", "--suite", tiny_suite, "--out", tmp_path / "run", "--workers", 1)
    assert results(tmp_path / "run", tmp_path) == results(finished, tmp_path)


def test_a_large_run_with_nothing_left_to_do_is_not_ranked_again(finished, tiny_suite, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "run")
    words = ("run", "--suite", tiny_suite, "--out", tmp_path / "run")
    monkeypatch.setattr(outcome, "MANY_TRIALS", 3)
    ended = command(*words)
    assert (ended.code, ended.out) == (0, "")
    assert f"nothing was left to do; 'genbench rank {tmp_path / 'run'}' ranks the measures" in ended.err
    assert strict_json(command(*words, "--json").out)["rows"]
    monkeypatch.setattr(outcome, "MANY_TRIALS", 4)
    assert "which measure predicts the gap?" in command(*words).out


def test_json_is_strict_and_alone_on_standard_output(finished, tiny_suite, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    ended = command("run", "--suite", tiny_suite, "--out", tmp_path / "run", "--json")
    assert ended.code == 0
    rows = strict_json(ended.out)["rows"]
    assert {each["measure"] for each in rows} == {"param_norm", "train_loss"}
    assert set(ROW) | {"psi_protocol.learning_rate"} <= set(rows[0])


def test_a_run_that_cannot_be_ranked_yet_prints_json_without_rows(tmp_path):
    ended = command("run", "--suite", write(tmp_path, ONE), "--out", tmp_path / "run", "--json")
    assert ended.code == 0
    assert strict_json(ended.out)["rows"] == []
    assert "no ranking yet" in ended.err


def test_the_suite_is_frozen_in_the_folder_overrides_included(tmp_path):
    suite = write(tmp_path, ONE)
    command("run", "--suite", suite, "--out", tmp_path / "run", "--set", "model.width=9")
    frozen = (tmp_path / "run" / "suite.toml").read_text()
    assert '"width" = 9' in frozen
    (key,) = Folder(tmp_path / "run").fit_keys()
    assert Folder(tmp_path / "run").fit(key).record["trial"]["model"]["settings"]["width"] == 9
    assert command("run", "--suite", suite, "--out", tmp_path / "run").code == 3, (
        "another width, another suite"
    )


def test_limit_trains_the_first_trials_and_the_rest_later(finished, tiny_suite, tmp_path):
    words = ("run", "--suite", tiny_suite, "--out", tmp_path / "run")
    assert "1 trial: 1 trained now" in command(*words, "--limit", 1).err
    first = fit_files(tmp_path / "run")
    assert "4 trials: 3 trained now, 3 measured now" in command(*words).err
    assert fit_files(tmp_path / "run").items() >= first.items()
    assert results(tmp_path / "run", tmp_path) == results(finished, tmp_path)


def test_what_keep_names_is_kept_and_nothing_else(tmp_path):
    text = (
        TINY.replace("[0.03, 0.1]", "0.1")
        .replace("seeds = 2", "seeds = 1")
        .replace("max_epochs = 3", "max_epochs = 300")
    )
    text = text.replace("width = 8", "width = 32")
    states = {}
    for name, keep in (
        ("all", '["initial", "final", "milestones", { snapshots = 3 }, { trajectory = 5 }]'),
        ("final", '["final"]'),
    ):
        suite = write(tmp_path, f"{text}keep = {keep}\n", f"{name}.toml")
        assert command("run", "--suite", suite, "--out", tmp_path / name).code == 0
        folder = Folder(tmp_path / name)
        (key,) = folder.fit_keys()
        stored = folder.fit(key)
        assert set(stored.load_states()) == set(stored.record["states"])
        states[name] = set(stored.record["states"])
    assert states["final"] == {"final"}
    assert {
        "initial",
        "final",
        "milestone-0.1",
        "milestone-0.05",
        "milestone-0.025",
        "milestone-0.01",
        "trajectory",
    } <= states["all"]
    # Of three spread over the steps all but the initial one, and the end of the first epoch.
    assert 2 <= sum(each.startswith("snapshot-") for each in states["all"]) <= 3
    exported = [(tmp_path / name).with_suffix(".csv") for name in states]
    for name, file in zip(states, exported, strict=True):
        command("export", tmp_path / name, file)
    # What is kept enters no key and changes no result.
    assert exported[0].read_bytes() == exported[1].read_bytes()


PLUGIN = '''\
"""Measures that need roots which are not always there."""

import genbench


@genbench.measure(family="roots", direction="?")
def held_out(model, validation):
    return len(validation.inputs)


@genbench.measure(family="roots", direction="?")
def training_examples(inputs):
    return len(inputs)


@genbench.measure(family="roots", direction="?")
def moved(snapshots):
    """Two are spaced evenly; the end of the first epoch and that of training are there as well."""
    return len(snapshots)


@genbench.measure(family="roots", direction="?")
def initial(initial_model):
    return 1


@genbench.measure(family="roots", direction="?")
def seeds(siblings):
    return len(siblings)
'''


def roots_of(run: Path) -> dict[str, tuple]:
    return {
        each["measure"].partition(":")[2]: (each["value"], each["status"], each["reason"])
        for each in values(run)
    }


def test_roots_come_from_what_the_suite_holds_out_and_keeps(tmp_path):
    plugin = write(tmp_path, PLUGIN, "roots.py")
    rich = ONE.replace("train_size = 100", "train_size = 100, validation_size = 50").replace(
        "seeds = 1", "seeds = 3"
    )
    suite = write(tmp_path, rich + 'keep = ["initial", "final", { snapshots = 2 }]\n')
    ended = command(
        "run", "--suite", suite, "--out", tmp_path / "run", "--plugin", plugin, "--measures", "family:roots"
    )
    assert ended.code == 0, ended.err
    assert {name: each[0] for name, each in roots_of(tmp_path / "run").items()} == {
        "held_out": 50, "training_examples": 100, "moved": 4, "initial": 1, "seeds": 2,
    }  # fmt: skip
    records = {each["measure"]: each for each in values(tmp_path / "run")}
    assert records["roots:held_out"]["held_out"] is True
    assert records["roots:moved"]["held_out"] is False


def test_roots_that_are_not_there_make_measures_not_applicable_with_the_reason(tmp_path):
    plugin = write(tmp_path, PLUGIN, "roots.py")
    suite = write(tmp_path, ONE + 'keep = ["final"]\n')
    ended = command(
        "run", "--suite", suite, "--out", tmp_path / "run", "--plugin", plugin, "--measures", "family:roots"
    )
    assert ended.code == 0, ended.err
    found = roots_of(tmp_path / "run")
    for name, root in (
        ("held_out", "validation"),
        ("moved", "snapshots"),
        ("initial", "initial_model"),
        ("seeds", "siblings"),
    ):
        value, status, reason = found[name]
        assert (value, status) == (None, "not_applicable")
        assert root in reason


def test_a_plugin_file_reaches_the_workers_as_text(tmp_path, monkeypatch):
    from genbench.executors import local

    plugin = write(tmp_path, PLUGIN, "roots.py")
    supervise = local.supervise

    def after_the_file_is_gone(*given):
        plugin.unlink(missing_ok=True)
        return supervise(*given)

    monkeypatch.setattr(local, "supervise", after_the_file_is_gone)
    words = ("--plugin", plugin, "--measures", "training_examples")
    ended = command("run", "--suite", write(tmp_path, ONE), "--out", tmp_path / "run", *words)
    assert ended.code == 0, ended.err
    assert roots_of(tmp_path / "run")["training_examples"][0] == 100


EXECUTOR = """\
import genbench
from genbench.executors.local import LocalExecutor


@genbench.executor
class Mine(LocalExecutor):
    pass
"""


def test_an_executor_may_come_from_a_plugin(tmp_path):
    plugin = write(tmp_path, EXECUTOR, "other_place.py")
    words = ("--executor", "mine", "--plugin", plugin)
    assert command("run", "--suite", write(tmp_path, ONE), "--out", tmp_path / "run", *words).code == 0


def test_in_a_terminal_it_ends_with_the_answer_the_table_and_the_next_steps(
    finished, tiny_suite, tmp_path, monkeypatch
):
    shutil.copytree(finished, tmp_path / "run")
    monkeypatch.setenv("COLUMNS", "80")
    with (
        contextlib.redirect_stdout(Terminal()) as screen,
        contextlib.redirect_stderr(screen),
        pytest.raises(SystemExit, match="0"),
    ):
        main(["run", "--suite", str(tiny_suite), "--out", str(tmp_path / "run")])
    parts = ["which measure predicts the gap?", "\n- ", "rank  measure", "next:\n"]
    seen = plain(screen.getvalue())
    assert sorted(parts, key=seen.index) == parts
    assert f"genbench report {tmp_path / 'run'} " in seen.partition("next:")[2]


def test_the_next_steps_name_suites_that_there_are(tmp_path):
    suites = {each.stem for each in genbench_suites()}
    assert set(LARGER) | set(LARGER.values()) <= suites
    for suite in suites:
        larger = [line for line in next_steps("runs/x", suite, "a") if "plan --suite" in line]
        assert bool(larger) is (suite in LARGER or suite.endswith("-quick"))
        assert all(line.split()[3] in suites - {suite} for line in larger)
    assert "--why 'm[k=2]'" in next_steps("runs/x", "mine", "m[k=2]")[2]
    assert "genbench report 'runs/big run'" in next_steps("runs/big run", "mine", "m")[1]
