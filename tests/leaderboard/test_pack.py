"""Packing: small, the same bytes every time, nothing of the machine or its user."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from leaderboard.lines import read
from running import command

from genbench.leaderboard import pack
from genbench.leaderboard.entry import read_entry
from genbench.runs.store import Folder


def content(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_an_entry_holds_plain_sorted_files_and_no_weights(packed, finished):
    assert sorted(content(packed)) == [
        "entry.json",
        "environments.jsonl",
        "fits.jsonl",
        "measures.jsonl",
        "suite.toml",
        "values.jsonl",
    ]
    fits, values = read(packed / "fits.jsonl"), read(packed / "values.jsonl")
    assert [each["key"] for each in fits] == Folder(finished).fit_keys()
    assert [(each["fit"], each["measure"]) for each in values] == sorted(
        (key, name) for key in Folder(finished).fit_keys() for name in ("param_norm", "random", "train_loss")
    )
    assert all(each["gap"] == each["test_error"] - each["train_error"] for each in fits)


def test_the_same_run_gives_the_same_bytes(packed, finished, tmp_path):
    for _ in range(2):  # the second time in place of the first
        assert (
            command("leaderboard", "pack", finished, "--out", tmp_path / "e", "--submitter", "alice").code
            == 0
        )
        assert content(tmp_path / "e") == content(packed)


def test_a_measure_of_siblings_that_nobody_computed_is_declared_as_the_installed_one(finished, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    suite = (run / "suite.toml").read_text()
    assert '"param_norm"' in suite
    (run / "suite.toml").write_text(suite.replace('"param_norm"', '"param_norm", "seed_disagreement"', 1))
    ended = command("leaderboard", "pack", run, "--out", tmp_path / "e", "--submitter", "alice")
    assert ended.code == 0, ended.err
    declared = {each["measure"]: each["held_out"] for each in read(tmp_path / "e" / "measures.jsonl")}
    assert declared["seed_disagreement"]
    ended = command("leaderboard", "validate", tmp_path / "e", "--allow-incomplete")
    assert ended.code == 0, ended.err


def test_records_are_compressed_only_where_they_are_large(finished, tmp_path, monkeypatch, packed):
    monkeypatch.setattr(pack, "LARGE", 3000)
    for name in ("one", "two"):
        assert (
            command("leaderboard", "pack", finished, "--out", tmp_path / name, "--submitter", "alice").code
            == 0
        )
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert (tmp_path / "one" / "measures.jsonl").is_file()
    plain = gzip.decompress((tmp_path / "one" / "fits.jsonl.gz").read_bytes())
    assert plain == (packed / "fits.jsonl").read_bytes()
    entry, problems = read_entry(tmp_path / "one")
    assert problems == []
    assert entry is not None
    assert entry.digest == read_entry(packed)[0].digest  # whether they are compressed does not matter
    assert command("leaderboard", "validate", tmp_path / "one").code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cannot open /home/bob/data/x.npz", "cannot open <path>"),
        (r"cannot open C:\Users\bob\x.npz", "cannot open <path>"),
        ("of bob on nodebook-7", "of <user> on <host>"),
        ("1/γ² and 3/4 of a/b stay, and bobsled", "1/γ² and 3/4 of a/b stay, and bobsled"),
    ],
)
def test_what_records_say_names_no_place_and_nobody(text, said, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "bob")
    monkeypatch.setattr("socket.gethostname", lambda: "nodebook-7")
    assert pack._line(text) == said


def test_no_file_names_this_machine_or_its_folders(packed, tmp_path):
    whole = b"".join(content(packed).values()).decode()
    assert str(Path.home()) + "/" not in whole
    assert str(tmp_path) not in whole
    assert "Traceback" not in whole


def test_a_suite_that_names_files_of_this_machine_is_refused(finished, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    (run / "suite.toml").write_text(
        (run / "suite.toml").read_text() + 'notes = "see /home/bob/notes/x.txt"\n'
    )
    ended = command("leaderboard", "pack", run, "--out", tmp_path / "e")
    assert ended.code == 3
    assert ended.err == (
        "genbench: suite.toml: notes: holds a path, or the name of this machine or its user, "
        "which an entry must not\n"
    )
    assert not (tmp_path / "e").exists()


def test_a_folder_that_holds_something_else_is_not_overwritten(finished, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    ended = command("leaderboard", "pack", finished, "--out", tmp_path)
    assert ended.code == 2
    assert "holds something else than an entry" in ended.err
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_one_line(finished, tmp_path):
    (tmp_path / "file").write_text("mine")
    ended = command("leaderboard", "pack", finished, "--out", tmp_path / "file" / "entry")
    assert ended.code == 3
    assert ended.err.startswith(f"genbench: entry '{tmp_path / 'file' / 'entry'}': cannot be written: ")


def test_a_run_without_fits_is_not_said_to_be_of_another_version(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(run / "fits")
    ended = command("leaderboard", "pack", run, "--out", tmp_path / "entry")
    assert (ended.code, ended.err) == (3, f"genbench: '{run}': has no fits yet\n")


@pytest.mark.parametrize("name", ["status", "retry", "export", "run", "merge"])
def test_an_entry_is_taken_for_no_run_folder(packed, finished, tiny_suite, tmp_path, name):
    entry = shutil.copytree(packed, tmp_path / "entry")
    words = {
        "export": [entry, tmp_path / "table.csv"],
        "run": ["--suite", tiny_suite, "--out", entry],
        "merge": [finished, "--out", entry],
    }.get(name, [entry])
    ended = command(name, *words)
    assert ended.code == 3
    assert ended.err == f"genbench: '{entry}' is not a run folder: it is an entry of a leaderboard\n"
    assert content(entry) == content(packed)
