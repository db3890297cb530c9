"""An index of a run folder: what its records said when they were last read, in one file, quick to read.

The records stay the truth. A row counts while the files of its fit are those that it was made from, by name,
size, time and place on the disk; whatever differs is read anew. The index lies in the cache, so that run
folders hold nothing but records, may be copied and merged, and may be read where they cannot be written; who
deletes it loses nothing but time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genbench.base.errors import InvalidInput
from genbench.base.files import cache_folder
from genbench.runs.rows import LONG, SAID, FitRecord, Meanings, Row

__all__ = ["Index", "signature"]

PATIENCE_SECONDS = 5.0
TABLES = """
CREATE TABLE about (folder TEXT NOT NULL);
CREATE TABLE meanings (number INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE);
CREATE TABLE fits (
    key TEXT PRIMARY KEY, signature TEXT NOT NULL, whole INTEGER NOT NULL, record TEXT NOT NULL,
    point TEXT NOT NULL, age TEXT NOT NULL, said BLOB NOT NULL, numbers BLOB NOT NULL, seconds BLOB NOT NULL,
    times TEXT NOT NULL, moments BLOB NOT NULL, conflicts TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE longer (key TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE complete (key TEXT PRIMARY KEY, signature TEXT NOT NULL, battery TEXT NOT NULL) WITHOUT ROWID;
"""
# Of the tables, of what is said of a value and, by a number, of what else rows hold: another, and the index
# is made anew.
FORMAT = zlib.crc32(repr((1, TABLES, SAID, LONG)).encode()) >> 1


def signature(folder: Path, parts: Sequence[str] = ("", "values")) -> str:
    """What tells the files of a fit from others, contents unread: name, size, times and inode of each.

    Parameters
    ----------
    parts : sequence of str
        Which folders below it count; ``("",)`` is the fit itself without its values.

    Returns
    -------
    str
        Empty where there is no record, or the folder cannot be read.
    """
    found = []
    for part in parts:
        try:
            with os.scandir(os.path.join(folder, part)) as entries:  # noqa: PTH118 - asked of every fit
                for each in entries:
                    if each.name[0] != "." and each.is_file():
                        about = each.stat()
                        times = (about.st_mtime_ns, about.st_ctime_ns)  # the second tells of permissions too
                        found.append((part, each.name, about.st_size, *times, about.st_ino))
        except FileNotFoundError:
            continue
        except OSError:
            return ""
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest() if found else ""


class Index:
    """The index of one run folder; empty, and forgetful, where none can be kept.

    Parameters
    ----------
    folder : Path
        The run folder.
    """

    def __init__(self, folder: Path):
        self._folder = folder.resolve()
        self._base = self._opened()
        self.meanings = Meanings(self._known_meanings())
        self._stored = len(self.meanings.known)

    # --- rows --------------------------------------------------------------------------------------

    def rows(self) -> dict[str, tuple[str, bool, Row]]:
        """By key the signature of each row's files, whether its weights were read too, and the row."""
        found = {
            key: (sign, bool(whole), self._row(key, *rest)) for key, sign, whole, *rest in self._select()
        }
        known = len(self.meanings.known)  # another command may have added some since they were read
        return {key: each for key, each in found.items() if each[2].said.max(initial=-1) < known}

    def _select(self) -> Iterator[tuple[Any, ...]]:
        names = "key, signature, whole, record, point, age, said, numbers, seconds, times, moments, conflicts"
        return self._asked(f"SELECT {names} FROM fits")

    def _row(self, key: str, record: str, point: str, age: str, *columns: Any) -> Row:
        said, numbers, seconds, times, when, conflicts = columns
        return Row(
            key=key,
            record=FitRecord(record, lambda: self._longer(key)),
            point=point,
            age=tuple(json.loads(age)),
            said=np.frombuffer(said, dtype=np.int32),
            numbers=np.frombuffer(numbers, dtype=float),
            seconds=np.frombuffer(seconds, dtype=float),
            times=tuple(json.loads(times)),
            when=np.frombuffer(when, dtype=np.int32),
            conflicts=() if conflicts == "[]" else tuple(json.loads(conflicts)),
        )

    def _longer(self, key: str) -> Mapping[str, Any]:
        for (content,) in self._asked("SELECT content FROM longer WHERE key = ?", key):
            return dict(json.loads(content))
        return {}

    def add(self, fresh: Iterable[tuple[str, bool, Row]]) -> None:
        """Keep rows, each with the signature of its files and whether its weights were read."""
        fits, longer = [], []
        for sign, whole, row in fresh:
            brief = {name: value for name, value in row.record.items() if name not in LONG}
            rest = {name: value for name, value in row.record.items() if name in LONG}
            arrays = (row.said.tobytes(), row.numbers.tobytes(), row.seconds.tobytes())
            texts = (json.dumps(brief), row.point, json.dumps(row.age))
            moments = (json.dumps(row.times), row.when.tobytes(), json.dumps(row.conflicts))
            fits.append((row.key, sign, int(whole), *texts, *arrays, *moments))
            longer.append((row.key, json.dumps(rest)))
        new = [
            (number, json.dumps(each))
            for number, each in enumerate(self.meanings.known[self._stored :], self._stored)
        ]
        written = self._write(
            ("INSERT INTO meanings VALUES (?, ?)", new),
            ("INSERT OR REPLACE INTO fits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", fits),
            ("INSERT OR REPLACE INTO longer VALUES (?, ?)", longer),
        )
        if written:
            self._stored = len(self.meanings.known)

    # --- what is complete --------------------------------------------------------------------------

    def complete(self) -> dict[str, tuple[str, str]]:
        """By key the signature of the files in which nothing was missing, and the battery asked for then."""
        return {key: (sign, battery) for key, sign, battery in self._asked("SELECT * FROM complete")}

    def add_complete(self, fresh: Iterable[tuple[str, str, str]]) -> None:
        """Keep the key, the signature and the battery of fits of which no value is missing."""
        self._write(("INSERT OR REPLACE INTO complete VALUES (?, ?, ?)", list(fresh)))

    # --- the file ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _opened(self) -> sqlite3.Connection:
        try:
            home = cache_folder() / "indexes"
            home.mkdir(parents=True, exist_ok=True)
            self._path = home / f"{hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:32]}.sqlite"
            if not self._path.exists():
                _sweep(home)
            return self._sound(self._path)
        except (OSError, InvalidInput, sqlite3.Error):
            return self._made(sqlite3.connect(":memory:"))

    def _sound(self, path: Path) -> sqlite3.Connection:
        """The data base at `path`; one that is damaged or of another format is made anew."""
        base = sqlite3.connect(path, timeout=PATIENCE_SECONDS)
        try:
            (version,) = base.execute("PRAGMA user_version").fetchone()
            if version == FORMAT:
                base.execute("SELECT folder FROM about").fetchone()
                return base
        except sqlite3.OperationalError:
            base.close()
            raise
        except sqlite3.DatabaseError:
            pass
        base.close()
        path.unlink(missing_ok=True)
        return self._made(sqlite3.connect(path, timeout=PATIENCE_SECONDS))

    def _made(self, base: sqlite3.Connection) -> sqlite3.Connection:
        base.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {FORMAT}; COMMIT;")
        base.execute("INSERT INTO about VALUES (?)", (str(self._folder),))
        base.commit()
        return base

    def _known_meanings(self) -> list[Mapping[str, Any]]:
        found = self._asked("SELECT content FROM meanings ORDER BY number")
        return [json.loads(content) for (content,) in found]

    def _asked(self, question: str, *given: Any) -> Iterator[tuple[Any, ...]]:
        """The answer to a question; none where the file is held or damaged, since then records are read."""
        try:
            return iter(self._base.execute(question, given).fetchall())
        except sqlite3.OperationalError:
            return iter(())
        except sqlite3.DatabaseError:
            self._base.close()
            self._path.unlink(missing_ok=True)
            self._base = self._opened()
            return iter(())

    def _write(self, *steps: tuple[str, list[tuple[Any, ...]]]) -> bool:
        """All steps or none; False where the file cannot be written now: then the next reader reads."""
        try:
            with self._base:
                for statement, rows in steps:
                    self._base.executemany(statement, rows)
        except sqlite3.Error:
            return False
        return True


def _sweep(home: Path) -> None:
    """Remove the indexes of run folders that are gone."""
    for path in home.glob("*.sqlite"):
        with contextlib.suppress(OSError, sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as base:
            (folder,) = base.execute("SELECT folder FROM about").fetchone()
            if not Path(folder).exists():
                path.unlink()
