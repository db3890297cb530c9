"""The run folder: records written once, atomically, and read with suspicion.

Readers take the union of what is there, so merging two machines' work is copying folders.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from genbench.base.canonical import digest
from genbench.base.errors import InvalidInput, nearest_beside
from genbench.base.files import (
    copy_atomically,
    is_handed_over,
    read_plain,
    sweep,
    unwritable,
    write_atomically,
)
from genbench.base.toml import as_toml, parse_toml
from genbench.base.values import Status
from genbench.planning.sameness import suite_digest
from genbench.planning.suite import Suite
from genbench.runs.records import RecordFiles, plain, unsealed
from genbench.runs.weights import read_states, states_as_bytes, weights_fault

__all__ = ["LARGEST_RECORD", "Folder", "Measured", "StoredFit", "is_entry"]

LARGEST_RECORD = 256 << 20
"""Bytes of a record that anybody may have written, for it to be read."""


@dataclass(frozen=True)
class StoredFit:
    """The outcome of one trial as read from disk."""

    key: str
    record: Mapping[str, Any]
    folder: Path

    def load_states(self) -> dict[str, dict[str, Any]]:
        """The weights that were kept: ``initial``, ``final``, ``milestone-0.1``, ``snapshot-120`` ...

        Returns
        -------
        dict of dict of Tensor
            For each name a state dictionary.
        """
        return read_states(self.folder / "weights.safetensors", self.record["states"])


@dataclass(frozen=True)
class Measured:
    """The values of one fit, one for each measure; of several passes the best one counts.

    `times` tells when each was computed, where that is known.
    """

    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()
    times: Mapping[str, str] = field(default_factory=dict)


def is_entry(path: Path) -> bool:
    """Whether a path is an entry's folder rather than a run's; both have a suite.toml."""
    return (path / "entry.json").is_file() and not (path / "fits").is_dir()


class Folder(RecordFiles):
    """One run folder.

    Parameters
    ----------
    path : Path
    warn : callable, optional
        Takes a line for each record that is damaged and will be made again.
    refuse_unreadable : bool
        Whether a record that may not be read ends the command, as it must where what is not there is made:
        what nobody can look into may be whole. Otherwise it is told and left out.
    """

    # --- the suite ---------------------------------------------------------------------------------

    @property
    def suite_file(self) -> Path:
        """Where the suite as run is written down."""
        return self.path / "suite.toml"

    def check_belongs(self, suite: Suite) -> None:
        """Check that the folder is free for a suite, without writing anything.

        Raises
        ------
        InvalidInput
            There is a file in its place, or it holds the run of a different suite.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InvalidInput(f"output folder '{self.path}': is a file")
        if not self.suite_file.exists():
            return
        there = self.suite_content()
        if suite_digest(there) != suite_digest(suite.content):
            raise InvalidInput(
                f"output folder '{self.path}' holds a run of "
                f"{'another version of ' if there.get('name') == suite.name else ''}suite "
                f"'{there.get('name', '?')}' with other content; choose another --out"
            )

    def open_for(self, suite: Suite) -> None:
        """Make the folder, or check that it belongs to this suite.

        Raises
        ------
        InvalidInput
            The folder cannot be written, or holds the run of a different suite.
        """
        self.check_belongs(suite)
        try:
            (self.path / "fits").mkdir(parents=True, exist_ok=True)
            (self.path / "environments").mkdir(exist_ok=True)
            if not self.suite_file.exists():
                write_atomically(self.suite_file, as_toml({"name": suite.name, **suite.content}).encode())
        except OSError as fault:
            raise unwritable(self.path, fault, "output folder ") from None
        self.check_belongs(suite)

    def suite_content(self) -> dict[str, Any]:
        """The suite as run, with the key ``name``.

        Raises
        ------
        InvalidInput
            This is not a run folder, or its suite file is damaged.
        """
        if not self.suite_file.is_file():
            absent = "it has no suite.toml"
            if not self.path.exists():
                absent = f"it does not exist{nearest_beside(self.path, '*/')}"
            raise InvalidInput(f"'{self.path}' is not a run folder: {absent}")
        if (self.path / "fits").is_file():
            raise InvalidInput(f"'{self.path}' is not a run folder: 'fits' is a file, where fits are to lie")
        if is_entry(self.path):
            raise InvalidInput(f"'{self.path}' is not a run folder: it is an entry of a leaderboard")
        try:
            content = parse_toml(read_plain(self.suite_file).decode("utf-8-sig"))
        except OSError as fault:
            raise InvalidInput(f"{self.suite_file}: cannot be read: {fault.strerror}") from None
        except ValueError as fault:
            raise InvalidInput(f"{self.suite_file}: is damaged: {fault}") from None
        if not content:
            raise InvalidInput(f"{self.suite_file}: is damaged: it is empty")
        return content

    # --- environments ------------------------------------------------------------------------------

    def add_environment(self, content: Mapping[str, Any]) -> str:
        """Store a description of versions and hardware once; returns its hash."""
        name = digest(content)
        path = self.path / "environments" / f"{name}.json"
        if self._read(path) is None:
            self._write(path, content)
        return name

    def environment(self, name: str) -> dict[str, Any] | None:
        """One of them."""
        return self._read(self.path / "environments" / f"{name}.json")

    def environments(self) -> dict[str, dict[str, Any]]:
        """All environments by hash."""
        found = {}
        for path in self._records(self.path / "environments"):
            content = self._read(path)
            if content is not None:
                found[path.stem] = content
        return found

    # --- fits --------------------------------------------------------------------------------------

    def fit_folder(self, key: str) -> Path:
        """Where the fit of a trial is written, whether it is there or not."""
        return self.path / "fits" / key

    def fit_keys(self) -> list[str]:
        """Keys of the folders that hold, or begin to hold, a fit."""
        fits = self.path / "fits"
        if not fits.is_dir():
            return []
        with os.scandir(fits) as entries:
            return sorted(each.name for each in entries if each.is_dir())

    def write_fit(self, key: str, record: Mapping[str, Any], states: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the weights, then the record that vouches for them."""
        folder = self.fit_folder(key)
        weights = states_as_bytes(states)
        self._write_bytes(folder / "weights.safetensors", weights)
        vouched = {
            **record,
            "key": key,
            "states": sorted(states),
            "weights": {"bytes": len(weights), "sha256": hashlib.sha256(weights).hexdigest()},
        }
        self._write(folder / "fit.json", vouched)

    def restore_fit(self, key: str, record: Mapping[str, Any], weights: bytes) -> None:
        """Write a fit that another folder had: its weights, then the record that vouches for them."""
        folder = self.fit_folder(key)
        self._write_bytes(folder / "weights.safetensors", weights)
        self._write(folder / "fit.json", {**record, "key": key})

    def take_fit(self, key: str, record: Mapping[str, Any], weights: Path) -> None:
        """The same with the weights from a file, of any size."""
        folder = self.fit_folder(key)
        try:
            copy_atomically(weights, folder / "weights.safetensors")
        except OSError as fault:
            raise unwritable(folder, fault) from None
        self._write(folder / "fit.json", {**record, "key": key})

    def fit(self, key: str, *, check_weights: bool = False) -> StoredFit | None:
        """The fit of a key, or None where there is none or it is damaged.

        Parameters
        ----------
        check_weights : bool
            Read the weights and compare their hash; otherwise their size alone.
        """
        folder = self.fit_folder(key)
        record = self._read(folder / "fit.json")
        if record is None:
            return None
        if record.get("key") != key:
            self._damaged(folder / "fit.json", "it is the record of another trial")
            return None
        weights = folder / "weights.safetensors"
        try:
            fault = weights_fault(weights, record["weights"], whole=check_weights)
        except OSError as why:
            self._unreadable(weights, why)
            return None
        if fault:
            self._damaged(weights, fault)
            return None
        return StoredFit(key, record, folder)

    def handed_over(self, key: str) -> StoredFit | None:
        """The fit of a key in a folder that anybody may have written to; None unless it is whole."""
        folder = self.fit_folder(key)
        plain_files = is_handed_over(folder / "fit.json", LARGEST_RECORD) and is_handed_over(
            folder / "weights.safetensors"
        )
        return self.fit(key, check_weights=True) if plain_files else None

    def holds(self, key: str) -> bool:
        """Whether there is a record of a fit, damaged or not."""
        return (self.fit_folder(key) / "fit.json").exists()

    def write_failure(self, key: str, record: Mapping[str, Any]) -> None:
        """Record that training a trial failed; `retry` trains it again."""
        folder = self.fit_folder(key) / "failures"
        content = plain(record)
        self._write(folder / f"{digest(content)}.json", {**content, "key": key})

    def failure(self, key: str) -> dict[str, Any] | None:
        """The last failure of a trial."""
        found = [self._read(path) for path in self._records(self.fit_folder(key) / "failures")]
        records = [each for each in found if each is not None]
        return max(records, key=lambda each: each.get("time", ""), default=None)

    def forget_failures(self, key: str) -> None:
        """Clear the way for training a trial again."""
        shutil.rmtree(self.fit_folder(key) / "failures", ignore_errors=True)

    # --- values ------------------------------------------------------------------------------------

    def write_values(self, key: str, content: Mapping[str, Any]) -> None:
        """Write one pass of measuring a fit."""
        self._write_by_hash(self.fit_folder(key) / "values", content)

    def measured(self, key: str, wanted: Mapping[str, str] | None = None) -> Measured:
        """The values of a fit by the measure's spelling.

        Of a measure computed in several versions, with other probes or other siblings, the newest version and
        the key used last count. For one key a value that was computed counts before one that was not, a later
        pass before an earlier one.

        Parameters
        ----------
        wanted : dict of str, optional
            For each measure the key that its value must have; others are passed over.
        """
        found: list[tuple[str, Mapping[str, Any]]] = []
        last_used: dict[str, str] = {}
        computed: dict[str, Mapping[str, Any]] = {}
        conflicts: dict[str, None] = {}
        for content in self.passes(key):
            for value in content["values"]:
                name = value["measure"]
                if wanted is not None and wanted.get(name) != value["key"]:
                    continue
                if not Status(value["status"]).is_fault:
                    other = computed.setdefault(value["key"], value)
                    if _result(other) != _result(value):
                        conflicts[f"fit {key}: {name}: {_shown(other)} and {_shown(value)}"] = None
                found.append((content["time"], value))
                last_used[value["key"]] = content["time"]  # passes come oldest first

        def rank(timed: tuple[str, Mapping[str, Any]]) -> tuple[Any, ...]:
            time, value = timed
            has_result = not Status(value["status"]).is_fault
            return value["version"], last_used[value["key"]], has_result, time

        best = {value["measure"]: (time, value) for time, value in sorted(found, key=rank)}
        return Measured(
            {name: value for name, (_, value) in best.items()},
            tuple(conflicts),
            {name: time for name, (time, _) in best.items()},
        )

    def passes(self, key: str) -> Iterator[dict[str, Any]]:
        """The passes of measuring a fit, oldest first."""
        found = []
        for path in self._records(self.fit_folder(key) / "values"):
            content = self._read(path)
            if content is not None and content.get("fit", key) != key:
                self._damaged(path, "it holds values of another fit")
            elif content is not None:
                found.append(content)
        yield from sorted(found, key=lambda each: each["time"])

    def records(self, key: str, kind: Literal["values", "failures"]) -> dict[Path, dict[str, Any]]:
        """The passes of measuring a fit, or the failures to train it, by their files."""
        found = {path: self._read(path) for path in self._records(self.fit_folder(key) / kind)}
        return {path: content for path, content in found.items() if content is not None}

    def forget_values(self, key: str, unwanted: Callable[[Mapping[str, Any]], bool]) -> int:
        """Remove the values of a fit that are unwanted, from all passes; returns how many they were."""
        removed = 0
        for path in self._records(self.fit_folder(key) / "values"):
            content = self._read(path)
            if content is None:
                continue
            left = [value for value in content["values"] if not unwanted(value)]
            if len(left) == len(content["values"]):
                continue
            removed += len(content["values"]) - len(left)
            if left:  # written before the old record goes, so that nothing is lost if this is cut short
                self.write_values(key, {**unsealed(content), "values": left})
            path.unlink()
        return removed

    # --- leftovers ----------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Remove what writers that were killed left half written."""
        for folder in ("", "environments"):
            sweep(self.path / folder)
        for key in self.fit_keys():
            folder = str(self.fit_folder(key))
            for part in ("", "values", "failures"):
                sweep(os.path.join(folder, part))  # noqa: PTH118 - of every fit, and paths take longer


def _result(value: Mapping[str, Any]) -> tuple[Any, ...]:
    return value["status"], value.get("value"), value.get("infinite")


def _shown(value: Mapping[str, Any]) -> str:
    return f"{value.get('value')} ({value['status']})"
