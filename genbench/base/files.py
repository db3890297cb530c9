"""Writing to disk so that a kill at any moment leaves the whole old file or the whole new one."""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["as_json", "cache_folder", "file_hash", "read_text", "replacing", "write_atomically"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, flushed to the disk and renamed to `path` when the block ends well.

    Readers see the old file or the whole new one, and several processes may write the same file at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` whole, or not at all; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def read_text(path: Path) -> str:
    """The text of a file as any editor may have saved it: with a byte order mark, with any line ends.

    Raises
    ------
    ValueError
        It is not UTF-8; the message is for people.
    """
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("it is UTF-16; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise ValueError(f"it is not UTF-8 (line {line}); save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_json(content: Any) -> bytes:
    """Strict, indented, key-sorted JSON; what is not finite becomes null."""
    text = json.dumps(_finite(content), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def _finite(content: Any) -> Any:
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(each) for each in content]
    return content


def cache_folder() -> Path:
    """``$GENBENCH_CACHE``, else ``genbench`` in ``$XDG_CACHE_HOME``, else ``~/.cache/genbench``.

    What genbench downloads and prepares is kept there; it is read anew at each call and not created here.
    """
    if own := os.environ.get("GENBENCH_CACHE"):
        return Path(own).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "genbench"
    return Path("~/.cache/genbench").expanduser()


def file_hash(path: Path, algorithm: str) -> str:
    """Hexadecimal digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
