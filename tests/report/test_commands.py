"""``genbench report`` and ``genbench plot`` on a run, as their users type them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from reports import DIRECTIONS, LEVELS, invented
from running import command

from genbench import ranking
from genbench.runs.store import Folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A finished run that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_report_is_one_file_that_is_the_same_when_made_again(run, tmp_path):
    first = command("report", run, "--bootstrap", 20)
    assert (first.code, first.out.strip()) == (0, str(run / "report.html"))
    text = (run / "report.html").read_text()
    assert "Four small networks on a hundred digits" in text
    assert all(name in text for name in ("param_norm", "train_loss", "gap", "test error"))
    assert str(run) not in text
    assert command("report", run, "--bootstrap", 20, "--out", tmp_path / "again.html").code == 0
    assert (tmp_path / "again.html").read_text() == text


def test_its_json_says_what_the_page_says(run):
    found = command("report", run, "--bootstrap", 20, "--json").json
    assert found["targets"] == ["gap", "test_error"]
    assert [each["axis"] for each in found["axes"]] == ["protocol.learning_rate"]
    assert found["axes"][0]["codes"] == [0, 0, 1, 1]
    assert found["measures"]["param_norm"]["formula"]
    assert len(found["measures"]["param_norm"]["values"]) == 4
    assert found["fits"]["seed"] == [0, 1, 0, 1]
    assert sum(found["endings"]["total"]) == 4
    assert found["provenance"]["environments"][0]["fits"] == 4
    assert found["provenance"]["seeds"] == [0, 1]
    assert not (run / "report.html").exists()


def test_targets_and_axes_can_be_chosen(run):
    words = ("--targets", "test_error", "--axes", "learning_rate", "--bootstrap", 20)
    found = command("report", run, "--json", *words).json
    assert found["targets"] == ["test_error"]
    assert [each["axis"] for each in found["standings"]["test_error"]["axes"]] == ["protocol.learning_rate"]


def test_a_trial_that_failed_is_counted_where_it_stood(run):
    folder = Folder(run)
    key = folder.fit_keys()[0]
    trial = folder.fit(key).record["trial"]
    (run / "fits" / key / "fit.json").unlink()
    folder.write_failure(key, {"status": "error", "reason": "out of memory", "time": "2026", "trial": trial})
    found = command("report", run, "--json", "--bootstrap", 20).json
    assert found["endings"]["reasons"][-1] == "failed"
    assert found["endings"]["total"][-1] == 1
    at = str(trial["protocol"]["settings"]["learning_rate"])
    levels = {each["level"]: each["counts"][-1] for each in found["endings"]["axes"][0]["levels"]}
    assert levels == {level: int(level == at) for level in levels}
    assert found["notes"] == ["1 trial without a fit: training failed"]


def test_a_run_with_a_single_fit_has_a_report_that_says_why_it_has_no_ranking(run):
    for key in Folder(run).fit_keys()[1:]:
        shutil.rmtree(run / "fits" / key)
    ended = command("report", run)
    assert ended.code == 0
    assert "no ranking for gap: " in ended.err
    assert "No ranking for gap." in (run / "report.html").read_text()


def test_a_measure_that_nobody_has_any_more_is_shown_without_its_card(run, monkeypatch):
    monkeypatch.setattr("genbench.cli.options.cards", lambda *given: {})
    found = command("report", run, "--json", "--bootstrap", 20).json
    assert found["measures"]["param_norm"]["formula"] == ""
    assert found["measures"]["param_norm"]["family"]


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("report", "RUN", "--out", "a.pdf"), 2, "'a.pdf': the ending must be .html"),
        (("report", "RUN", "--targets", "gab"), 2, "unknown target 'gab'; did you mean 'gap'?"),
        (("report", "RUN", "--axes", "learning_rat"), 2, "unknown axis 'learning_rat'"),
        (("report", "nowhere"), 3, "'nowhere' is not a run folder"),
        (("plot", "RUN", "rankin", "--out", "a.pdf"), 2, "no figure 'rankin'; did you mean 'ranking'?"),
        (("plot", "RUN", "ranking", "--out", "a.jpg"), 2, "'a.jpg': the ending must be .pdf, .svg or .png"),
        (("plot", "RUN", "scatter", "--out", "a.pdf"), 2, "shows one measure: name it with --measure"),
        (("plot", "RUN", "scatter", "--measure", "parm_norm", "--out", "a.pdf"), 2, "did you mean 'param_norm'?"),
        (("plot", "RUN", "curves", "--axis", "depht", "--out", "a.pdf"), 2, "unknown axis 'depht'"),
        (("plot", "RUN", "ranking", "--target", "gab", "--out", "a.pdf"), 2, "did you mean 'gap'?"),
        (("plot", "RUN", "ranking", "--top", "0", "--out", "a.pdf"), 2, "--top 0: must be at least 1"),
        (("plot", "nowhere", "ranking", "--out", "a.pdf"), 3, "'nowhere' is not a run folder"),
    ],
)  # fmt: skip
def test_bad_words_are_one_clear_line(finished, words, code, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command(*(finished if each == "RUN" else each for each in words))
    assert ended.code == code
    assert line in ended.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "form", "words"),
    [
        ("ranking", "svg", ()),
        ("curves", "pdf", ("--axis", "learning_rate")),
        ("scatter", "png", ("--measure", "param_norm")),
    ],
)
def test_a_figure_is_a_file_that_is_the_same_when_made_again(finished, tmp_path, kind, form, words):
    files = [tmp_path / f"{place}.{form}" for place in range(2)]
    for file in files:
        ended = command("plot", finished, kind, "--out", file, "--bootstrap", 20, *words)
        assert (ended.code, ended.out.strip()) == (0, str(file)), ended.err
    assert files[0].read_bytes() == files[1].read_bytes()


def test_tables_for_papers_survive_any_name():
    name = "a|b <i> `c` {$d$} #%\\~^"
    frame = invented().rename(columns={"good": name})
    names = [name if each == "good" else each for each in DIRECTIONS]
    board = ranking.rank(frame, names, "gap", axes=list(LEVELS), bootstrap=0)
    line = next(each for each in board.to_markdown().splitlines() if "a\\|b" in each)
    assert "&lt;i>" in line
    assert line.replace("\\|", "").count("|") == board.to_markdown().splitlines()[0].count("|")
    assert (
        r"a|b <i> `c` \{\$d\$\} \#\%\textbackslash{}\textasciitilde{}\textasciicircum{}" in board.to_latex()
    )
    assert json.loads(board.to_json())["rows"]
