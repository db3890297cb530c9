"""Claims: locks with a heartbeat, by which several commands share the work of one run folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from pathlib import Path

__all__ = ["Claims"]

HEARTBEAT_SECONDS = 5.0
STALE_AFTER_SECONDS = 30.0


class Claims:
    """The claims that one command holds; a thread renews them all.

    A claim whose heartbeat stopped, or whose process on this machine is gone, is taken over.

    Parameters
    ----------
    folder : Path
        Where the lock files lie.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._held: set[Path] = set()
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._owner = {"host": socket.gethostname(), "pid": os.getpid(), "token": secrets.token_hex(8)}
        self._heart = threading.Thread(target=self._beat, name="genbench-heartbeat", daemon=True)
        self._heart.start()

    def take(self, name: str) -> bool:
        """Claim `name`; False where another live command holds it."""
        path = self._folder / f"{name}.lock"
        if path in self._held:
            return True
        if not self._create(path) and not (self._is_stale(path) and self._take_over(path)):
            return False
        with self._guard:
            self._held.add(path)
        return True

    def release(self, name: str) -> None:
        """Give a claim back."""
        path = self._folder / f"{name}.lock"
        with self._guard:
            self._held.discard(path)
        path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give all claims back."""
        self._stop.set()
        for path in list(self._held):
            self.release(path.stem)
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def _create(self, path: Path) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x") as stream:
                stream.write(json.dumps(self._owner))
        except FileExistsError:
            return False
        return True

    def _is_stale(self, path: Path) -> bool:
        try:
            silent = time.time() - path.stat().st_mtime
            owner = json.loads(path.read_text() or "{}")
        except FileNotFoundError:
            return True
        except (OSError, ValueError):
            owner = {}
        here = owner.get("host") == self._owner["host"]
        return silent > STALE_AFTER_SECONDS or (here and not _alive(owner.get("pid", 0)))

    def _take_over(self, path: Path) -> bool:
        # Renaming is atomic: of several commands that find the same dead claim, one gets it.
        grave = path.with_suffix(f".{self._owner['token']}.dead")
        with contextlib.suppress(FileNotFoundError):
            path.rename(grave)
        grave.unlink(missing_ok=True)
        return self._create(path)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            with self._guard:
                held = list(self._held)
            for path in held:
                with contextlib.suppress(OSError):
                    os.utime(path)


def _alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
