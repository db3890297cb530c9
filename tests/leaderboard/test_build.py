"""Building tables: ranks as `genbench rank` gives them, incomplete entries below the line, versions apart."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from leaderboard.lines import edit, read, write
from running import command, strict_json

from genbench.host.identity import identity_digest, value_key
from genbench.leaderboard import diff, markdown
from genbench.leaderboard.build import read_leaderboard
from genbench.leaderboard.diff import read_state
from genbench.leaderboard.entry import read_entry
from genbench.leaderboard.pool import Pooled, pool
from genbench.runs.run import Run

NAME = "tiny-alice"


def entries(root: Path) -> Path:
    return root / "entries"


def copied(root: Path, name: str) -> Path:
    return Path(shutil.copytree(entries(root) / NAME, entries(root) / name))


def table(root: Path) -> dict[str, Any]:
    (found,) = read_leaderboard(root, bootstrap=0)["tables"]
    return found


def on_another_machine(entry: Path) -> None:
    """As if training had come out with one more test example wrong everywhere."""

    def change(line):
        line["test_error"] += 1 / line["test_examples"]
        line["gap"] = line["test_error"] - line["train_error"]

    edit(entry / "fits.jsonl", change)


def test_one_entry_is_ranked_as_its_run_is(root, finished):
    assert command("leaderboard", "build", root).code == 0
    content = strict_json((root / "leaderboard.json").read_text())
    (built,) = content["tables"]
    assert (built["suite"], built["version"], built["own"], built["below"]) == ("tiny", 1, True, [])
    assert list(built["targets"]) == ["gap", "test_error"]
    for target, standing in built["targets"].items():
        board = Run(finished).rank(target)
        assert [row["measure"] for row in standing["rows"]] == [
            row["measure"] for row in (*board.rows, *board.controls)
        ]
        for shown, row in zip(standing["rows"], board.rows, strict=False):
            assert shown["score"] == pytest.approx(row["psi"], abs=1e-3)
            assert (shown["rank_low"], shown["rank_high"]) == (row["rank_low"], row["rank_high"])
        assert standing["pairs"] == board.summary["pairs"]["all"]
        assert standing["apart"] == board.summary["pairs"]["apart"]
        assert standing["apart_with_four_times"] == board.summary["pairs"]["apart_with_four_times"]


@pytest.mark.slow
def test_building_twice_gives_the_same_bytes_and_loads_no_torch(root):
    names = ("README.md", "index.html", "leaderboard.csv", "leaderboard.json")
    program = (
        "import sys; from pathlib import Path; from genbench.leaderboard.build import build\n"
        f"build(Path({str(root)!r})); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    first = {name: (root / name).read_bytes() for name in names}
    assert command("leaderboard", "build", root).code == 0
    assert {name: (root / name).read_bytes() for name in names} == first


def test_a_table_that_tells_little_apart_is_headed_so_on_the_first_screen(root):
    assert command("leaderboard", "build", root, "--bootstrap", 100).code == 0
    text = (root / "README.md").read_text()
    assert "**too small to rank**" in "\n".join(text.splitlines()[:12])
    assert "0 of 1 pairs apart (0 %); half as wide, as with four times as many" in text
    head = (root / "index.html").read_text().partition("<header")[2].partition("</header>")[0]
    assert "<strong>too small to rank</strong>" in head


def test_long_tables_are_folded_behind_their_first_rows_and_controls(root, monkeypatch):
    monkeypatch.setattr(markdown, "SHOWN", 1)
    assert command("leaderboard", "build", root, "--bootstrap", 100).code == 0
    first = (
        (root / "README.md").read_text().partition("### Target")[2].partition("<details><summary>Target")[0]
    )
    shown, _, folded = first.partition("<details><summary>1 other measures</summary>\n\n")
    assert shown.count("(control)") == first.count("(control)") > 0
    assert folded.startswith("| measure |")
    assert folded.partition("\n</details>")[0].count("\n") == 3  # the header, the line below it, one row


def test_the_csv_has_a_row_for_each_row_of_each_table(root):
    content = command("leaderboard", "build", root, "--bootstrap", 100, "--json").json
    rows = list(csv.DictReader(io.StringIO((root / "leaderboard.csv").read_text())))
    expected = [
        (target, row["measure"])
        for each in content["tables"]
        for target, board in each["targets"].items()
        for row in board["rows"]
    ]
    assert [(row["target"], row["measure"]) for row in rows] == expected
    assert {row["entries"] for row in rows if row["measure"] == "param_norm"} == {NAME}


def _both_tell_how_to_submit(built):
    front, page = (built / "README.md").read_text(), (built / "index.html").read_text()
    told = front.partition("## How to submit\n")[2]
    section = page.partition('<section id="submit"')[2].partition("</section>")[0]
    codes = [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", told)]
    assert [" ".join(each.split()) for each in re.findall(r"<code>([^<]+)</code>", section)] == codes
    assert sum(each.startswith("genbench leaderboard") for each in codes) >= 4
    assert section.count("<li>") == 5


def test_without_entries_the_tables_are_empty_and_say_so(tmp_path):
    (tmp_path / "entries").mkdir()
    assert command("leaderboard", "build", tmp_path).code == 0
    assert "There are no entries yet." in (tmp_path / "README.md").read_text()
    assert "There are no entries yet." in (tmp_path / "index.html").read_text()
    _both_tell_how_to_submit(tmp_path)
    assert command("leaderboard", "build", tmp_path / "nowhere").code == 3


# --- several entries ---------------------------------------------------------------------------------------


def test_an_incomplete_entry_stands_below_the_line_and_moves_no_rank(root):
    before = table(root)
    bob = copied(root, "tiny-bob")
    gone = read(bob / "fits.jsonl")[0]["key"]
    edit(bob / "fits.jsonl", lambda line: False, which=0)
    edit(bob / "values.jsonl", lambda line: line["fit"] != gone)
    after = table(root)
    assert after["targets"] == before["targets"]
    assert [each["name"] for each in after["entries"]] == [NAME]
    (below,) = after["below"]
    assert below["name"] == "tiny-bob"
    assert below["reasons"] == ["1 of 4 points of the grid have neither a fit nor a reason"]
    assert command("leaderboard", "build", root, "--bootstrap", 100).code == 0
    for file in ("README.md", "index.html"):
        _, line, under = (root / file).read_text().partition("Below the line")
        assert line
        assert below["reasons"][0] in under


def test_equal_fits_of_two_entries_are_one_row(root):
    alone = table(root)
    copied(root, "tiny-bob")
    both = table(root)
    assert both["targets"] == alone["targets"]
    assert both["measures"]["param_norm"]["entries"] == [NAME, "tiny-bob"]
    assert both["measures"]["param_norm"]["data"] == alone["measures"]["param_norm"]["data"]


def test_fits_that_came_out_otherwise_are_compared_with_each_other_alone(root):
    on_another_machine(copied(root, "tiny-bob"))
    read_both = [read_entry(each)[0] for each in sorted(entries(root).iterdir())]
    pooled = pool([each for each in read_both if each is not None])
    assert len(pooled.frame) == 8
    assert sorted(map(str, pooled.frame["seed"].unique())) == ["0", "0 of tiny-bob", "1", "1 of tiny-bob"]
    board = pooled.rank("gap", 0)
    assert board.summary["configurations"] == 2  # no more than before: intervals do not become narrower
    alone = pool([each for each in read_both if each is not None][:1]).rank("gap", 0)
    assert board["param_norm"]["psi"] == pytest.approx(alone["param_norm"]["psi"])


def test_a_measure_that_one_entry_adds_joins_the_table_with_its_plugin(root):
    bob = copied(root, "tiny-bob")
    lines = read(bob / "measures.jsonl")
    extra = json.loads(json.dumps(next(each for each in lines if each["measure"] == "param_norm")))
    extra.update(measure="mine:norm", plugin="mine", plugin_version="2.1")
    extra["identity"]["measure"]["name"] = "mine:norm"
    write(bob / "measures.jsonl", [*lines, extra])
    values = read(bob / "values.jsonl")
    added = [
        {**each, "measure": "mine:norm", "key": value_key(each["fit"], identity_digest(extra["identity"]))}
        for each in values
        if each["measure"] == "param_norm"
    ]
    write(bob / "values.jsonl", [*values, *added])
    built = table(root)
    assert built["measures"]["mine:norm"]["entries"] == ["tiny-bob"]
    rows = {row["measure"]: row for row in built["targets"]["gap"]["rows"]}
    assert rows["mine:norm"]["score"] == rows["param_norm"]["score"]
    assert rows["mine:norm"]["coverage"] == 1
    assert command("leaderboard", "build", root, "--bootstrap", 100).code == 0
    assert "mine 2.1" in (root / "README.md").read_text()
    assert "mine 2.1" in (root / "index.html").read_text()


@pytest.fixture(autouse=True)
def later_core(asked_here, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed has later versions of two measures, so that entries may have them or not yet."""
    from genbench.leaderboard import core_faults

    ask = core_faults.ask

    def later(question: Any) -> Any:
        answer = ask(question)
        for name, version in (("param_norm", 2), ("random", 3)):
            known = answer["measures"].get(name)
            if known is not None:
                known["version"] = known["identity"]["measure"]["version"] = version
        return answer

    monkeypatch.setattr(core_faults, "ask", later)


def newer(entry: Path, measure: str) -> None:
    """Raise the version of a measure, with all keys that depend on it, and change its values."""
    identity = {}

    def raise_version(line):
        if line["measure"] == measure:
            line["version"] = line["identity"]["measure"]["version"] = 2
            identity["digest"] = identity_digest(line["identity"])

    def value(line):
        if line["measure"] == measure:
            line.update(key=value_key(line["fit"], identity["digest"]), value=-line["value"])

    edit(entry / "measures.jsonl", raise_version)
    edit(entry / "values.jsonl", value)


def test_of_two_versions_of_a_measure_the_newer_counts(root):
    newer(copied(root, "tiny-bob"), "param_norm")
    built = table(root)
    assert built["measures"]["param_norm"]["version"] == 2
    assert built["measures"]["param_norm"]["entries"] == ["tiny-bob"]
    assert built["notes"] == [f"param_norm: values of other versions are left out, those of {NAME}"]


def with_plugin(entry: Path, direction: str, version: int = 1) -> None:
    """Add a plugin's measure whose values are those of a measure of the core."""
    lines = read(entry / "measures.jsonl")
    line = next(each for each in lines if each["measure"] == "param_norm")
    part = {**line["identity"]["measure"], "name": "mine:norm", "version": version}
    added = {**line, "measure": "mine:norm", "plugin": "mine", "direction": direction, "version": version,
             "identity": {**line["identity"], "measure": part}}  # fmt: skip
    write(entry / "measures.jsonl", [*lines, added])
    values = read(entry / "values.jsonl")
    key = identity_digest(added["identity"])
    write(entry / "values.jsonl", [*values, *(
        {**each, "measure": "mine:norm", "key": value_key(each["fit"], key)}
        for each in values if each["measure"] == "param_norm"
    )])  # fmt: skip


def pooled_of(root: Path, **trust: int) -> Pooled:
    found = [read_entry(each)[0] for each in sorted(entries(root).iterdir())]
    return pool(
        [each for each in found if each is not None], {f"tiny-{name}": each for name, each in trust.items()}
    )


def test_missing_values_of_an_entry_hide_nobodys(root):
    before = pooled_of(root).frame["param_norm"].tolist()
    aaa = copied(root, "tiny-aaa")
    edit(aaa / "values.jsonl", lambda line: line.update(status="crashed", value=None, reason="it died"))
    assert pooled_of(root).frame["param_norm"].tolist() == before


def test_values_that_contradict_anothers_stand_in_rows_of_their_own(root):
    aaa = copied(root, "tiny-aaa")
    edit(aaa / "values.jsonl", lambda line: line.update(value=-line["value"]), which=0)
    found = pooled_of(root)
    assert len(found.frame) == 8
    assert {str(each) for each in found.frame["seed"]} == {"0", "1", "0 of tiny-alice", "1 of tiny-alice"}
    trusted = pooled_of(root, alice=3)
    assert {str(each) for each in trusted.frame["seed"]} == {"0", "1", "0 of tiny-aaa", "1 of tiny-aaa"}


def test_a_direction_that_entries_do_not_agree_on_is_that_of_who_is_trusted_or_none(root):
    aaa = copied(root, "tiny-aaa")
    with_plugin(entries(root) / NAME, "+")
    with_plugin(aaa, "-")
    unclear = pooled_of(root)
    assert unclear.measures["mine:norm"].info.direction == "?"
    assert "mine:norm: has no rank, for entries claim different directions of it" in unclear.notes
    assert pooled_of(root, alice=4).measures["mine:norm"].info.direction == "+"


def test_a_plugins_later_version_does_not_hide_what_somebody_checked(root):
    with_plugin(copied(root, "tiny-aaa"), "+", version=99)
    with_plugin(entries(root) / NAME, "+")
    assert pooled_of(root).measures["mine:norm"].entries == ("tiny-aaa",)
    assert pooled_of(root, alice=4).measures["mine:norm"].entries == (NAME,)


def of_version(entry: Path, version: int) -> None:
    suite = (entry / "suite.toml").read_text()
    (entry / "suite.toml").write_text(suite.replace('"version" = 1', f'"version" = {version}'))
    header = json.loads((entry / "entry.json").read_text())
    header["suite"]["version"] = version
    (entry / "entry.json").write_text(json.dumps(header))


def test_tables_never_mix_versions(root):
    of_version(copied(root, "tiny-bob"), 2)
    tables = read_leaderboard(root, bootstrap=0)["tables"]
    assert [(each["version"], [entry["name"] for entry in each["entries"]]) for each in tables] == [
        (2, ["tiny-bob"]),
        (1, [NAME]),
    ]


# --- what moved, and why -----------------------------------------------------------------------------------


def changed_data(root: Path) -> None:
    edit(
        entries(root) / NAME / "values.jsonl",
        lambda line: line.update(value=-line["value"]) if line["measure"] == "param_norm" else None,
    )


def measure_version(root: Path) -> None:
    newer(entries(root) / NAME, "param_norm")


def suite_version(root: Path) -> None:
    of_version(entries(root) / NAME, 2)
    changed_data(root)


def new_entry(root: Path) -> None:
    bob = copied(root, "tiny-bob")
    edit(bob / "fits.jsonl", _reversed_gap)
    newer(bob, "random")


def _reversed_gap(line: dict[str, Any]) -> None:
    wrong = round(line["test_error"] * line["test_examples"])
    line["test_error"] = (line["test_examples"] - wrong) / line["test_examples"]
    line["gap"] = line["test_error"] - line["train_error"]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (changed_data, "data: other values of the measure"),
        (measure_version, "the measure's version: 1 → 2"),
        (suite_version, "the suite's version: 1 → 2"),
        (new_entry, "new entries: tiny-bob"),
    ],
)
def test_every_rank_that_moved_has_its_cause(root, tmp_path, change, cause):
    old = tmp_path / "old"
    shutil.copytree(root, old)
    change(root)
    states = [read_state(each, bootstrap=0) for each in (old, root)]
    moves = diff.diff(*states)
    assert any(cause in move.causes for move in moves if move.measure == "param_norm")
    assert all(move.causes for move in moves)
    lines = diff.as_text(moves)
    assert len(lines) == len(moves)
    assert any(cause in line and "→" in line for line in lines)
    markdown = diff.as_markdown(moves, diff.entry_lines(*states))
    assert markdown.count("| tiny ") == len(moves)


def test_a_measure_that_is_pushed_names_who_pushed_it(root):
    before = table(root)
    board = before["targets"]["gap"]
    after = json.loads(json.dumps(before))
    after["measures"]["param_norm"]["data"] = "other"
    for row in after["targets"]["gap"]["rows"]:
        if row["measure"] in ("param_norm", "train_loss"):
            row["rank_low"], row["rank_high"] = row["rank_low"] + 1, row["rank_high"] + 1
    moves = {each.measure: each for each in diff.diff({"tables": [before]}, {"tables": [after]})}
    assert moves["param_norm"].causes == ("data: other values of the measure",)
    assert moves["train_loss"].causes == ("other measures that are new, gone or changed: param_norm",)
    low, high = next(
        (row["rank_low"], row["rank_high"]) for row in board["rows"] if row["measure"] == "train_loss"
    )
    assert (moves["train_loss"].before, moves["train_loss"].after) == ([low, high], [low + 1, high + 1])


def test_the_command_prints_what_moved_in_three_forms(root, tmp_path):
    built = command("leaderboard", "build", root, "--bootstrap", 100, "--json").json
    for row in built["tables"][0]["targets"]["gap"]["rows"][:1]:
        row["rank_low"], row["rank_high"] = 5, 6
    (tmp_path / "old.json").write_text(json.dumps(built))
    ended = [
        command("leaderboard", "diff", tmp_path / "old.json", root / "leaderboard.json", *form)
        for form in ([], ["--json"], ["--markdown"])
    ]
    assert [each.code for each in ended] == [0, 0, 0]
    assert "5–6 → 1–2" in ended[0].out
    assert ended[1].json["moves"][0]["before"] == [5, 6]
    assert "| suite | target | measure | before | after | because of |" in ended[2].out


def test_nothing_moves_where_nothing_changed(root):
    assert command("leaderboard", "build", root, "--bootstrap", 100).code == 0
    ended = command(
        "leaderboard", "diff", root / "leaderboard.json", root, "--bootstrap", 100
    )  # a file, a folder
    assert (ended.code, ended.out) == (0, "no rank moved\n")


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"format": 1, "tables": [{}]}', '{"format": 9, "tables": []}', '{"format": NaN}']
)
def test_what_is_no_leaderboard_cannot_be_compared(root, tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    ended = command("leaderboard", "diff", tmp_path / "other.json", root)
    assert ended.code == 3
    assert len(ended.err.splitlines()) == 1
