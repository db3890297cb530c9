"""What the shell is told where a word is to be completed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from running import command

from genbench.cli import cli


def completed(*words: str, cwd: object = None) -> list[str]:
    """What would be offered for the last of these words."""
    from click.shell_completion import ShellComplete

    class Asked(ShellComplete):
        name = "asked"

        def get_completion_args(self):
            return list(words[:-1]), words[-1]

        def format_completion(self, item):
            return item.value

    return Asked(cli, {}, "genbench", "_GENBENCH_COMPLETE").complete().split("\n")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["expl"], ["explain"]),
        (["run", "--sui"], ["--suite"]),
        (["run", "--suite", "digits-q"], ["digits-quick"]),
        (["run", "--suite", "digits", "--measures", "param_n"], ["param_norm"]),
        (["run", "--suite", "digits", "--measures", "random,family:nor"], ["random,family:norm"]),
        (["show", "inverse_margin"], ["inverse_margin"]),
        (["show", "model:ml"], ["model:mlp"]),
        (["show", "initial_mod"], ["initial_model"]),
        (["list", "prob"], ["probes"]),
        (["list", "--no-plugin", "regul"], ["regularizers"]),
        (["plugin", "che"], ["check"]),
    ],
)
def test_words_are_completed(words, offered):
    found = completed(*words)
    assert set(offered) <= set(found)
    assert all(each.startswith(words[-1]) for each in found)


def test_runs_and_files_are_completed(finished, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "tiny").symlink_to(finished)
    (tmp_path / "mine.toml").touch()
    (tmp_path / "mine.py").touch()
    monkeypatch.chdir(tmp_path)
    assert completed("status", "ru") == ["runs/tiny"]
    assert completed("plan", "--suite", "min") == ["mine.toml"]
    assert completed("list", "--plugin", "min") == ["mine.py"]


def test_nothing_is_said_where_something_is_wrong(monkeypatch):
    monkeypatch.setattr("genbench.report.catalog_cache.host_for_cards", lambda: 1 / 0)
    assert completed("show", "inverse") == [""]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell):
    ended = command("completion", shell)
    assert (ended.code, ended.err) == (0, "")
    assert "_GENBENCH_COMPLETE" in ended.out


def test_another_shell_is_refused_with_the_nearest_one():
    ended = command("completion", "bsh")
    assert (ended.code, ended.err) == (2, "genbench: no completion for 'bsh'; did you mean 'bash'?\n")


def test_the_command_answers_as_bash_asks_it(cache):
    environment = {
        **os.environ, "COMP_WORDS": "genbench compl", "COMP_CWORD": "1", "_GENBENCH_COMPLETE": "bash_complete",
    }  # fmt: skip
    script = "from genbench.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert ended.stdout == "plain,completion\n"
