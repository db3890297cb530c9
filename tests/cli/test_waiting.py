"""What is said of what takes long: nothing at first, then what goes on, and nothing when it is over."""

import time

import pytest
from terminals import in_terminal, plain

from genbench.cli import waiting
from genbench.cli.waiting import Waiting

SHOW = """
import time
from genbench.cli import waiting
waiting.SECONDS_OF_SILENCE = 0.1
with waiting.Waiting("reading [the run]") as at:
    time.sleep(1.0)
    at.now("ranking it")
    time.sleep(1.0)
print("done")
"""


def test_a_terminal_shows_what_goes_on_and_takes_it_away():
    written = in_terminal(program=SHOW)
    seen = plain(written)
    assert "reading [the run]" in seen
    assert "ranking it" in seen
    assert "done" in seen.splitlines()[-1]
    # The line is cleared and the cursor shown again.
    assert "\x1b[2K" in written.rpartition("ranking it")[2]
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l")


def test_a_log_gets_a_line_after_a_while_and_then_fewer(monkeypatch, capsys):
    monkeypatch.setattr(waiting, "SECONDS_BEFORE_A_LINE", 0.1)
    with Waiting("ranking"):
        time.sleep(0.75)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 3  # after 0.1, 0.2 and 0.4 seconds, the first perhaps late
    assert all(line.startswith("genbench: ranking, ") for line in lines)


def test_what_is_over_soon_says_nothing(capsys):
    with Waiting("reading") as at:
        at.now("ranking")
    assert capsys.readouterr().err == ""


def test_stopping_twice_is_stopping_once_and_a_fault_passes_through(capsys):
    with Waiting("reading") as at:
        at.stop()
    at.stop()
    with pytest.raises(ZeroDivisionError), Waiting("dividing"):
        1 / 0
    assert capsys.readouterr() == ("", "")
