"""The commands beside run: measure, retry, plan, status, explain, rank, export, doctor."""

from __future__ import annotations

import csv
import io
import re
import shutil
from pathlib import Path

import pytest
from running import TINY, command, fit_files, results, strict_json, values

from genbench.runs.store import Folder

pytestmark = pytest.mark.usefixtures("inline")


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A finished run that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


# --- measure -----------------------------------------------------------------------------------------------


def test_measure_adds_measures_and_trains_nothing(run):
    before = fit_files(run)
    ended = command("measure", run, "--measures", "num_params,train_loss", "--workers", 1)
    assert ended.code == 0
    assert "4 trials: 0 trained now, 4 measured now" in ended.err
    assert fit_files(run) == before
    assert {each["measure"] for each in values(run)} == {"param_norm", "train_loss", "random", "num_params"}
    newest = [list(Folder(run).passes(key))[-1] for key in Folder(run).fit_keys()]
    assert [[value["measure"] for value in each["values"]] for each in newest] == [["num_params"]] * 4


def test_measure_never_opens_the_test_data(run, cache, tmp_path, monkeypatch):
    shutil.copytree(cache, tmp_path / "cache")
    monkeypatch.setenv("GENBENCH_CACHE", str(tmp_path / "cache"))
    removed = list((tmp_path / "cache").glob("prepared/*/test.safetensors"))
    assert removed
    for each in removed:
        each.unlink()
    ended = command("measure", run, "--measures", "train_error,inverse_margin", "--workers", 1, "--json")
    assert ended.code == 0, ended.err
    assert [each["status"] for each in values(run) if each["measure"] == "train_error"] == ["ok"] * 4
    assert not list((tmp_path / "cache").glob("prepared/*/test.safetensors"))
    assert any(each["measure"] == "train_error" for each in strict_json(ended.out)["rows"])


def test_measure_says_that_a_damaged_fit_cannot_be_measured(run):
    first = Folder(run).fit_keys()[0]
    (run / "fits" / first / "fit.json").write_text("{")
    ended = command("measure", run, "--measures", "num_params")
    assert ended.code == 1
    assert "1 without a fit: its record or its weights are damaged" in ended.err


VERSIONED = """\
import genbench


@genbench.probe(version={probe})
def shared(model): return {value}


@genbench.measure(family="v", direction="+", version={measure})
def raised(model): return {value}


@genbench.measure(family="v", direction="+")
def above(shared): return shared


@genbench.measure(family="v", direction="+")
def beside(model): return {value}
"""


@pytest.fixture
def installed_plugin(tmp_path, monkeypatch):
    """Installs a plugin package, which is not editable, whose text a test may change."""
    import sys

    from genbench.host import host

    source = host.PluginSource(
        name="versioned", module="versioned_plugin", distribution="versioned", version="1.0"
    )
    found = host.installed
    monkeypatch.setattr("genbench.host.host.installed", lambda: [*found(), source])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def install(**versions: int) -> None:
        (tmp_path / "versioned_plugin.py").write_text(VERSIONED.format(**versions))
        sys.modules.pop("versioned_plugin", None)

    yield install
    sys.modules.pop("versioned_plugin", None)


def newest_values(run: Path) -> dict[str, float]:
    """The value of each measure of the plugin, the same on all fits."""
    return {
        each["measure"].partition(":")[2]: each["value"]
        for each in values(run)
        if each["plugin"] == "versioned"
    }


@pytest.mark.slow
def test_changed_code_of_an_installed_plugin_is_computed_anew_and_nothing_else(run, installed_plugin):
    words = ("measure", run, "--measures", "family:v", "--workers", 1)
    installed_plugin(probe=1, measure=1, value=1)
    assert command(*words).code == 0
    assert newest_values(run) == {"raised": 1, "above": 1, "beside": 1}

    installed_plugin(probe=1, measure=2, value=2)
    assert "4 measured now" in command(*words).err
    assert newest_values(run) == {"raised": 2, "above": 2, "beside": 2}
    assert "0 measured now" in command(*words).err

    installed_plugin(probe=1, measure=2, value=3)  # no version is raised
    assert "4 measured now" in command(*words).err
    assert newest_values(run) == {"raised": 3, "above": 3, "beside": 3}
    assert any("code changed" in line for line in command("status", run, "--json").json["warnings"])


@pytest.mark.slow
def test_values_of_an_older_version_are_left_out_of_tables_and_that_is_said(run, installed_plugin, tmp_path):
    installed_plugin(probe=1, measure=1, value=1)
    command("measure", run, "--measures", "family:v", "--workers", 1)
    shutil.copytree(run, tmp_path / "old")
    installed_plugin(probe=1, measure=2, value=2)
    command("measure", run, "--measures", "family:v", "--workers", 1)
    first = Folder(run).fit_keys()[0]
    shutil.rmtree(run / "fits" / first)
    shutil.copytree(tmp_path / "old" / "fits" / first, run / "fits" / first)
    ended = command("export", run, tmp_path / "table.csv")
    assert "versioned:raised: values of an older version on 1 fit are left out" in ended.err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert {each["key"]: each["versioned:raised"] for each in rows}[first] == ""
    assert sorted(each["versioned:raised"] for each in rows) == ["", "2.0", "2.0", "2.0"]


@pytest.mark.slow
def test_values_of_other_code_never_mix_and_can_be_forgotten(run, installed_plugin, tmp_path):
    installed_plugin(probe=1, measure=1, value=1)
    words = ("measure", run, "--measures", "family:v,param_norm", "--workers", 1)
    command(*words)
    shutil.copytree(run, tmp_path / "old")
    installed_plugin(probe=1, measure=1, value=2)
    command(*words)
    first = Folder(run).fit_keys()[0]
    shutil.rmtree(run / "fits" / first)
    shutil.copytree(tmp_path / "old" / "fits" / first, run / "fits" / first)
    ended = command("export", run, tmp_path / "table.csv")
    assert "versioned:raised: values of other code (versioned 1.0 " in ended.err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert {each["key"]: each["versioned:raised"] for each in rows}[first] == ""

    before = sum(1 for _ in all_values(run))
    assert command("forget", run).code == 2
    ended = command("forget", run, "--older")
    assert (ended.code, "say --yes" in ended.err) == (2, True)
    assert sum(1 for _ in all_values(run)) == before
    ended = command("forget", run, "--older", "--yes")
    assert ended.code == 0, ended.err
    left = [each for each in all_values(run) if each["plugin"] == "versioned"]
    assert len(left) == 9  # three measures on the three fits that have the new values
    assert {each["value"] for each in left} == {2}
    assert "nothing to forget" in command("forget", run, "--older", "--yes").err
    assert "left out" not in command("export", run, tmp_path / "table.csv").err

    ended = command("forget", run, "--measures", "versioned:raised", "--yes")
    assert "forgot 3 values of versioned:raised" in ended.err
    assert not [each for each in all_values(run) if each["measure"] == "versioned:raised"]
    assert len([each for each in all_values(run) if each["measure"] == "param_norm"]) >= 4
    ended = command("forget", run, "--measures", "versioned:besid", "--yes")
    assert (ended.code, "did you mean 'versioned:beside'" in ended.err) == (2, True)
    assert "4 measured now" in command(*words).err


def all_values(run: Path):
    """Every value of every pass."""
    folder = Folder(run)
    for key in folder.fit_keys():
        for content in folder.passes(key):
            yield from content["values"]


# --- retry -------------------------------------------------------------------------------------------------

MOODY = """\
import genbench


@genbench.measure(family="moody", direction="+")
def moody(model):
    {body}
"""


def test_retry_tries_again_what_a_fault_cost_and_nothing_else(run, tmp_path):
    plugin, mood = tmp_path / "moods.py", tmp_path / "mood"
    plugin.write_text(MOODY.format(body=f"return float(open({str(mood)!r}).read())"))
    words = ("--plugin", plugin, "--workers", 1)
    failed = command("measure", run, "--measures", "moody", *words)
    assert failed.code == 1
    assert "moods:moody: no value on 4 fits" in failed.err
    assert f"'genbench retry {run} --plugin " in failed.err
    assert "' tries these again" in failed.err
    assert "0 measured now" in command("measure", run, "--measures", "moody", *words).err, (
        "only retry tries again"
    )

    mood.write_text("0.5")
    before = fit_files(run)
    retried = command("retry", run, *words)
    assert retried.code == 0, retried.err
    assert "0 trained now, 4 measured now" in retried.err
    assert [each["value"] for each in values(run) if each["measure"] == "moods:moody"] == [0.5] * 4
    assert fit_files(run) == before


@pytest.mark.parametrize("body", ['raise RuntimeError("no")', 'return float("nan")', 'return "many"'])
def test_a_mended_plugin_file_gets_its_values(run, tmp_path, body):
    plugin = tmp_path / "moods.py"
    plugin.write_text(MOODY.format(body=body))
    command("measure", run, "--measures", "moody", "--plugin", plugin, "--workers", 1)
    plugin.write_text(MOODY.format(body="return 2"))
    ended = command("retry", run, "--plugin", plugin, "--workers", 1)
    assert ended.code == 0, ended.err
    assert [each["value"] for each in values(run) if each["measure"] == "moods:moody"] == [2.0] * 4


# --- plan --------------------------------------------------------------------------------------------------


def test_plan_shows_what_would_run_what_is_done_and_what_it_takes(run, tiny_suite, tmp_path):
    fresh = command("plan", "--suite", tiny_suite, "--out", tmp_path / "none", "--json").json
    assert (fresh["trials"], fresh["done"], fresh["axes"]) == (4, 0, {"protocol.learning_rate": [0.03, 0.1]})
    assert fresh["seeds"] == [0, 1]
    assert set(fresh["measures"]) == {"param_norm", "train_loss", "random"}
    for figure in ("gpu_hours", "core_hours", "memory_bytes", "disk_bytes"):
        assert fresh[figure] > 0
    assert not (tmp_path / "none").exists()

    shutil.rmtree(run / "fits" / Folder(run).fit_keys()[0])
    assert command("plan", "--suite", tiny_suite, "--out", run, "--json").json["done"] == 3
    text = command("plan", "--suite", tiny_suite, "--out", run)
    assert "4 trials, 3 done, 3 measures" in text.out
    assert "on a GPU" in text.out
    assert text.err == ""


@pytest.mark.parametrize("workers", [0, -1])
def test_plan_writes_no_script_that_run_would_refuse(tiny_suite, tmp_path, workers):
    ended = command(
        "plan", "--suite", tiny_suite, "--out", tmp_path / "none", "--slurm", "--workers", workers
    )
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"genbench: --workers {workers}: must be at least 1\n"


def test_plan_ends_for_a_broken_plugin_that_was_asked_for_as_run_does(tiny_suite, tmp_path):
    (tmp_path / "mine.py").write_text("raise RuntimeError('not today')\n")
    ended = command(
        "plan", "--suite", tiny_suite, "--out", tmp_path / "none", "--plugin", tmp_path / "mine.py"
    )
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "genbench: plugin 'mine' (file mine.py): import failed: RuntimeError: not today\n"


# --- status and explain ------------------------------------------------------------------------------------


def test_status_counts_fits_and_values(finished):
    content = command("status", finished, "--json").json
    assert (content["suite"], content["fits"], content["stop_reasons"]) == ("tiny", 4, {"max_epochs": 4})
    assert content["measures"]["param_norm"]["statuses"] == {"ok": 4}
    assert content["failures"] == content["faults"] == content["damaged"] == content["conflicts"] == []
    text = command("status", finished)
    assert (text.code, text.err) == (0, "")
    assert text.out.splitlines()[0].endswith(": suite tiny, 4 of 4 fits")
    assert "4 ended with max_epochs" in text.out
    assert "12 values: 12 ok" in text.out


def test_status_tells_how_much_of_what_was_planned_is_there(run):
    first, *_ = (run / "fits").iterdir()
    shutil.rmtree(first)
    content = command("status", run, "--json").json
    assert (content["planned"], content["fits"]) == (4, 3)
    lines = command("status", run).out.splitlines()
    assert lines[0].endswith(": suite tiny, 3 of 4 fits")
    assert "  1 not trained yet: the same 'genbench run' goes on" in lines
    assert any(line.startswith("3 measures, 9 of 12 values: 9 ok") for line in lines)
    (run / "grid.json").unlink()
    assert command("status", run).out.splitlines()[0].endswith(": suite tiny, 3 fits")


def test_status_reports_merged_values_that_disagree(run, tmp_path):
    folder = Folder(run)
    key = folder.fit_keys()[0]
    other = next(folder.passes(key))
    changed = [{**each, "value": each["value"] + 1} for each in other["values"]]
    folder.write_values(key, {**other, "values": changed, "time": "9999"})
    conflicts = command("status", run, "--json").json["conflicts"]
    assert len(conflicts) == 3
    assert all(key in line for line in conflicts)


def test_explain_shows_one_trial_by_the_start_of_its_key(finished):
    key = Folder(finished).fit_keys()[2]
    content = command("explain", finished, key[:12], "--json").json
    assert content["key"] == key
    assert content["fit"]["trial"]["model"]["settings"]["width"] == 8
    assert set(content["values"]) == {"param_norm", "train_loss", "random"}
    told = "on CUDA its steps are captured as graphs and replayed"
    assert command("explain", finished, key[:12], "--captured", "--json").json["capture"] == told
    assert told in command("explain", finished, key[:12], "--captured").out
    text = command("explain", finished, key[:12])
    assert text.code == 0
    assert f"trial {key}, seed" in text.out
    assert "stopped with max_epochs" in text.out
    assert "param_norm" in text.out


# --- rank and export ---------------------------------------------------------------------------------------


def test_the_rows_of_a_ranking_have_the_documented_keys(finished):
    content = command("rank", finished, "--json").json
    keys = {
        "measure", "direction", "n", "coverage", "tau", "tau_low", "tau_high", "tau_b", "psi", "psi_low",
        "psi_high", "psi_protocol.learning_rate", "cmi", "sign_error_mean", "sign_error_p90",
        "sign_error_max", "spearman", "r2", "rank_low", "rank_high", "cost_seconds",
    }  # fmt: skip
    for row in content["rows"] + content["controls"]:
        assert keys <= set(row)
    assert {"random", "oracle_0.01", "oracle_0.02", "oracle_0.05"} <= {
        row["measure"] for row in content["controls"]
    }
    without = command("rank", finished, "--json", "--no-cost").json
    assert all("cost_seconds" not in row for row in without["rows"])


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_a_ranking_comes_in_every_format_alone_on_standard_output(finished, form):
    ended = command("rank", finished, f"--{form}", "--target", "test_error")
    assert (ended.code, ended.err) == (0, "")
    assert "param" in ended.out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["rank", "no-run", "--json", "--csv"], "--json and --csv are two forms of one output"),
        (["rank", "no-run", "--latex", "--markdown"], "--latex and --markdown are two forms of one output"),
        (["evaluate", "--model", "mlp", "--html", "--csv"], "--html and --csv are two forms of one output"),
        (["claims", "no-run", "--markdown", "--json"], "--markdown and --json are two forms of one output"),
        (["leaderboard", "diff", "one", "two", "--json", "--markdown"],
         "--json and --markdown are two forms of one output"),
        (["report", "no-run", "--json", "--out", "a.html"], "--json prints what the page of --out would say"),
    ],
)  # fmt: skip
def test_two_forms_of_one_output_are_refused(words, line):
    ended = command(*words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"genbench: {line}; give one of them\n"


@pytest.mark.parametrize("given", ["", " , ", ","])
@pytest.mark.parametrize(
    "words",
    [
        ["run", "--suite", "digits", "--measures"],
        ["plan", "--suite", "digits", "--measures"],
        ["measure", "RUN", "--measures"],
        ["forget", "RUN", "--measures"],
        ["evaluate", "--model", "mlp", "--dataset", "digits", "--measures"],
        ["import", "RUN", "--model", "mlp", "--dataset", "digits", "--out", "no-run", "--measures"],
        ["audit", "cost", "--measures"],
        ["report", "RUN", "--targets"],
        *(["rank", "RUN", each] for each in ("--measures", "--statistics", "--flips", "--columns")),
    ],
    ids=lambda words: f"{words[0]} {words[-1]}",
)
def test_an_empty_list_is_refused(finished, words, given):
    ended = command(*(str(finished) if each == "RUN" else each for each in words), given)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith(f"Error: Invalid value for '{words[-1]}': the list is empty\n")


def test_a_table_may_be_ranked_without_axes(finished):
    ended = command("rank", finished, "--axes", "", "--rank-by", "tau", "--json")
    assert (ended.code, ended.json["axes"]) == (0, {})


def test_a_form_may_be_given_twice(finished):
    assert command("rank", finished, "--csv", "--csv").out == command("rank", finished, "--csv").out


def test_an_exported_table_ranks_like_the_run(finished, tmp_path):
    command("export", finished, tmp_path / "table.csv")
    words = ("--measures", "param_norm,train_loss", "--axes", "protocol.learning_rate", "--json", "--no-cost")
    of_table = command("rank", tmp_path / "table.csv", *words).json
    of_run = command("rank", finished, *words).json
    for one, other in zip(
        sorted(of_table["rows"], key=lambda row: row["measure"]),
        sorted(of_run["rows"], key=lambda row: row["measure"]),
        strict=True,
    ):
        assert (one["measure"], one["tau"], one["psi"]) == (other["measure"], other["tau"], other["psi"])


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_an_exported_table_ranks_measures_only(finished, tmp_path, form):
    command("export", finished, tmp_path / f"table.{form}", "--costs")
    ended = command("rank", tmp_path / f"table.{form}", "--bootstrap", 0, "--json")
    of_run = command("rank", finished, "--bootstrap", 0, "--json")
    found = {row["measure"]: row["tau"] for row in ended.json["rows"]}
    expected = {row["measure"]: row["tau"] for row in of_run.json["rows"]}
    assert found == expected


def test_a_ranking_as_csv_says_beside_it_what_is_not_ranked(tmp_path):
    rows = "".join(f"{a},{s},{a + s},{a * 2 - s},x\n" for a in range(3) for s in range(2))
    (tmp_path / "own.csv").write_text("a,seed,gap,m,word\n" + rows)
    ended = command(
        "rank", tmp_path / "own.csv", "--axes", "a", "--bootstrap", 0, "--direction", "+", "--csv"
    )
    assert ended.code == 0
    assert "genbench: Columns not taken for measures: word." in ended.err
    (tmp_path / "own.csv").write_text(
        "a,seed,gap,m\n" + rows.replace(",x", "").replace("2,0,2,4", "2,0,2,err")
    )
    ended = command("rank", tmp_path / "own.csv", "--axes", "a", "--direction", "+")
    assert (ended.code, ended.err.count("\n")) == (3, 1)
    assert "own.csv: column 'm' is not numeric: row 4 holds 'err'" in ended.err


def test_a_table_with_two_columns_of_one_name_is_refused(tmp_path):
    (tmp_path / "own.csv").write_text("gap,norm,norm\n1,2,3\n2,3,4\n")
    ended = command("rank", tmp_path / "own.csv")
    assert ended.code == 3
    assert "column 'norm' appears twice" in ended.err


def test_a_measure_is_ranked_by_any_of_its_names(finished):
    ended = command("rank", finished, "--measures", "cross_entropy,train_loss,param_norm", "--json")
    assert sorted(row["measure"] for row in ended.json["rows"]) == ["param_norm", "train_loss"]
    assert command("rank", finished, "--why", "cross_entropy").code == 0


def test_an_axis_goes_by_its_last_part(finished):
    short = command("rank", finished, "--axes", "learning_rate", "--json", "--no-cost")
    assert (
        short.out == command("rank", finished, "--axes", "protocol.learning_rate", "--json", "--no-cost").out
    )


def test_exports_hold_the_same_rows_in_every_format(finished, tmp_path):
    import pandas as pd

    for form in ("csv", "json", "parquet"):
        ended = command("export", finished, tmp_path / f"table.{form}")
        assert (ended.code, ended.out) == (0, "")
        assert "4 fits written to" in ended.err
    from_csv = pd.read_csv(tmp_path / "table.csv")
    from_json = pd.DataFrame(strict_json((tmp_path / "table.json").read_text()))
    from_parquet = pd.read_parquet(tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(from_csv, from_json[from_csv.columns], check_dtype=False)
    pd.testing.assert_frame_equal(from_csv, from_parquet, check_dtype=False)
    assert list(from_csv["gap"]) == list(from_csv["test_error"] - from_csv["train_error"])


def test_costs_are_exported_only_when_asked_for(finished, tmp_path):
    command("export", finished, tmp_path / "with.csv", "--costs")
    command("export", finished, tmp_path / "without.csv")
    assert "seconds of param_norm" in (tmp_path / "with.csv").read_text()
    assert "seconds" not in (tmp_path / "without.csv").read_text()


def test_reading_a_run_needs_no_plugin_of_it(finished, tmp_path):
    assert results(finished, tmp_path)["csv"].count(b"\n") == 5


# --- doctor ------------------------------------------------------------------------------------------------


def test_doctor_shows_versions_devices_and_data(tmp_path):
    (tmp_path / "MNIST").mkdir()
    content = command("doctor", "--data", tmp_path, "--json").json
    assert content["found"] == ["MNIST"]
    assert content["devices"][0] == "cpu"
    assert content["packages"]["torch"]
    assert content["problems"] == []
    assert content["plugins"].startswith("their measures can reach ")
    text = command("doctor", "--data", tmp_path)
    assert text.code == 0
    assert "MNIST" in text.out


def test_doctor_names_a_broken_plugin(tmp_path):
    (tmp_path / "mine.py").write_text("raise RuntimeError('not today')\n")
    ended = command("doctor", "--plugin", tmp_path / "mine.py", "--json")
    assert ended.code == 1
    assert ended.json["problems"] == ["plugin 'mine' (file mine.py): import failed: RuntimeError: not today"]


@pytest.mark.parametrize(
    "words",
    [["status"], ["rank"], ["explain", "KEY"], ["plan"], ["measure"], ["retry"], ["run"]],
    ids=lambda words: words[0],
)
def test_json_is_strict_and_alone_on_standard_output(run, tiny_suite, words):
    name, *rest = words
    rest = [Folder(run).fit_keys()[0] if each == "KEY" else each for each in rest]
    given = ["--suite", tiny_suite, "--out", run] if name in ("plan", "run") else [run, *rest]
    ended = command(name, *given, "--json")
    assert ended.code == 0, ended.err
    assert isinstance(strict_json(ended.out), dict)


def test_json_is_strict_and_an_export_keeps_infinities_as_texts(run, tmp_path):
    plugin = tmp_path / "moods.py"
    plugin.write_text(MOODY.format(body='return float("inf")'))
    command("measure", run, "--measures", "moody", "--plugin", plugin, "--workers", 1)
    key = Folder(run).fit_keys()[0]
    assert command("explain", run, key, "--json").json["values"]["moods:moody"]["value"] is None
    command("export", run, tmp_path / "table.json")
    assert strict_json((tmp_path / "table.json").read_text())[0]["moods:moody"] == "inf"
    assert isinstance(command("rank", run, "--json").json, dict)


def test_rank_says_on_which_axes_a_measure_wins(finished):
    rows = command("rank", finished, "--why", "param_norm", "--json").json
    assert [row["axis"] for row in rows] == ["protocol.learning_rate"]
    assert rows[0]["verdict"] in ("wins", "reversed", "silent")

    ended = command("rank", finished, "--why", "param_nrom")
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean 'param_norm'?" in ended.err


def test_rank_compares_targets(finished):
    flips = command("rank", finished, "--flips", "gap,test_error", "--bootstrap", 50, "--json").json
    assert flips["targets"] == ["gap", "test_error"]
    assert {row["measure"] for row in flips["rows"]} == {"param_norm", "train_loss"}

    assert "| measure |" in command("rank", finished, "--flips", "gap,test_error", "--bootstrap", 50).out
    assert command("rank", finished, "--flips", "gap", "--bootstrap", 50).code == 3


def test_rank_refuses_a_bad_table_in_one_line(tmp_path):
    (tmp_path / "mine.csv").write_text("gap,width,norm\n0.1,1,2\n0.2,2,3\n")
    ended = command("rank", tmp_path / "mine.csv", "--axes", "widht")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == "genbench: the table has no axis column 'widht'; did you mean 'width'?\n"


def test_status_tells_totals_and_what_is_missing_and_why(tmp_path, inline):
    suite = TINY.replace('"train_loss"', '"rnn_lipaug_bound"').replace("[0.03, 0.1]", "0.03")
    (tmp_path / "suite.toml").write_text(suite)
    assert command("run", "--suite", tmp_path / "suite.toml", "--out", tmp_path / "run").code == 0
    text = command("status", tmp_path / "run").out
    assert "3 measures, 6 values: 4 ok, 2 not_applicable" in text
    assert re.search(r"rnn_lipaug_bound +2 of 2 +the network has no recurrent layer \(2\)", text)
    assert re.search(r"param_norm +\+ +A +0 +2", text)  # a pipe gets every measure
    reasons = command("status", tmp_path / "run", "--json").json["measures"]["rnn_lipaug_bound"]["reasons"]
    assert reasons == {"the network has no recurrent layer": 2}


def test_measuring_fits_that_other_code_trained_says_that_it_measures_none(tmp_path, inline):
    plugin, suite, folder = tmp_path / "papers.py", tmp_path / "tiny.toml", tmp_path / "run"
    plugin.write_text(
        "import genbench\nfrom torch import nn\n\n@genbench.model\ndef flat(task, *, width: int = 4):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, task.outputs))\n"
    )
    suite.write_text(
        'title = "One model of a plugin"\nversion = 1\ndataset = { name = "digits", train_size = 40 }\n'
        'model = { name = "flat", width = [3, 4] }\nprotocol = { name = "interpolate", max_epochs = 1 }\n'
        'seeds = 1\nmeasures = ["random"]\n'
    )
    ran = command("run", "--suite", suite, "--out", folder, "--plugin", plugin, "--limit", 1, "--workers", 1)
    assert ran.code == 0, ran.err
    words = ("measure", folder, "--plugin", plugin, "--measures", "param_norm", "--workers", 1)
    limited = command(*words)
    assert "1 trial, 0 of them done before" in limited.err
    assert "not measured" not in limited.err
    plugin.write_text(plugin.read_text() + "\n# Other code.\n")
    ended = command(*words)
    assert "0 trials, 0 of them done before" in ended.err
    assert "2 trials not measured: what is there was trained by other code or versions" in ended.err
