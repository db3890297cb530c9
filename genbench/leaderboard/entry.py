"""An entry: a submitted run as its folder of plain files holds it, read whole and checked line by line."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genbench.base.canonical import canonical_json
from genbench.base.errors import first_line
from genbench.base.outcomes import TARGETS
from genbench.base.toml import parse_toml
from genbench.leaderboard.files import parse, read_files, read_lines, unsafe_text
from genbench.leaderboard.schema import FORMAT, check_line
from genbench.runs.store import Measured, StoredFit

__all__ = ["Attested", "Entry", "EntryFolder", "read_entry", "records_digest"]


@dataclass(frozen=True)
class Attested:
    """What somebody says that a rerun found.

    Attributes
    ----------
    name : str
        Of its file.
    content : dict
        See `genbench.leaderboard.schema.Attestation`.
    text : bytes
        The file, which is what a signature is of.
    signature : str
        In its armour; empty where there is none.
    """

    name: str
    content: Mapping[str, Any]
    text: bytes = b""
    signature: str = ""


@dataclass(frozen=True)
class Entry:
    """What an entry's files hold, each line with the keys that `genbench.leaderboard.schema` gives it.

    Attributes
    ----------
    name : str
        Of its folder.
    header, suite : dict
        The content of ``entry.json`` and of ``suite.toml``.
    measures : dict
        By spelling.
    fits, failures : dict
        By key of the trial.
    values : dict
        By key of the fit, then by spelling of the measure.
    attestations : tuple of Attested
        What reruns found; `genbench.leaderboard.badges` tells which of them count.
    weights : dict or None
        Which archive holds the weights of the fits; None where the entry was packed without.
    digest : str
        SHA-256 of the records; attestations are of these records and do not enter.
    """

    name: str
    header: Mapping[str, Any]
    suite: Mapping[str, Any]
    environments: Mapping[str, Mapping[str, Any]]
    measures: Mapping[str, Mapping[str, Any]]
    fits: Mapping[str, Mapping[str, Any]]
    failures: Mapping[str, Mapping[str, Any]]
    values: Mapping[str, Mapping[str, Mapping[str, Any]]]
    attestations: tuple[Attested, ...] = ()
    digest: str = ""
    weights: Mapping[str, Any] | None = None

    @property
    def joins(self) -> str:
        """The name of the entry over whose fits this one has a few measures; empty where it has its own."""
        return self.header.get("joins", "")

    @property
    def submitter(self) -> str:
        """Who sent it in; ``anonymous`` where nobody is named."""
        return self.header["submitter"] or "anonymous"


@dataclass
class _Reading:
    """Collects problems while the lines of an entry are read."""

    problems: list[str] = field(default_factory=list)

    def lines(self, name: str, content: bytes, unique: Sequence[str]) -> list[dict[str, Any]]:
        """The sound lines of a file; of several with the same `unique` keys none but the first."""
        found, seen = [], set()
        for where, line in read_lines(name, content, self.problems):
            faults = check_line(name, line)
            self.problems += [f"{where}: {each}" for each in faults]
            if faults:
                continue
            identity = tuple(line[each] for each in unique)
            if identity in seen:
                self.problems.append(f"{where}: {' of '.join(map(repr, identity))} is there already")
                continue
            seen.add(identity)
            found.append(line)
        return found

    def document(self, name: str, kind: str, content: bytes) -> dict[str, Any] | None:
        """A file that is one JSON text."""
        try:
            parsed = parse(content)
        except ValueError as fault:
            self.problems.append(f"{name}: {fault}")
            return None
        faults = check_line(kind, parsed)
        self.problems += [f"{name}: {each}" for each in faults]
        return None if faults else parsed

    def attested(self, files: Mapping[str, bytes]) -> list[Attested]:
        """The attestations beside an entry, each with its signature."""
        found = []
        for name, text in sorted(files.items()):
            if name.startswith("attestation-") and name.endswith(".json"):
                content = self.document(name, "attestation", text)
                signature = files.get(f"{name}.sig", b"").decode("ascii", "replace")
                if content is not None:
                    found.append(Attested(name, content, text, signature))
        return found


def read_entry(folder: Path) -> tuple[Entry | None, list[str]]:
    """Read an entry.

    Returns
    -------
    entry : Entry or None
        None where anything at all is wrong with its files: no part of such an entry is used.
    problems : list of str
        A line each.

    Raises
    ------
    InvalidInput
        The folder cannot be read, or not within the limits.
    """
    files = read_files(folder)
    reading = _Reading()
    header = reading.document("entry.json", "entry.json", files["entry.json"])
    if header is not None and header["format"] != FORMAT:
        return None, [f"entry.json: has format {header['format']}; this version of genbench reads {FORMAT}"]
    suite = _suite(files["suite.toml"], reading.problems)
    environments = reading.lines("environments.jsonl", files["environments.jsonl"], ["hash"])
    measures = reading.lines("measures.jsonl", files["measures.jsonl"], ["measure"])
    fits = reading.lines("fits.jsonl", files["fits.jsonl"], ["key"])
    failures = reading.lines("failures.jsonl", files.get("failures.jsonl", b""), ["key"])
    listed = reading.lines("values.jsonl", files["values.jsonl"], ["measure", "fit"])
    weights = None
    if "weights.json" in files:
        weights = reading.document("weights.json", "weights.json", files["weights.json"])
    attested = reading.attested(files)
    if reading.problems or header is None:
        return None, reading.problems
    values: dict[str, dict[str, Any]] = {}
    for line in listed:
        values.setdefault(line["fit"], {})[line["measure"]] = line
    return Entry(
        name=folder.resolve().name,
        header=header,
        suite=suite,
        environments={each["hash"]: each["content"] for each in environments},
        measures={each["measure"]: each for each in measures},
        fits={each["key"]: each for each in fits},
        failures={each["key"]: each for each in failures},
        values=values,
        attestations=tuple(attested),
        digest=records_digest(files),
        weights=weights,
    ), []


def records_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 of the unpacked files, attestations left out."""
    parts = [
        [name, hashlib.sha256(content).hexdigest()]
        for name, content in sorted(files.items())
        if not name.startswith("attestation-")
    ]
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def _suite(content: bytes, problems: list[str]) -> dict[str, Any]:
    try:
        suite = parse_toml(content.decode("utf-8"))
        # Dates and infinities are TOML, but nothing that a suite holds.
        canonical_json(suite)
    except (ValueError, TypeError, RecursionError) as fault:
        why = "nested too deep" if isinstance(fault, RecursionError) else first_line(fault)
        problems.append(f"suite.toml: is no suite: {why}")
        return {}
    for key in ("name", "title", "notes"):
        text = suite.get(key, "")
        if not isinstance(text, str) or (why := unsafe_text(text)):
            problems.append(f"suite.toml: {key}: {'must be a text' if not isinstance(text, str) else why}")
    if not isinstance(suite.get("version", 1), int):
        problems.append("suite.toml: version: must be a whole number")
    for key in ("targets", "measures"):
        words = suite.get(key, [])
        listed = words if isinstance(words, list) else [words]
        if not all(isinstance(each, str) and not unsafe_text(each) for each in listed):
            problems.append(f"suite.toml: {key}: must be a list of texts")
        elif key == "targets" and (isinstance(words, str) or not set(words) <= {*TARGETS}):
            problems.append(f"suite.toml: targets: must be a list of {', '.join(TARGETS)}")
    return suite


class EntryFolder:
    """An entry in the place of a run folder, for what reads results."""

    def __init__(self, entry: Entry):
        self._entry = entry

    def suite_content(self) -> dict[str, Any]:
        """The suite as run, a copy of its top level."""
        return dict(self._entry.suite)

    def fit_keys(self) -> list[str]:
        """Keys of all trials, of those that failed too, sorted."""
        return sorted({*self._entry.fits, *self._entry.failures})

    def fit(self, key: str) -> StoredFit | None:
        """The fit of a trial, which has a record and no files; None where there is none."""
        record = self._entry.fits.get(key)
        return None if record is None else StoredFit(key, record, Path())

    def failure(self, key: str) -> Mapping[str, Any] | None:
        """What is known of a training that failed; None where none did."""
        return self._entry.failures.get(key)

    def measured(self, key: str) -> Measured:
        """The values of a fit, each with what the entry says of its measure."""
        described = ("aliases", "version", "plugin", "family", "direction", "cost_class", "held_out")
        return Measured(
            {
                name: {**value, **{each: self._entry.measures[name][each] for each in described}}
                for name, value in self._entry.values.get(key, {}).items()
            }
        )
