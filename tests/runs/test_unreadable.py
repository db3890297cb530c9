"""A record that may not be read is no damaged one: it is told as such, and never made again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from running import command, fit_files

REFUSED = "cannot be read: Permission denied; it is kept as it is: make it readable, or remove it to have it"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch):
    """Lets the system refuse to read a file, or to list a folder, as it refuses it to all but root."""

    def of(path: Path) -> None:
        def refusing(function):
            def call(place, *given, **named):
                if Path(place) == path:
                    raise PermissionError(13, "Permission denied", str(place))
                return function(place, *given, **named)

            return call

        path.chmod(path.stat().st_mode)  # who forbids it leaves this trace
        monkeypatch.setattr(Path, "read_bytes", refusing(Path.read_bytes))
        for name in ("open", "listdir", "scandir"):
            monkeypatch.setattr(os, name, refusing(getattr(os, name)))

    return of


def first_fit(run: Path) -> Path:
    return sorted((run / "fits").iterdir())[0]


@pytest.mark.parametrize("name", ["fit.json", "weights.safetensors", "values"])
@pytest.mark.parametrize("verb", ["run", "measure", "retry"])
def test_what_may_not_be_read_ends_the_command_and_stays_as_it_is(
    inline, run, forbid, tiny_suite, name, verb
):
    place = first_fit(run) / name
    before = fit_files(run)
    words = {"run": ["--suite", tiny_suite, "--out", run]}.get(verb, [run])
    forbid(place)
    ended = command(verb, *words, "--workers", 1)
    assert ended.code == 3
    assert ended.err.splitlines() == [f"genbench: '{place}': {REFUSED} made again"]
    assert fit_files(run) == before
    assert place.exists()


def test_a_failure_that_may_not_be_read_is_no_reason_to_train_again(inline, run, forbid, tiny_suite):
    fit = first_fit(run)
    (fit / "fit.json").unlink()
    (fit / "failures").mkdir()
    (fit / "failures" / "a.json").write_text("{}")
    forbid(fit / "failures")
    ended = command("run", "--suite", tiny_suite, "--out", run, "--workers", 1)
    assert (ended.code, ended.err.splitlines()) == (
        3, [f"genbench: '{fit / 'failures'}': {REFUSED} made again"]
    )  # fmt: skip
    assert not (fit / "fit.json").exists()


def test_a_plan_does_not_count_it_as_left_to_do(run, forbid, tiny_suite):
    forbid(first_fit(run) / "fit.json")
    ended = command("plan", "--suite", tiny_suite, "--out", run)
    assert ended.code == 3
    assert REFUSED in ended.err


def test_commands_that_only_read_leave_it_out_with_a_line(run, forbid):
    forbid(first_fit(run) / "fit.json")
    line = f"fits/{first_fit(run).name}/fit.json cannot be read: Permission denied; it is left out"
    status = command("status", run, "--json")
    assert (status.code, status.json["fits"], status.json["damaged"]) == (0, 3, [line])
    ranked = command("rank", run, "--json")
    assert ranked.code == 0
    assert line in ranked.err
    assert ranked.json["summary"]["fits"] == 3
