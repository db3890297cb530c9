"""Locks: one owner at a time, taken over from the dead, kept by the living."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from genbench.base.errors import InvalidInput
from genbench.execution import locks
from genbench.execution.locks import Locks

PATIENCE_SECONDS = 60


@pytest.fixture
def locking(tmp_path):
    """Makes owners of locks on one folder, and closes them."""
    made: list[Locks] = []

    def owner() -> Locks:
        made.append(Locks(tmp_path / "locks"))
        return made[-1]

    yield owner
    for each in made:
        each.close()


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "locks" / "trial.lock"


@pytest.fixture(scope="module")
def dead_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def write_lock(lock, pid: int, host: str | None = None, age: float = 0.0) -> None:
    lock.write_text(json.dumps({"host": host or socket.gethostname(), "pid": pid, "token": "another"}))
    then = time.time() - age
    os.utime(lock, (then, then))


def wait_until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_lock_has_one_owner_until_it_is_released(locking):
    first, second = locking(), locking()
    assert first.take("trial")
    assert not second.take("trial")
    assert second.take("other")
    first.release("trial")
    assert second.take("trial")
    assert not first.take("trial")


def test_taking_what_one_holds_changes_nothing(locking):
    owner = locking()
    assert owner.take("trial")
    assert owner.take("trial")


def test_closing_gives_everything_back_and_leaves_no_folder(locking, tmp_path):
    first = locking()
    assert all(first.take(f"trial{number}") for number in range(3))
    first.close()
    assert not (tmp_path / "locks").exists()
    assert locking().take("trial0")


def test_a_folder_that_another_command_removed_is_made_again(locking, tmp_path):
    first, second = locking(), locking()
    first.close()
    assert second.take("trial")


def test_a_file_in_place_of_the_folder_is_said(tmp_path):
    (tmp_path / "locks").write_text("in the way")
    owner = Locks(tmp_path / "locks")
    with pytest.raises(InvalidInput, match="locks': is a file, where locks are to lie"):
        owner.take("trial")
    owner.close()
    assert (tmp_path / "locks").read_text() == "in the way"


def test_the_lock_of_a_dead_process_on_this_machine_is_taken_over_at_once(locking, lock, dead_process):
    owner, other = locking(), locking()
    write_lock(lock, dead_process)
    assert owner.take("trial")
    assert not other.take("trial")


def test_the_lock_of_a_process_on_another_machine_is_respected_while_its_heart_beats(
    locking, lock, dead_process
):
    owner = locking()
    write_lock(lock, dead_process, host="elsewhere")
    assert not owner.take("trial")


@pytest.mark.parametrize("host", [None, "elsewhere"])
def test_a_lock_whose_heart_stopped_is_taken_over(locking, lock, host):
    owner = locking()
    write_lock(lock, os.getpid(), host, age=locks.STALE_AFTER_SECONDS + 1)
    assert owner.take("trial")
    assert not locking().take("trial")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 3}', json.dumps({"host": socket.gethostname()})])
def test_a_lock_that_cannot_be_read_is_respected_until_it_is_old(locking, lock, text):
    owner = locking()
    lock.write_text(text)
    assert not owner.take("trial")
    os.utime(lock, (0, 0))
    assert owner.take("trial")


def test_the_heartbeat_renews_locks_while_they_are_held(locking, lock, monkeypatch):
    monkeypatch.setattr(locks, "HEARTBEAT_SECONDS", 0.01)
    owner = locking()
    assert owner.take("trial")
    os.utime(lock, (0, 0))
    wait_until(lambda: lock.stat().st_mtime > 0)
    assert not locking().take("trial")


def test_a_lock_that_was_lost_is_neither_renewed_nor_given_back(locking, lock, monkeypatch):
    monkeypatch.setattr(locks, "HEARTBEAT_SECONDS", 0.01)
    owner = locking()
    assert owner.take("trial")
    assert owner.take("pulse")
    write_lock(lock, os.getpid(), host="elsewhere", age=1000)
    pulse = lock.with_name("pulse.lock")
    os.utime(pulse, (0, 0))
    wait_until(lambda: pulse.stat().st_mtime > 0)
    assert lock.stat().st_mtime < time.time() - 900
    owner.release("trial")
    assert json.loads(lock.read_text())["token"] == "another"


def race(owners: list[Locks], name: str) -> int:
    """How many of the owners get a lock that all of them want at once."""
    start = threading.Barrier(len(owners))
    won: list[bool] = []

    def take(owner: Locks) -> None:
        start.wait()
        won.append(owner.take(name))

    threads = [threading.Thread(target=take, args=(each,)) for each in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert len(won) == len(owners)
    return sum(won)


def test_of_many_that_want_a_free_lock_one_gets_it(locking):
    owners = [locking() for _ in range(8)]
    assert [race(owners, f"trial{number}") for number in range(20)] == 20 * [1]


def test_of_many_that_find_a_dead_lock_one_gets_it(locking, lock, dead_process):
    owners = [locking() for _ in range(8)]
    for number in range(20):
        write_lock(lock.with_name(f"trial{number}.lock"), dead_process)
    assert [race(owners, f"trial{number}") for number in range(20)] == 20 * [1]


def test_a_lock_renewed_after_it_was_found_dead_is_not_taken(locking, lock, dead_process, monkeypatch):
    """The second look, when nobody else can act, decides."""
    owner, quicker = locking(), locking()
    write_lock(lock, dead_process)
    look = Locks._is_stale

    def look_slowly(self, path):
        found = look(self, path)
        if self is owner and not quicker._held:
            assert quicker.take("trial")
        return found

    monkeypatch.setattr(Locks, "_is_stale", look_slowly)
    assert not owner.take("trial")


def test_a_dead_lock_from_the_future_is_taken_over_once_nothing_is_heard_of_it(locking, lock, monkeypatch):
    owner = locking()
    write_lock(lock, pid=1, host="elsewhere", age=-3600.0)
    assert not owner.take("trial")
    monkeypatch.setattr(locks, "STALE_AFTER_SECONDS", 0.05)
    wait_until(lambda: owner.take("trial"))


def test_a_lock_from_the_future_that_beats_is_alive(locking, lock, monkeypatch):
    owner = locking()
    monkeypatch.setattr(locks, "STALE_AFTER_SECONDS", 0.2)
    for beat in range(4):
        write_lock(lock, pid=1, host="elsewhere", age=-3600.0 - beat)
        assert not owner.take("trial")
        time.sleep(0.1)


def test_a_file_system_without_locks_is_told_once_with_what_to_do(tmp_path, monkeypatch):
    def refuses(*given: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuses)
    said: list[str] = []
    owner = Locks(tmp_path / "locks", said.append)
    assert owner.take("one")
    assert owner.take("two"), "one command alone works as ever"
    owner.close()
    (line,) = said
    assert "this file system has no locks (No locks available)" in line
    assert "'genbench merge'" in line


def test_where_there_are_locks_nothing_is_said(tmp_path):
    said: list[str] = []
    owner, other = (Locks(tmp_path / "locks", said.append) for _ in range(2))
    assert owner.take("one")
    assert not other.take("one")
    owner.close()
    other.close()
    assert said == []


def test_where_folders_cannot_be_locked_dead_locks_are_taken_over_too(
    locking, lock, dead_process, monkeypatch
):
    monkeypatch.setattr(locks, "fcntl", None)  # as on Windows

    opened = os.open

    def refused(path, *flags, **named):
        if Path(path).is_dir():
            raise PermissionError(path)
        return opened(path, *flags, **named)

    monkeypatch.setattr(locks.os, "open", refused)
    lock.parent.mkdir()
    write_lock(lock, dead_process)
    first, second = locking(), locking()
    assert first.take("trial")
    assert not second.take("trial")
