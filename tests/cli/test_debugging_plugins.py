"""An author finds where the own code raised, and hints repeat what was given."""

from __future__ import annotations

import pytest
from running import TINY, command

RAISES = """
import genbench

def deeper(model):
    return model.absent_attribute

@genbench.measure(family="mine", direction="+")
def raises(model):
    return deeper(model)
"""


@pytest.fixture
def measured(tmp_path, finished, inline, monkeypatch):
    """A run on whose fits a measure of a plugin raises; the words of the command, and how it ended."""
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    file = tmp_path / "my own" / "papers.py"
    file.parent.mkdir()
    file.write_text(RAISES)
    words = ("measure", folder, "--plugin", file, "--measures", "raises", "--workers", 1)
    return folder, file, words


def test_hints_repeat_the_plugin(measured):
    folder, file, words = measured
    ended = command(*words)
    assert ended.code == 1
    assert f"'genbench retry {folder} --plugin '{file}'' tries these again" in ended.err


def test_tracebacks_of_values_are_one_option_away(measured):
    folder, _, words = measured
    ended = command(*words, "--debug-plugin")
    assert ended.code == 1
    assert ended.err.count("in deeper") == 1
    key = next((folder / "fits").iterdir()).name
    assert "in deeper" not in command("explain", folder, key).out
    assert "in deeper" in command("explain", folder, key, "--traceback").out


def test_a_trial_without_errors_has_no_traceback(finished):
    key = next((finished / "fits").iterdir()).name
    assert command("explain", finished, key, "--traceback").out.endswith("no measure of this trial raised\n")


def test_the_traceback_of_an_import_is_that_of_the_plugins_own_code(tmp_path):
    file, suite = tmp_path / "broken.py", tmp_path / "tiny.toml"
    file.write_text("def deeper():\n    raise ValueError('no luck')\n\ndeeper()\n")
    suite.write_text(TINY)
    words = ("run", "--suite", suite, "--out", tmp_path / "run", "--plugin", file)
    short, long = command(*words), command(*words, "--debug-plugin")
    assert (short.code, long.code) == (1, 1)
    assert "in deeper" not in short.err
    assert "in deeper" in long.err
    assert "genbench/host" not in long.err
