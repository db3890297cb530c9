"""Files below a folder, or in a zip or tar, as one stream of entries; links are followed to what they name.

Archives are read in memory: nothing is unpacked, so no name in an archive can reach outside of anything.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

__all__ = ["ARCHIVES", "UNREADABLE", "Entry", "entries"]

_TAR_OPENERS: Mapping[str, Callable[..., Any]] = {
    ".tar.xz": lzma.open,
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tar": open,
}
ARCHIVES = (*_TAR_OPENERS, ".zip")
UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
HEAD = 32
"""So many bytes of a file are looked at before it is read."""
UTF8_NAME = 0x800


@dataclass(frozen=True)
class Entry:
    """Something below a folder or in an archive.

    Attributes
    ----------
    kind : str
        ``file``, ``folder``, or ``link`` for one that leads nowhere or in a circle.
    head : bytes
        The first bytes of a file.
    content : bytes or None
        None for what is no file, or is not wanted.
    """

    path: PurePosixPath
    kind: str
    head: bytes = b""
    content: bytes | None = None


Wanted = Callable[[PurePosixPath, bytes], bool]


def entries(location: Path, folders: tuple[str, ...], wanted: Wanted) -> Iterator[Entry]:
    """Everything in an archive, or below some folders of a folder.

    Parameters
    ----------
    folders : tuple of str
        Which folders of a folder are entered; archives are read whole.
    wanted : callable
        Told the path of a file and its first bytes, says whether its content is to be read.
    """
    if location.is_dir():
        for name in folders:
            yield from _below(location / name, PurePosixPath(name), (), wanted)
    elif location.name.lower().endswith(".zip"):
        yield from _linked(_zipped(location, wanted), wanted)
    else:
        yield from _linked(_tarred(location, wanted), wanted)


def _below(folder: Path, path: PurePosixPath, above: tuple[str, ...], wanted: Wanted) -> Iterator[Entry]:
    place = os.path.realpath(folder)
    if place in above:
        yield Entry(path, "link")
        return
    yield Entry(path, "folder")
    with os.scandir(folder) as found:
        listed = sorted(found, key=lambda each: each.name)
    for each in listed:
        if _leads_nowhere(each):
            yield Entry(path / each.name, "link")
        elif each.is_dir():
            yield from _below(Path(each.path), path / each.name, (*above, place), wanted)
        elif each.is_file():
            with Path(each.path).open("rb") as stream:
                head = stream.read(HEAD)
                content = head + stream.read() if wanted(path / each.name, head) else None
            yield Entry(path / each.name, "file", head, content)
        else:
            yield Entry(path / each.name, "link")


def _leads_nowhere(found: os.DirEntry[str]) -> bool:
    """Whether it is a link to itself, or to links that come back to it."""
    try:
        found.is_dir()
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            return True
        raise
    return False


def _zipped(location: Path, wanted: Wanted) -> Iterator[tuple[Entry, str]]:
    with zipfile.ZipFile(location) as archive:
        for member in archive.infolist():
            path = PurePosixPath(_zip_name(member))
            if member.is_dir():
                yield Entry(path, "folder"), ""
            elif stat.S_ISLNK(member.external_attr >> 16):
                yield Entry(path, "link"), _beside(path, archive.read(member).decode("utf-8", "replace"))
            else:
                content = archive.read(member)
                yield _read(path, content, wanted), ""


def _zip_name(member: zipfile.ZipInfo) -> str:
    """Many programs write UTF-8 and do not say so; some of Windows separate folders in their own way."""
    name = member.filename
    if not member.flag_bits & UTF8_NAME:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name if "/" in name else name.replace("\\", "/")


def _tarred(location: Path, wanted: Wanted) -> Iterator[tuple[Entry, str]]:
    opener = next(each for suffix, each in _TAR_OPENERS.items() if location.name.lower().endswith(suffix))
    with opener(location, "rb") as stream:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if member.isdir():
                    yield Entry(path, "folder"), ""
                elif member.issym():
                    yield Entry(path, "link"), _beside(path, member.linkname)
                elif member.islnk():
                    yield Entry(path, "link"), posixpath.normpath(member.linkname)
                elif member.isfile() and (opened := archive.extractfile(member)):
                    yield _read(path, opened.read(), wanted), ""
                else:
                    yield Entry(path, "link"), ""
        # The checksum of the compressed stream is compared when its end is reached.
        while stream.read(2**20):
            pass


def _read(path: PurePosixPath, content: bytes, wanted: Wanted) -> Entry:
    head = content[:HEAD]
    return Entry(path, "file", head, content if wanted(path, head) else None)


def _beside(path: PurePosixPath, target: str) -> str:
    return posixpath.normpath(str(path.parent / target))


def _linked(found: Iterator[tuple[Entry, str]], wanted: Wanted) -> Iterator[Entry]:
    """Entries of an archive; its links, which may come before what they name, last."""
    files: dict[str, Entry] = {}
    links: dict[str, tuple[Entry, str]] = {}
    for entry, target in found:
        if entry.kind == "link":
            links[posixpath.normpath(str(entry.path))] = (entry, target)
            continue
        if entry.kind == "file":
            files[posixpath.normpath(str(entry.path))] = entry
        yield entry
    for entry, target in links.values():
        yield from _follow(entry, target, files, links, wanted)


def _follow(
    entry: Entry,
    target: str,
    files: Mapping[str, Entry],
    links: Mapping[str, tuple[Entry, str]],
    wanted: Wanted,
) -> Iterator[Entry]:
    """What a link of an archive stands for: a file, or the files below a folder."""
    seen = set()
    while target in links and target not in seen:
        seen.add(target)
        target = links[target][1]
    below = f"{target}/"
    named = {name: each for name, each in files.items() if name == target or name.startswith(below)}
    if not named or not target:
        yield entry
    for name, each in named.items():
        path = entry.path if name == target else entry.path / name[len(below) :]
        # The content was kept if the file itself was wanted; its other name may not be, and is asked again.
        kept = each.content is not None and wanted(path, each.head)
        yield Entry(path, "file", each.head, each.content if kept else None)
