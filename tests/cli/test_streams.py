"""What the commands print where standard output is not UTF-8, is closed, or is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from genbench.cli.streams import NEAREST
from genbench.report.drawn import CHANCE, ESTIMATE, LINE, ZERO

PROGRAM = [sys.executable, "-P", "-c", "from genbench.cli import main; main()"]


def printed(encoding: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run([*PROGRAM, *words], capture_output=True, env=environment, check=False)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_ranking_is_printed_in_any_encoding(finished, encoding):
    ended = printed(encoding, "rank", str(finished), "--bootstrap", "0")
    assert (ended.returncode, ended.stderr) == (0, b"")
    text = ended.stdout.decode(encoding)
    assert "param_norm" in text
    assert ("R²" if encoding != "ascii" else "R2") in text


def test_json_stays_json_where_its_characters_cannot_be_written():
    ended = printed("ascii", "show", "path_norm", "--json")
    assert ended.returncode == 0
    plain = printed("utf-8", "show", "path_norm", "--json")
    assert json.loads(ended.stdout.decode("ascii")) == json.loads(plain.stdout.decode("utf-8"))
    assert not plain.stdout.isascii()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("list", "measures", "--json"), ("list", "measures")])
def test_whoever_has_read_enough_ends_the_command_without_a_word(words, unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [*PROGRAM, *words], stdout=writer, stderr=subprocess.PIPE, env=environment, check=False
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_one_line():
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*PROGRAM, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr == "genbench: standard output: No space left on device (--debug shows where)\n"


def test_what_a_terminal_draws_has_one_ascii_character_each():
    drawn = {CHANCE, ZERO, ESTIMATE, *LINE.values()} - {""}
    assert {len(NEAREST.get(each, "")) for each in drawn} == {1}
    assert all(each.isascii() for each in NEAREST.values())
