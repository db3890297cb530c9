"""From a published entry and its archive of weights back to a run folder, to compute new measures on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from genbench.base.downloads import download, is_url
from genbench.base.errors import InvalidInput, UsageError
from genbench.base.files import cache_folder, file_hash, write_atomically
from genbench.base.toml import as_toml
from genbench.leaderboard.entry import Entry
from genbench.leaderboard.pack import write_entry
from genbench.leaderboard.validate import sound_entry
from genbench.leaderboard.weights import DESCRIPTION, ENDING, Archive, opened
from genbench.planning.sameness import suite_digest
from genbench.runs.store import Folder

__all__ = ["Fetched", "fetch"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Fetched:
    """What was fetched.

    Attributes
    ----------
    folder : Path
        The run folder.
    fits, values : int
        In the entry.
    there : int
        Fits of it that the run folder held before.
    """

    folder: Path
    fits: int
    values: int
    there: int


def fetch(source: str, out: Path | None, say: Say) -> Fetched:
    """Make a run folder of a published entry: its fits with their weights, and its values.

    Parameters
    ----------
    source : str
        The folder of an entry, or an archive of weights as a file or as an address.
    out : Path or None
        The run folder; ``runs/NAME`` where left out. What it holds of the same run is kept.
    say : callable
        Takes a line about what is downloaded.

    Raises
    ------
    UsageError, InvalidInput, MissingResult
        There is no such thing, it is damaged, it cannot be fetched, or `out` holds another run. Nothing was
        written then.
    """
    path = Path(source)
    if is_url(source):
        with TemporaryDirectory(dir=_made(cache_folder())) as scratch:
            target = Path(scratch) / (Path(urlsplit(source).path).name or f"entry{ENDING}")
            say(f"downloading {source}")
            download(source, target, None)
            return _of_archive(target, out)
    if (path / "entry.json").is_file():
        return _of_entry(path, out, say)
    if path.is_file():
        return _of_archive(path, out)
    raise UsageError(f"'{source}' is no entry, no archive of weights and no https address")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _of_entry(path: Path, out: Path | None, say: Say) -> Fetched:
    entry = sound_entry(path)
    if entry.weights is None:
        raise InvalidInput(
            f"entry '{entry.name}' has no {DESCRIPTION}: it was packed without --weights, "
            "so that its networks must be trained again to be measured"
        )
    with opened(_archive_of(path, entry, say)) as archive:
        return _restored(entry, archive, out)


def _archive_of(path: Path, entry: Entry, say: Say) -> Path:
    """The archive that an entry names: beside it, in the cache, or fetched; its hash is checked."""
    assert entry.weights is not None
    named = entry.weights
    beside = path.resolve().parent / named["file"]
    if beside.is_file():
        if (actual := file_hash(beside, "sha256")) != named["sha256"]:
            raise InvalidInput(
                f"{beside}: is not the archive of entry '{entry.name}': its SHA-256 is {actual}, "
                f"the entry says {named['sha256']}"
            )
        return beside
    kept = cache_folder() / "downloads" / "weights" / f"{named['sha256']}.tar"
    if kept.is_file() and file_hash(kept, "sha256") == named["sha256"]:
        return kept
    if not named["url"]:
        raise InvalidInput(
            f"entry '{entry.name}': its archive {named['file']} is not beside it, and it names no address; "
            "put the archive there, or fetch the archive itself"
        )
    say(f"downloading {named['url']} ({named['bytes'] / 1e6:,.0f} MB)")
    download(named["url"], kept, f"sha256:{named['sha256']}")
    return kept


def _of_archive(path: Path, out: Path | None) -> Fetched:
    """From the archive alone, which has the files of its entry."""
    with opened(path) as archive, TemporaryDirectory() as scratch:
        folder = Path(scratch) / path.name.removesuffix(ENDING).removesuffix(".tar")
        write_entry(folder, archive.files)
        return _restored(sound_entry(folder), archive, out)


def _restored(entry: Entry, archive: Archive, out: Path | None) -> Fetched:
    if absent := sorted(entry.fits.keys() ^ archive.records.keys()):
        raise InvalidInput(
            f"entry '{entry.name}' and its archive differ in {len(absent)} fits: {absent[0]} ..."
        )
    archive.check()
    folder = Folder(out or Path("runs") / entry.name)
    there = _held(folder, entry, archive)
    if not folder.suite_file.exists():
        write_atomically(folder.suite_file, as_toml(dict(entry.suite)).encode())
    for content in entry.environments.values():
        folder.add_environment(content)
    for key in sorted(entry.fits.keys() - there):
        record = _record(entry.fits[key], archive.records[key])
        folder.restore_fit(key, record, archive.weights(key).read())
    for key in sorted(entry.fits):
        folder.write_values(key, _pass(entry, key, archive.records[key]["time"]))
    for key, failure in entry.failures.items():
        folder.write_failure(key, failure)
    return Fetched(folder.path, len(entry.fits), sum(map(len, entry.values.values())), len(there))


def _held(folder: Folder, entry: Entry, archive: Archive) -> set[str]:
    """The fits of the entry that a folder holds already, with the same weights."""
    if not folder.path.exists() or (folder.path.is_dir() and not any(folder.path.iterdir())):
        return set()
    if not folder.path.is_dir() or suite_digest(folder.suite_content()) != suite_digest(entry.suite):
        raise InvalidInput(f"'{folder.path}' holds something else; choose another --out")
    stored = {key: fit for key in entry.fits if (fit := folder.fit(key, check_weights=True)) is not None}
    for key, fit in stored.items():
        if fit.record["weights"]["sha256"] != archive.records[key]["weights"]["sha256"]:
            raise InvalidInput(
                f"'{folder.path}' holds other weights of fit {key} than entry '{entry.name}'; "
                "choose another --out"
            )
    return set(stored)


def _record(fit: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a fit as a run folder has it."""
    return {**{name: value for name, value in fit.items() if name not in ("gap", "loss_gap")}, **kept}


def _pass(entry: Entry, key: str, time: str) -> dict[str, Any]:
    """The values of a fit as one pass of measuring it."""
    return {
        "fit": key,
        "environment": entry.fits[key]["environment"],
        "time": time,
        "seconds": sum(each["seconds"] for each in entry.values.get(key, {}).values()),
        "probes": {},
        "values": [_value(entry, each) for each in entry.values.get(key, {}).values()],
    }


def _value(entry: Entry, line: Mapping[str, Any]) -> dict[str, Any]:
    measure = entry.measures[line["measure"]]
    described = ("aliases", "version", "plugin", "source", "family", "direction", "cost_class", "held_out")
    return {
        "reason": "",
        **{name: value for name, value in line.items() if name != "fit"},
        **{name: measure[name] for name in described},
        "code": measure["identity"]["measure"]["source"],
    }
