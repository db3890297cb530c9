"""Records on disk: JSON files under a seal, written once and whole, and read with suspicion."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from genbench.base.canonical import canonical_json, joined
from genbench.base.errors import InvalidInput
from genbench.base.files import read_plain, strict_json, unwritable, write_atomically
from genbench.runs.shapes import misshapen

__all__ = ["RecordFiles", "plain", "seal", "unsealed"]

FORMAT = 1


class RecordFiles:
    """The records below a folder.

    Parameters
    ----------
    path : Path
    warn : callable, optional
        Takes a line for each record that is damaged and will be made again.
    refuse_unreadable : bool
        Whether a record that may not be read ends the command.
    """

    def __init__(
        self,
        path: Path | str,
        warn: Callable[[str], None] = lambda line: None,
        *,
        refuse_unreadable: bool = False,
    ):
        self.path = Path(path)
        self._refuse_unreadable = refuse_unreadable
        self._warn = warn
        self._warned: set[str] = set()
        self._spoiled: set[Path] = set()
        # Records that were found sound, as they were then: a number for each, for they are many.
        self._sound: set[int] = set()

    @property
    def lines_told(self) -> int:
        """How many lines about damaged records were told so far."""
        return len(self._warned)

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        body = plain({**content, "format": FORMAT})
        body["sha256"] = seal(body)
        self._write_bytes(path, strict_json(body))

    def _write_by_hash(self, folder: Path, content: Mapping[str, Any]) -> None:
        """Write a record under the hash of its content, which is made canonical once for name and seal."""
        body = plain(content)
        texts = {name: canonical_json(each) for name, each in body.items()}
        name = _hash(joined(texts))[:32]
        texts.pop("sha256", None)  # of a record that was read: the seal is of all else
        sealed = {**body, "format": FORMAT, "sha256": _hash(joined({**texts, "format": str(FORMAT)}))}
        self._write_bytes(folder / f"{name}.json", strict_json(sealed))

    def _write_bytes(self, path: Path, content: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        except OSError as fault:
            raise unwritable(path, fault) from None

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            about = path.stat()
            sign = hash((path, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino))
            content = json.loads(read_plain(path))
            if sign in self._sound:
                return dict(content)
            whole = isinstance(content, dict) and content.get("sha256") == seal(content)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as fault:
            self._unreadable(path, fault)
            return None
        except (ValueError, RecursionError) as fault:
            self._damaged(path, str(fault))
            return None
        if not whole:
            self._damaged(path, "its content does not match its checksum")
            return None
        if content.get("format") != FORMAT:
            self._say(
                f"{path.relative_to(self.path)} has format {content.get('format')}, "
                f"this version reads {FORMAT}"
            )
            return None
        if why := misshapen(path, content):
            self._damaged(path, why)
            return None
        self._sound.add(sign)
        return content

    def clear_damaged(self) -> None:
        """Remove the files that were found damaged and have been made again under other names."""
        for path in self._spoiled:
            with contextlib.suppress(OSError):
                path.unlink()
        self._spoiled.clear()

    def _records(self, folder: Path) -> list[Path]:
        """The records in a folder; what other systems lay beside them, such as ``._a.json``, is none."""
        try:
            names = os.listdir(folder)  # noqa: PTH208 - glob takes a folder that may not be read for empty
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as fault:
            self._unreadable(folder, fault)
            return []
        return [folder / each for each in sorted(names) if each.endswith(".json") and each[0] != "."]

    def _unreadable(self, path: Path, fault: OSError) -> None:
        if self._refuse_unreadable:
            raise InvalidInput(
                f"'{path}': cannot be read: {fault.strerror}; it is kept as it is: "
                "make it readable, or remove it to have it made again"
            )
        self._say(f"{path.relative_to(self.path)} cannot be read: {fault.strerror}; it is left out")

    def _damaged(self, path: Path, why: str) -> None:
        if path.parent.name in ("values", "failures"):  # a fit's own files are replaced by name
            self._spoiled.add(path)
        then = "it will be made again"
        if path.parent.name == "environments":
            then = "it is made again where the same machine with the same versions does more work here"
        self._say(f"{path.relative_to(self.path)} is damaged ({why}); {then}")

    def _say(self, line: str) -> None:
        if line not in self._warned:
            self._warned.add(line)
            self._warn(line)


def unsealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it was before it was sealed."""
    return {name: each for name, each in content.items() if name not in ("sha256", "format")}


def seal(content: Mapping[str, Any]) -> str:
    """The hash that a record carries of the rest of itself."""
    body = {key: value for key, value in content.items() if key != "sha256"}
    return _hash(canonical_json(body))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_AS_THEY_ARE = frozenset((int, bool, type(None)))


def plain(content: Any) -> Any:
    """What comes back when it is written and read."""
    kind = type(content)
    if kind is str:
        return content if content.isascii() else content.encode(errors="replace").decode()
    if kind is int or kind is bool or content is None:
        return content
    if kind is dict:
        return {
            str(key): value if type(value) in _AS_THEY_ARE else plain(value) for key, value in content.items()
        }
    if isinstance(content, float):
        return float(content) if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(each) for each in content]
    return json.loads(json.dumps(content))
