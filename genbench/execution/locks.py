"""Locks with a heartbeat, by which several commands share the work of one run folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from genbench.base.errors import GenbenchError, InvalidInput
from genbench.base.files import read_plain, unwritable
from genbench.base.machine import is_running

try:
    import fcntl
except ImportError:  # Windows: folders cannot be locked there
    fcntl = None  # type: ignore[assignment]

__all__ = ["Locks"]

HEARTBEAT_SECONDS = 5.0
STALE_AFTER_SECONDS = 30.0


class Locks:
    """The locks that one command holds; a thread renews them all.

    A lock whose heartbeat stopped, or whose process on this machine is gone, is taken over.

    Parameters
    ----------
    folder : Path
        Where the lock files lie.
    say : callable, optional
        Takes a line where the file system has no locks.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda line: None):
        self._folder = folder
        self._say = say
        self._tried = False
        with contextlib.suppress(OSError):  # a folder that cannot be written is told when a lock is taken
            self._folder.mkdir(parents=True, exist_ok=True)
        self._held: set[Path] = set()
        self._seen: dict[tuple[Path, float], float] = {}
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._owner = {"host": socket.gethostname(), "pid": os.getpid(), "token": secrets.token_hex(8)}
        self._heart = threading.Thread(target=self._beat, name="genbench-heartbeat", daemon=True)
        self._heart.start()

    def take(self, name: str) -> bool:
        """Lock `name`; False where another live command holds it."""
        path = self._folder / f"{name}.lock"
        if path in self._held:
            return True
        self._try_once()
        if not self._create(path) and not self._take_over(path):
            return False
        with self._guard:
            self._held.add(path)
        return True

    def release(self, name: str) -> None:
        """Give a lock back."""
        path = self._folder / f"{name}.lock"
        with self._guard:
            self._held.discard(path)
        if self._is_own(path):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give all locks back."""
        self._stop.set()
        for path in list(self._held):
            self.release(path.stem)
        for path in self._folder.glob("*.lock"):
            with contextlib.suppress(OSError), self._alone():
                if self._is_stale(path):
                    path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def _create(self, path: Path) -> bool:
        while True:
            with self._written():
                self._folder.mkdir(parents=True, exist_ok=True)
            try:
                with self._written(), path.open("x") as stream:
                    stream.write(json.dumps(self._owner))
            except FileExistsError:
                return False
            except FileNotFoundError:
                continue  # another command that ended has just removed the folder
            except GenbenchError:
                with contextlib.suppress(OSError):
                    path.unlink()  # made, but empty: nobody should wait for it
                raise
            return True

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        """Say in a line that the folder cannot be written, or that its disk is full."""
        try:
            yield
        except (FileExistsError, FileNotFoundError):
            if self._folder.is_file():
                raise InvalidInput(f"'{self._folder}': is a file, where locks are to lie") from None
            raise
        except OSError as fault:
            raise unwritable(self._folder, fault) from None

    def _take_over(self, path: Path) -> bool:
        """Replace a dead lock; of several commands that find the same one, one gets it."""
        if not self._is_stale(path):
            return False
        with self._alone():
            # Another command may have replaced it before we were alone.
            if not self._is_stale(path):
                return False
            path.unlink(missing_ok=True)
            return self._create(path)

    def _is_stale(self, path: Path) -> bool:
        try:
            beat = path.stat().st_mtime
        except FileNotFoundError:
            return False
        silent = time.time() - beat
        if silent < 0:  # a clock was set back: what counts is for how long we have seen no other beat
            first = self._seen.setdefault((path, beat), time.monotonic())
            silent = time.monotonic() - first
        owner = _owner(path)
        here = owner.get("host") == self._owner["host"] and isinstance(owner.get("pid"), int)
        return silent > STALE_AFTER_SECONDS or (here and not is_running(owner["pid"]))

    def _is_own(self, path: Path) -> bool:
        return _owner(path).get("token") == self._owner["token"]

    def _try_once(self) -> None:
        """Say before the first work is taken where only one command at a time is safe."""
        if self._tried:
            return
        self._tried = True
        try:
            place = os.open(self._folder, os.O_RDONLY)
        except OSError:
            return  # there is nothing to try it on; who cannot make the folder is told so
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another command is taking over a lock: there are some
        except OSError as fault:
            self._say(
                f"'{self._folder}': this file system has no locks ({fault.strerror}): two commands here may "
                "train one trial twice. Run one at a time, or give each a part of its own, as in --shard 1/2 "
                "--out PART1, and bring the parts together with 'genbench merge'"
            )
        finally:
            os.close(place)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold a lock on the folder itself; the system lets go of it when its holder dies."""
        try:
            place = os.open(self._folder, os.O_RDONLY)
        except (FileNotFoundError, PermissionError):  # there is none, or a system that opens no folder
            yield
            return
        try:
            # Some network file systems cannot lock a folder, which was said at the start.
            if fcntl is not None:
                with contextlib.suppress(OSError):
                    fcntl.flock(place, fcntl.LOCK_EX)
            yield
        finally:
            os.close(place)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            with self._guard:
                held = list(self._held)
            for path in held:
                # After a long sleep of this machine the lock may be another's by now.
                if self._is_own(path):
                    with contextlib.suppress(OSError):
                        os.utime(path)


def _owner(path: Path) -> dict[str, Any]:
    """Host, process and token of a lock; empty where it is gone or being written."""
    try:
        found = json.loads(read_plain(path))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
