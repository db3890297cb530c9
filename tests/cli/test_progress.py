"""What a command shows while it works."""

import io
from types import SimpleNamespace

from rich.console import Console

from genbench.cli import progress
from genbench.cli.waiting import Waiting


def test_a_trial_that_is_measured_twice_counts_once(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    lines, live = progress.Lines(), progress.Live(Console(file=io.StringIO()))
    for shown in (lines, live):
        shown.started(3, 1)
        for key in ("a", "b", "a"):
            shown.measured(SimpleNamespace(key=key), [])
        assert (shown.done, shown.total) == (2, 2)
        shown.more(1)
        shown.measured(SimpleNamespace(key="c"), [])
        assert (shown.done, shown.total) == (3, 3)
        shown.finished()
    said = capsys.readouterr().err
    assert "3 trials, 1 of them done before" in said
    assert "1/2 trials" in said
    assert "3/3 trials" in said
    assert "3/2" not in said
    assert "ended after 0 s" in said
    assert "finished" not in said, "the command may have been interrupted"


def test_what_takes_long_is_named_once_in_a_log_and_beside_the_bar(capsys):
    lines, screen = progress.Lines(), io.StringIO()
    for seconds in (10.2, 11.2):
        lines.busy("0123456789abcdef", "slow_measure", seconds)
    assert capsys.readouterr().err == "slow_measure has taken 10 s on trial 0123456789 and goes on\n"
    live = progress.Live(Console(file=screen, force_terminal=True, width=120))
    live.started(2, 0)
    live.busy("0123456789abcdef", "slow_measure", 31.7)
    live.finished()
    assert "slow_measure, 32 s" in screen.getvalue()


def test_a_bar_takes_over_from_what_was_shown_before(monkeypatch):
    before = Waiting("loading")
    with before:
        progress.Lines(before).started(2, 1)
        assert not before._thread.is_alive()
