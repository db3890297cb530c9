"""Deputies: code of plugins asked in processes that may die, hang or lie."""

from __future__ import annotations

import os
import threading
import time

import pytest

from genbench.base.confinement import offered
from genbench.base.errors import InvalidInput
from genbench.host import elsewhere
from genbench.host.elsewhere import SILENCES_ENOUGH, Deputies, Elsewhere, NoAnswer
from genbench.host.plugin import PluginSource

REAL = elsewhere._Deputy  # other tests have one that answers in their own process

PLUGIN = """
import os, sys, time
import genbench

def act(what):
    if what == "die": os._exit(0)
    if what == "kill": os.kill(os.getppid(), 9)
    if what == "hang": time.sleep(1000)
    if what == "exit": sys.exit(0)
    if what == "fork": os.fork()
    if what == "babble": os.write(int(sys.argv[1]), b"nonsense\\n")
    if what == "print": print("hello")
    if what == "flood":
        for _ in range(100): os.write(2, b"x" * 1_000_000)
    if what == "refuse": raise ValueError("not this")
    if what == "write":
        open(os.path.join(FOLDER, "record"), "w")

@genbench.regularizer
class Acting(genbench.Regularizer):
    what: str = ""
    def __post_init__(self): act(self.what)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("run")
    (made / "record").write_text("whole")
    return made


@pytest.fixture(scope="module")
def deputies(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elsewhere, "_Deputy", REAL)
        text = f"FOLDER = {str(folder)!r}\n{PLUGIN}"
        # Without the core's rooms, so that a process takes little time.
        found = Deputies([PluginSource("b", file="b.py", text=text)], [folder])
        yield found
        found.close()


def construct(deputies, what, seconds=30.0):
    given = {"kind": "regularizer", "name": "b:acting", "settings": {"what": what}}
    return deputies.ask(["b"], "construct", given, seconds)


def test_what_its_code_says_is_handed_on(deputies):
    assert construct(deputies, "print") is None
    assert construct(deputies, "fork") is None
    with pytest.raises(InvalidInput, match="not this"):
        construct(deputies, "refuse")
    with pytest.raises(NoAnswer, match="raised SystemExit: 0"):
        construct(deputies, "exit")
    with pytest.raises(InvalidInput, match="unknown regularizer"):
        deputies.ask(["b"], "construct", {"kind": "regularizer", "name": "b:other", "settings": {}})


def test_what_it_prints_is_shown_as_far_as_anybody_would_read_it(deputies, capfd):
    deputies.close()
    capfd.readouterr()  # what the one before printed counts no more
    construct(deputies, "print")
    construct(deputies, "flood")
    deputies.close()
    found = capfd.readouterr()
    assert found.out == ""
    assert found.err.startswith("hello")
    assert len(found.err) == elsewhere.MOST_PRINTED


def test_all_is_shown_when_it_ends_however_late_that_is_read(deputies, capfd, monkeypatch):
    show, kill, killed = elsewhere._pass_on, elsewhere.kill_group, threading.Event()

    def late(printed):
        killed.wait(60)
        time.sleep(0.2)
        show(printed)

    def kills(process):
        kill(process)
        killed.set()

    deputies.close()
    capfd.readouterr()
    monkeypatch.setattr(elsewhere, "_pass_on", late)
    monkeypatch.setattr(elsewhere, "kill_group", kills)
    construct(deputies, "print")
    deputies.close()
    assert capfd.readouterr().err == "hello\n"


def test_it_may_be_ended_by_the_thread_that_reads_what_it_prints(deputies, monkeypatch):
    """As where the last reference to it goes in a collection of garbage there."""
    asked = threading.Event()

    def ends(printed):
        asked.wait(60)
        deputies.close()

    deputies.close()
    monkeypatch.setattr(elsewhere, "_pass_on", ends)
    construct(deputies, "")
    (deputy,) = deputies._processes.values()
    asked.set()
    deputy._showing.join(60)
    assert not deputy.cache.exists()


def test_it_may_die_hang_and_lie(deputies):
    with pytest.raises(NoAnswer, match="ends the process with code 0"):
        construct(deputies, "die")
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"takes more than 0\.2 s"):
        construct(deputies, "hang", 0.2)
    assert time.monotonic() - began < 60
    with pytest.raises(NoAnswer, match="makes no sense"):
        construct(deputies, "babble")


@pytest.mark.skipif(offered() < 6, reason="this system cannot keep signals in (Landlock 6)")
def test_it_can_end_nobody_and_write_no_record(deputies, folder):
    for what in ("kill", "write"):
        with pytest.raises(NoAnswer, match="raised PermissionError"):
            construct(deputies, what)
    assert (folder / "record").read_text() == "whole"
    assert os.getppid() > 0


def test_nobody_asks_a_component_again_that_gave_no_answer(monkeypatch):
    asked = []

    class Silent:
        cache = None

        def __init__(self, sources, kept): ...

        def answer(self, question, seconds):
            asked.append(question["what"])
            raise NoAnswer("kills the process")

        def close(self): ...

    monkeypatch.setattr(elsewhere, "_Deputy", Silent)
    deputies = Deputies()
    one = Elsewhere("regularizer", "b:one", "", deputies)
    assert one(rate=3) is one(rate=3) is one, "found out later, where it costs its own trials alone"
    assert one.composition([["b:one", {"rate": 3}]], [one]) == []
    assert asked == ["construct"]
    for rate in range(10):
        one(rate=rate)
    assert asked == ["construct"] * SILENCES_ENOUGH
    with pytest.raises(NoAnswer, match="kills"):
        one.ask("facts", settings={"rate": 3})
    assert deputies.why_silent("b:one", {"rate": 99}) == "kills the process"
    assert deputies.why_silent("b:other", {"rate": 3}) == ""
