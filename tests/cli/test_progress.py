"""What a command shows while it works."""

import io
from types import SimpleNamespace

from rich.console import Console

from genbench.cli import progress


def test_a_trial_that_is_measured_twice_counts_once(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    lines, live = progress.Lines(), progress.Live(Console(file=io.StringIO()))
    for shown in (lines, live):
        shown.started(3, 1)
        for key in ("a", "b", "a"):
            shown.measured(SimpleNamespace(key=key), [])
        assert (shown.done, shown.total) == (3, 3)
        shown.finished()
    said = capsys.readouterr().err
    assert "2/3 trials" in said
    assert "4/3" not in said
