"""Weights beside an entry, and a run folder made of both: the same run again, or one line and nothing."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest
from running import command
from web import serving

from genbench.runs.store import Folder

NAME = "tiny-alice"
KINDS = {tarfile.REGTYPE, tarfile.AREGTYPE}


@pytest.fixture(scope="module")
def published(finished, tmp_path_factory) -> Path:
    """A folder with an entry and the archive of its weights beside it; not to be changed."""
    root = tmp_path_factory.mktemp("published")
    ended = command(
        "leaderboard", "pack", finished, "--out", root / NAME, "--submitter", "alice", "--weights"
    )
    assert ended.code == 0, ended.err
    assert f"{root / NAME}.weights.tar: the weights, " in ended.out
    return root


@pytest.fixture
def place(published, tmp_path) -> Path:
    """The same to be changed."""
    return Path(shutil.copytree(published, tmp_path / "published"))


def content(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.name != "weights.json"}


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar}


def rewrite(place: Path, change, *, vouched: bool = True) -> Path:
    """Change the members of the archive; the entry says its new hash, or the old one."""
    archive = place / f"{NAME}.weights.tar"
    held = members(archive)
    change(held)
    with tarfile.open(archive, "w") as tar:
        for name, each in held.items():
            member = tarfile.TarInfo(name)
            member.size = len(each)
            tar.addfile(member, io.BytesIO(each))
    if vouched:
        said = json.loads((place / NAME / "weights.json").read_text())
        said["sha256"] = hashlib.sha256(archive.read_bytes()).hexdigest()
        (place / NAME / "weights.json").write_text(json.dumps(said))
    return archive


def test_the_entry_is_the_same_but_for_what_it_says_of_the_archive(published, packed):
    assert content(published / NAME) == content(packed)
    archive = published / f"{NAME}.weights.tar"
    assert json.loads((published / NAME / "weights.json").read_text()) == {
        "format": 1,
        "file": archive.name,
        "bytes": archive.stat().st_size,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "url": "",
    }
    assert command("leaderboard", "validate", published / NAME).code == 0


def test_the_archive_is_plain_and_of_nobody_and_the_same_every_time(published, finished, tmp_path):
    with tarfile.open(published / f"{NAME}.weights.tar") as tar:
        for each in tar:
            assert (each.uid, each.gid, each.uname, each.gname, each.mtime) == (0, 0, "", "", 0)
            assert each.type in KINDS
    assert command("leaderboard", "pack", finished, "--out", tmp_path / NAME, "--submitter", "alice", "--weights").code == 0  # fmt: skip
    assert (tmp_path / f"{NAME}.weights.tar").read_bytes() == (published / f"{NAME}.weights.tar").read_bytes()


@pytest.mark.parametrize("source", ["entry", "archive", "address"])
def test_what_was_fetched_is_the_run_again(published, finished, packed, tmp_path, source, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serving() as site:
        archive = published / f"{NAME}.weights.tar"
        site.files[archive.name] = archive.read_bytes()
        words = {"entry": published / NAME, "archive": archive, "address": site.address + archive.name}
        ended = command("leaderboard", "fetch", words[source])
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0] == f"runs/{NAME}: 4 fits with their weights, 12 values"
    before, after = Folder(finished), Folder(tmp_path / "runs" / NAME)
    assert after.fit_keys() == before.fit_keys()
    for key in before.fit_keys():
        there, here = before.fit(key), after.fit(key, check_weights=True)
        assert {**there.record, "sha256": 0} == {**here.record, "sha256": 0}
        assert (there.folder / "weights.safetensors").read_bytes() == (
            here.folder / "weights.safetensors"
        ).read_bytes()
    ended = command("leaderboard", "pack", after.path, "--out", tmp_path / "again", "--submitter", "alice")
    assert ended.code == 0, ended.err
    assert content(tmp_path / "again") == content(packed)


def test_an_archive_that_is_not_beside_its_entry_is_downloaded_and_checked(place, finished, tmp_path, cache):
    archive = place / f"{NAME}.weights.tar"
    with serving() as site:
        site.files["w.tar"] = archive.read_bytes()
        ended = command("leaderboard", "pack", finished, "--out", place / NAME, "--weights-url", f"{site.address}w.tar")  # fmt: skip
        assert ended.code == 0, ended.err
        whole = archive.read_bytes()
        archive.unlink()
        site.files["w.tar"] = whole[:-1] + b"x"
        ended = command("leaderboard", "fetch", place / NAME, "--out", tmp_path / "run")
        assert ended.code == 1
        assert "what came has the SHA-256" in ended.err.splitlines()[-1]
        site.files["w.tar"] = whole
        assert command("leaderboard", "fetch", place / NAME, "--out", tmp_path / "run").code == 0
    # The second time from the cache: there is no server any more.
    ended = command("leaderboard", "fetch", place / NAME, "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    assert "4 fits with their weights, 4 of them there before" in ended.out


def flip(held: dict[str, bytes]) -> None:
    name = next(each for each in held if each.endswith(".safetensors"))
    held[name] = held[name][:-1] + bytes([held[name][-1] ^ 1])


def record_of(held: dict[str, bytes]) -> str:
    return next(each for each in held if each.endswith("fit.json"))


def lose_a_fit(held: dict[str, bytes]) -> None:
    folder = record_of(held).removesuffix("fit.json")
    for name in ("fit.json", "weights.safetensors"):
        del held[folder + name]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flip, "its weights are not those that were recorded"),
        (lambda held: held.update({"../../evil": b"x"}), "holds '../../evil', which no archive of weights does"),
        (lambda held: held.update({"entry/x.py": b"x"}), "holds 'entry/x.py', which no archive of weights does"),
        (lambda held: held.pop(record_of(held)), "its record or its weights are not there"),
        (lambda held: held.update({record_of(held): b"{}"}), "key 'history' is missing"),
        (lambda held: held.update({record_of(held): b"[NaN"}), "holds NaN, which JSON does not have"),
        (lose_a_fit, "its archive differ in 1 fits"),
    ],
)  # fmt: skip
def test_a_wrong_archive_is_one_line_and_nothing_is_written(place, tmp_path, change, said):
    rewrite(place, change)
    ended = command("leaderboard", "fetch", place / NAME, "--out", tmp_path / "run")
    assert ended.code == 3
    (line,) = ended.err.splitlines()
    assert said in line
    assert not (tmp_path / "run").exists()


def test_an_archive_that_is_cut_off_or_exchanged_is_one_line(place, tmp_path):
    archive = place / f"{NAME}.weights.tar"
    rewrite(place, flip, vouched=False)
    ended = command("leaderboard", "fetch", place / NAME, "--out", tmp_path / "run")
    assert ended.code == 3
    assert "is not the archive of entry 'tiny-alice'" in ended.err
    for size in (0, 100, archive.stat().st_size // 2):
        (tmp_path / "cut.tar").write_bytes(archive.read_bytes()[:size])
        ended = command("leaderboard", "fetch", tmp_path / "cut.tar", "--out", tmp_path / "run")
        assert (ended.code, len(ended.err.splitlines())) == (3, 1), ended.err
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_fetched_is_said(packed, place, tmp_path, finished):
    for source, said in (
        (packed, "it was packed without --weights"),
        (tmp_path / "nowhere", "is no entry, no archive of weights and no https address"),
        ("http://example.org/a.weights.tar", "is fetched over https only"),
    ):
        ended = command("leaderboard", "fetch", source, "--out", tmp_path / "run")
        assert ended.code in (2, 3)
        assert said in ended.err.splitlines()[-1]
    (place / f"{NAME}.weights.tar").rename(tmp_path / "elsewhere.tar")
    ended = command("leaderboard", "fetch", place / NAME, "--out", tmp_path / "run")
    assert "is not beside it, and it names no address" in ended.err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    ended = command("leaderboard", "fetch", tmp_path / "elsewhere.tar", "--out", tmp_path / "other")
    assert ended.code == 3
    assert (tmp_path / "other" / "mine.txt").read_text() == "mine"
