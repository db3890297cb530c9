"""Published data files: found in the user's folder or in the cache, downloaded where they are missing."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.request import urlopen

from genbench.base.canonical import digest
from genbench.base.errors import InvalidInput
from genbench.base.files import cache_folder, file_hash, replacing

__all__ = ["Publication", "RemoteFile"]

SECONDS_WITHOUT_ANSWER = 30.0
SECONDS_BETWEEN_LINES = 5.0
CHUNK = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A published file, the MD5 that its publishers and torchvision give for it, and where it lies."""

    name: str
    md5: str
    urls: tuple[str, ...]

    @property
    def unpacked(self) -> str:
        """The name of the file once unpacked; the same for one that is not compressed."""
        return self.name.removesuffix(".gz")


@dataclass(frozen=True)
class Publication:
    """The files of one data set, as published.

    Attributes
    ----------
    dataset : str
        The name used in suites.
    files : tuple of RemoteFile
    folders : tuple of str
        Where people keep them below their data folder; the first is the one that errors recommend.
    accepts_unpacked : bool
        Whether a ``.gz`` file that was unpacked is taken too. Its checksum is then unknown here.
    """

    dataset: str
    files: tuple[RemoteFile, ...]
    folders: tuple[str, ...]
    accepts_unpacked: bool = False

    @property
    def checksum(self) -> str:
        """What stands for the content in keys: the published checksums, known before any file is."""
        if len(self.files) == 1:
            return f"md5:{self.files[0].md5}"
        return f"md5s:{digest([file.md5 for file in self.files])}"

    def places(self, root: Path | None) -> list[Path]:
        """The folders that are searched, the user's before the cache."""
        return [*([root / folder for folder in self.folders] if root else []), self.own_folder]

    @property
    def own_folder(self) -> Path:
        """The folder in the cache that downloads go to."""
        return cache_folder() / "downloads" / self.dataset

    def fetch(self, root: Path | None) -> Mapping[str, Path]:
        """Paths of the files by published name: all from one folder of the user's, else each where it is.

        Parameters
        ----------
        root : Path or None
            The user's data folder; nothing is ever written to it.

        Raises
        ------
        InvalidInput
            A file is damaged or belongs to another data set, or is missing and cannot be downloaded.
        """
        for place in self.places(root)[:-1]:
            found = {file.name: path for file in self.files if (path := self._find(file, place))}
            if len(found) == len(self.files):
                self._verify(found)
                return found
        return {file.name: self._obtain(file, root) for file in self.files}

    def _find(self, file: RemoteFile, place: Path) -> Path | None:
        names = (file.name, file.unpacked) if self.accepts_unpacked else (file.name,)
        return next((place / name for name in names if (place / name).is_file()), None)

    def _verify(self, found: Mapping[str, Path]) -> None:
        problems = [
            f"dataset '{self.dataset}': {path} is damaged or belongs to another data set "
            f"(its MD5 is {actual}, the published one {file.md5})"
            for file in self.files
            if (path := found[file.name]).name == file.name and (actual := file_hash(path, "md5")) != file.md5
        ]
        if problems:
            raise InvalidInput(problems)

    def _obtain(self, file: RemoteFile, root: Path | None) -> Path:
        """One file from the first place that has it undamaged, else downloaded to the cache."""
        for place in self.places(root):
            path = place / file.name
            if path.is_file():
                if file_hash(path, "md5") == file.md5:
                    return path
                sys.stderr.write(f"genbench: {path} is damaged or belongs to another data set\n")
        target = self.own_folder / file.name
        failures = []
        for url in file.urls:
            sys.stderr.write(f"genbench: downloading {url} to {target}\n")
            try:
                self._download(url, file, target)
            except (OSError, HTTPException) as error:
                failures.append(str(error))
            else:
                return target
        raise InvalidInput(self._advice(root, failures))

    @staticmethod
    def _download(url: str, file: RemoteFile, target: Path) -> None:
        with replacing(target) as temporary:
            with urlopen(url, timeout=SECONDS_WITHOUT_ANSWER) as response, temporary.open("wb") as out:
                _copy(response, out, file.name)
            actual = file_hash(temporary, "md5")
            if actual != file.md5:
                raise OSError(f"what came has the MD5 {actual}, not {file.md5}")

    def _advice(self, root: Path | None, failures: list[str]) -> str:
        names = ", ".join(file.name for file in self.files)
        sources = " or ".join(url.rpartition("/")[0] + "/" for url in self.files[0].urls)
        if root:
            searched, advised = f"not complete in {root}", str(root / self.folders[0])
        else:
            searched, advised = (
                "no data folder was given",
                f"DATA/{self.folders[0]} and name DATA with --data",
            )
        return (
            f"dataset '{self.dataset}': {searched} and downloading failed ({'; '.join(failures)}); "
            f"put {names} from {sources} into {advised}"
        )


def _copy(response: Any, out: IO[bytes], name: str) -> None:
    """What comes, into a file; every few seconds a line tells how much is there."""
    length = response.headers.get("Content-Length")
    whole = f" of {int(length) / 1e6:,.0f}" if length and length.isdigit() else ""
    came, told = 0, time.monotonic()
    while chunk := response.read(CHUNK):
        out.write(chunk)
        came += len(chunk)
        if time.monotonic() - told >= SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            sys.stderr.write(f"genbench: {came / 1e6:,.0f}{whole} MB of {name}\n")
