"""The folder in which genbench keeps data of its own making, and how a file is put there whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_folder", "replacing"]


def cache_folder() -> Path:
    """``$GENBENCH_CACHE``, else ``genbench`` in ``$XDG_CACHE_HOME``, else ``~/.cache/genbench``.

    It is read anew at each call and not created here. Files given by the user are never written beside.
    """
    if own := os.environ.get("GENBENCH_CACHE"):
        return Path(own).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "genbench"
    return Path("~/.cache/genbench").expanduser()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to `path` when the block ends without an error.

    Readers see the old file or the whole new one, and several processes may write the same file at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
