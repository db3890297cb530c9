"""The archive of a run's weights, which lies beside its entry: written once, read with suspicion.

It is a plain tar: the files of the entry below ``entry/``, and for each fit below ``fits/KEY/`` its weights
and what the run folder knows of it beyond the entry, such as its history. Nothing in it is executed, no path
in it is followed, and nothing is compressed, so that it cannot grow when it is read.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from genbench.base.errors import InvalidInput
from genbench.base.files import as_json, file_hash, replacing
from genbench.leaderboard.files import LIMITS, is_entry_file, parse, shown
from genbench.leaderboard.schema import check_line
from genbench.runs.store import Folder

__all__ = ["DESCRIPTION", "ENDING", "Archive", "archive_beside", "describe", "opened", "write_archive"]

DESCRIPTION = "weights.json"
"""The file of an entry that says which archive is its own."""

ENDING = ".weights.tar"
FORMAT = 1
KEPT = ("history", "test_history", "states", "weights", "time")
"""What the record of a fit has and a line of ``fits.jsonl`` has not."""

MEMBER = re.compile(r"entry/([A-Za-z0-9._-]{1,80})|fits/([0-9a-f]{32})/(fit\.json|weights\.safetensors)")
LARGEST_RECORD = 64 << 20
CHUNK = 1 << 20


def archive_beside(entry: Path) -> Path:
    """Where the archive of an entry is written."""
    return entry.with_name(f"{entry.name}{ENDING}")


def write_archive(path: Path, files: Mapping[str, bytes], folder: Folder, keys: Iterable[str]) -> None:
    """Write the archive of an entry: the same bytes for the same run.

    Parameters
    ----------
    files : mapping of str to bytes
        The entry's, unpacked.
    folder : Folder
        The run.
    keys : iterable of str
        Of the fits.

    Raises
    ------
    InvalidInput
        Weights are damaged or not there.
    """
    with (
        replacing(path) as temporary,
        tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, content in sorted(files.items()):
            _add(archive, f"entry/{name}", content)
        for key in sorted(keys):
            stored = folder.fit(key, check_weights=True)
            if stored is None:
                raise InvalidInput(f"fit {key}: its weights are damaged; 'genbench run' trains it again")
            record = {name: stored.record[name] for name in KEPT if name in stored.record}
            _add(archive, f"fits/{key}/fit.json", as_json(record))
            _add(
                archive,
                f"fits/{key}/weights.safetensors",
                (stored.folder / "weights.safetensors").read_bytes(),
            )


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # of no time and nobody
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def describe(path: Path, url: str) -> dict[str, Any]:
    """What the entry says of its archive: the content of ``weights.json``."""
    return {
        "format": FORMAT,
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": file_hash(path, "sha256"),
        "url": url,
    }


class Archive:
    """An archive of weights, open.

    Attributes
    ----------
    files : dict of bytes
        The entry's.
    records : dict of dict
        What the run folder knew of each fit, by key.
    """

    def __init__(self, path: Path, tar: tarfile.TarFile):
        self._path, self._tar = path, tar
        self._weights: dict[str, tarfile.TarInfo] = {}
        self.files: dict[str, bytes] = {}
        self.records: dict[str, dict[str, Any]] = {}
        seen: set[str] = set()
        for member in tar:
            if not member.isreg() or not (found := MEMBER.fullmatch(member.name)) or member.name in seen:
                raise self._refused(f"holds {shown(member.name)}, which no archive of weights does")
            seen.add(member.name)
            name, key, part = found.groups()
            if name:
                self.files[name] = self._of_entry(name, member)
            elif part == "fit.json":
                self.records[key] = self._record(key, member)
            else:
                self._weights[key] = member
        if lone := sorted(self.records.keys() ^ self._weights.keys()):
            raise self._refused(f"fit {lone[0]}: its record or its weights are not there")

    def weights(self, key: str) -> IO[bytes]:
        """The file of weights of a fit, open."""
        return self._stream(self._weights[key])

    def check(self) -> None:
        """Read everything.

        Raises
        ------
        InvalidInput
            Weights are not those that their record vouches for.
        """
        for key, record in self.records.items():
            whole = hashlib.sha256()
            stream = self.weights(key)
            while chunk := stream.read(CHUNK):
                whole.update(chunk)
            if whole.hexdigest() != record["weights"]["sha256"]:
                raise self._refused(f"fit {key}: its weights are not those that were recorded")

    def _of_entry(self, name: str, member: tarfile.TarInfo) -> bytes:
        if not is_entry_file(name) or name == DESCRIPTION or name.endswith(".gz"):
            raise self._refused(f"holds {shown(member.name)}, which no archive of weights does")
        if member.size > LIMITS[name].unpacked:
            raise self._refused(f"{member.name} has {member.size:,} bytes")
        return self._stream(member).read()

    def _record(self, key: str, member: tarfile.TarInfo) -> dict[str, Any]:
        if member.size > LARGEST_RECORD:
            raise self._refused(f"{member.name} has {member.size:,} bytes")
        try:
            record = parse(self._stream(member).read())
            problems = check_line("fit.json", record)
        except ValueError as fault:
            problems = [str(fault)]
        if problems:
            raise self._refused(f"{member.name}: {problems[0]}")
        return record

    def _stream(self, member: tarfile.TarInfo) -> IO[bytes]:
        stream = self._tar.extractfile(member)
        assert stream is not None  # of a regular file
        return stream

    def _refused(self, why: str) -> InvalidInput:
        return InvalidInput(f"{self._path}: {why}")


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """An archive of weights for reading; whatever is wrong with it is one line.

    Raises
    ------
    InvalidInput
        It is damaged, or is something else.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            yield Archive(path, tar)
    except (tarfile.TarError, EOFError) as fault:
        raise InvalidInput(f"{path}: is no archive of weights, or a damaged one ({fault})") from None
