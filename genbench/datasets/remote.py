"""Published data files: found in the user's folder or in the cache, downloaded where they are missing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genbench.base.canonical import digest
from genbench.base.downloads import HASHES, NotDownloaded, download
from genbench.base.errors import InvalidInput
from genbench.base.files import cache_folder, file_hash

__all__ = ["Publication", "RemoteFile"]


@dataclass(frozen=True)
class RemoteFile:
    """A published file and where it lies.

    Attributes
    ----------
    name : str
    md5 : str
        What its publishers and torchvision give for it. It stands for the file in keys, whatever is checked.
    urls : tuple of str
    sha256 : str
        What is checked, where it is known.
    """

    name: str
    md5: str
    urls: tuple[str, ...]
    sha256: str = ""

    @property
    def known_hash(self) -> str:
        """What the content must have: the kind of hash, a colon, and its digits."""
        return f"sha256:{self.sha256}" if self.sha256 else f"md5:{self.md5}"

    def fault(self, path: Path) -> str:
        """How the content of a file differs from what was published; empty where it does not."""
        kind, _, due = self.known_hash.partition(":")
        actual = file_hash(path, kind)
        return "" if actual == due else f"its {HASHES[kind]} is {actual}, the published one {due}"

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
            f"dataset '{self.dataset}': {path} is damaged or belongs to another data set ({fault})"
            for file in self.files
            if (path := found[file.name]).name == file.name and (fault := file.fault(path))
        ]
        if problems:
            raise InvalidInput(problems)

    def _obtain(self, file: RemoteFile, root: Path | None) -> Path:
        """One file from the first place that has it undamaged, else downloaded to the cache."""
        for place in self.places(root):
            path = place / file.name
            if path.is_file():
                if not file.fault(path):
                    return path
                sys.stderr.write(f"genbench: {path} is damaged or belongs to another data set\n")
        target = self.own_folder / file.name
        failures = []
        for url in file.urls:
            sys.stderr.write(f"genbench: downloading {url} to {target}\n")
            try:
                download(url, target, file.known_hash)
            except NotDownloaded as fault:
                failures.append(str(fault))
            else:
                return target
        raise InvalidInput(self._advice(root, failures))

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
