"""Writing to disk so that a kill at any moment leaves the whole old file or the whole new one."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from genbench.base.errors import DiskFull, GenbenchError, InvalidInput, message_of
from genbench.base.machine import is_running

__all__ = [
    "as_json",
    "cache_folder",
    "copy_atomically",
    "disk_full",
    "file_hash",
    "is_handed_over",
    "passing_folder",
    "read_text",
    "replacing",
    "strict_json",
    "unwritable",
    "write_atomically",
]

NO_ROOM = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
PLAIN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""To open a file as it is, without waiting for a pipe; the one is of Unix, the other of Windows."""
_NATIVE_CODE = re.compile(r"\(os error (\d+)\)")
"""How libraries written in Rust tell the system's code: in words."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, flushed to the disk and renamed to `path` when the block ends well.

    Readers see the old file or the whole new one, and several processes may write the same file at once.

    Raises
    ------
    DiskFull
        Whatever told so, the system or a library that was given the temporary name.
    """
    owner = f"{_here()}-{os.getpid()}"
    temporary = path.with_name(f".{path.name}.{owner}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("r+b" if sys.platform == "win32" else "rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except Exception as fault:
        if full := disk_full(fault, path):
            raise full from fault
        raise
    finally:
        with suppress(OSError):  # its folder may not be there
            temporary.unlink(missing_ok=True)


_TEMPORARY = re.compile(r"\..*\.([0-9a-f]{8})-(\d{1,10})\.[0-9a-f]{12}\.tmp", flags=re.DOTALL)
_OLD_SECONDS = 24 * 3600.0
"""What another machine's process left behind for so long is nobody's."""


def _here() -> str:
    """This machine, in eight characters."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def sweep(folder: Path | str) -> None:
    """Remove the temporary files in a folder whose writers are gone."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a folder that is not there holds nothing
    except OSError:
        return
    for name in names:
        if found := _TEMPORARY.fullmatch(name):
            with suppress(OSError):
                path = Path(folder, name)
                if _is_left_behind(path, found.group(1), int(found.group(2))):
                    path.unlink()


def passing_folder(kind: str) -> tempfile.TemporaryDirectory[str]:
    """A folder for temporary files that goes with this process; those of killed processes go now."""
    prefix = f"genbench-{kind}-{_here()}-"
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        owner = folder.name.removeprefix(prefix).partition("-")[0]
        if owner.isdigit() and not is_running(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-", ignore_cleanup_errors=True)


def _is_left_behind(path: Path, machine: str, process: int) -> bool:
    if machine != _here():
        return time.time() - path.stat().st_mtime > _OLD_SECONDS
    return process != os.getpid() and not is_running(process)


def read_plain(path: Path) -> bytes:
    """The bytes of a plain file; a pipe or a device, which might never end, is an `OSError`."""
    with os.fdopen(os.open(path, PLAIN), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no plain file")
        return file.read()


def is_handed_over(path: Path, most: float = math.inf) -> bool:
    """Whether a file that anybody may have made can be read to its end: plain, of at most so many bytes."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= most


def copy_atomically(source: Path, path: Path) -> None:
    """Copy a file of any size whole, or not at all; see `replacing`."""
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` whole, or not at all; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def disk_full(fault: BaseException, path: Path | None = None) -> DiskFull | None:
    """The full disk behind a fault, whatever became of it on its way up; None where it is another fault.

    Parameters
    ----------
    path : Path, optional
        What was to be written; where left out, the file that the fault names.
    """
    at: BaseException | None = fault
    while at is not None:
        if isinstance(at, DiskFull):
            return at
        code = at.errno if isinstance(at, OSError) else None
        if code is None and (native := _NATIVE_CODE.search(message_of(at))):
            code = int(native.group(1))
        if code in NO_ROOM:
            where = path if path is not None else getattr(at, "filename", None)
            named = f"'{where}': " if where is not None else ""
            return DiskFull(
                f"{named}{NO_ROOM[code]} ({os.strerror(code)}); what is there is whole: "
                "make room and run the same command again"
            )
        at = at.__cause__ or at.__context__
    return None


def unwritable(path: Path, fault: OSError, what: str = "") -> GenbenchError:
    """The line for a file or folder that cannot be written; a full disk is told as such.

    Parameters
    ----------
    what : str
        Words before the path.
    """
    full = disk_full(fault, path)
    return full or InvalidInput(f"{what}'{path}': cannot be written: {fault.strerror or fault}")


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
    """Strict, indented, key-sorted JSON; what is not finite becomes null, what is no text a question mark."""
    return strict_json(_finite(content))


def strict_json(content: Any) -> bytes:
    """The same of content whose numbers are all finite, which is not looked through."""
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    # Half of a pair of surrogates, as file names and messages of plugins may hold, is nothing that UTF-8 has.
    return (text + "\n").encode(errors="replace")


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

    Raises
    ------
    InvalidInput
        None of them is given, and the user has no home.
    """
    if own := os.environ.get("GENBENCH_CACHE"):
        return Path(own).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "genbench"
    if os.environ.get("HOME") != "":  # else ~ would be the root of all folders
        with suppress(RuntimeError):
            return Path("~/.cache/genbench").expanduser()
    raise InvalidInput("there is no home folder to keep the cache in; name a folder in $GENBENCH_CACHE")


def file_hash(path: Path, algorithm: str) -> str:
    """Hexadecimal digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
