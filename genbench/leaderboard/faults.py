"""What must not be in an entry: keys of other content, seeds against the rule, impossible numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from genbench.base.canonical import canonical_json, digest
from genbench.base.data import NEUTRAL_SPLITS
from genbench.base.errors import InvalidInput
from genbench.base.names import CORE
from genbench.base.values import Status
from genbench.host.identity import identity_digest, value_key
from genbench.host.settings import parse_variant
from genbench.leaderboard.entry import Entry
from genbench.leaderboard.files import shown
from genbench.leaderboard.points import SPLITS, point_of, points_of
from genbench.planning.plan import Trial

__all__ = ["faults"]

# How far a count of wrong examples may be from a whole number, for shares that went through float32.
SLACK = 0.02


def faults(entry: Entry) -> list[str]:
    """A line for each fault of an entry whose lines are sound, each on its own."""
    check = _Check(entry)
    # Nothing can be computed from trials that lack what the seeds depend on.
    return list(check.unusable()) or list(check.everything())


class _Check:
    def __init__(self, entry: Entry):
        self._entry = entry
        self._lines = [*entry.fits.items(), *entry.failures.items()]

    @cached_property
    def _trials(self) -> dict[str, Trial]:
        return {key: Trial.from_dict(line["trial"]) for key, line in self._lines}

    def _where(self, key: str) -> str:
        return f"{'fits' if key in self._entry.fits else 'failures'}.jsonl: {key}"

    def unusable(self) -> Iterator[str]:
        for key, line in self._lines:
            if not SPLITS.keys() - NEUTRAL_SPLITS.keys() <= line["trial"]["splits"].keys() <= SPLITS.keys():
                yield f"{self._where(key)}: trial.splits must have {', '.join(SPLITS)} and nothing else"
            if "batch_size" not in line["trial"]["protocol"]["settings"]:
                yield f"{self._where(key)}: trial.protocol.settings has no batch_size"

    def everything(self) -> Iterator[str]:
        entry = self._entry
        named = entry.header["suite"]["name"], entry.header["suite"]["version"]
        there = entry.suite.get("name"), entry.suite.get("version", 1)
        if named != there:
            yield f"entry.json: names suite {shown(named[0])} {named[1]}, suite.toml {there[0]!r} {there[1]}"
        for key, content in entry.environments.items():
            if digest(content) != key:
                yield f"environments.jsonl: {key}: the hash is not that of its content"
        yield from self._keys()
        yield from self._grid()
        for key, fit in entry.fits.items():
            yield from (f"{self._where(key)}: {each}" for each in self._fit(fit))
        yield from self._measures()
        yield from self._values()
        for each in (attested.content for attested in entry.attestations):
            if each["records"] != entry.digest:
                yield "an attestation is of other records than these; remove it, or run 'reproduce' again"
            else:
                yield from self._attested(each)

    def _attested(self, attestation: Mapping[str, Any]) -> Iterator[str]:
        for fit in attestation["fits"]:
            there = self._entry.fits.get(fit["key"])
            compared = {each["name"]: each["recorded"] for each in fit["outcome"]}
            values = self._entry.values.get(fit["key"], {})
            measured = {each["name"]: each["recorded"] for each in fit["values"]}
            if (
                there is None
                or any(there.get(name) != value for name, value in compared.items())
                or any(values.get(name, {}).get("value") != value for name, value in measured.items())
            ):
                yield f"an attestation says of fit {fit['key']} what the entry does not"
        words = [each["agrees"] for fit in attestation["fits"] for each in fit["outcome"]]
        if attestation["agrees"] and not (words and all(words)):
            yield "an attestation says that it agrees, its comparisons do not"

    def _keys(self) -> Iterator[str]:
        for key in self._entry.failures.keys() & self._entry.fits.keys():
            yield f"failures.jsonl: {key}: there is a fit of this trial"
        for key, trial in self._trials.items():
            made = trial.key_by(self._entry.header["trainer"])
            if made != key:
                yield f"{self._where(key)}: the key is not that of its trial, which is {made}"
        for key, fit in self._entry.fits.items():
            rule, given = self._trials[key].seeds(), fit["seeds"]
            wrong = sorted(name for name in {*rule, *given} if rule.get(name) != given.get(name))
            if wrong:
                yield f"{self._where(key)}: seeds that do not follow the rule: {', '.join(wrong)[:200]}"

    def _grid(self) -> Iterator[str]:
        declared = self._entry.header["components"]
        versions = {(each["kind"], each["name"]): each["version"] for each in declared}
        threads = self._entry.suite.get("threads", 1)
        try:
            points = points_of(self._entry.suite, declared)
        except InvalidInput as fault:
            yield from (f"suite.toml: {each}" for each in fault.problems)
            return
        for key, line in self._lines:
            where, trial = self._where(key), line["trial"]
            if point_of(trial) not in points:
                yield f"{where}: is no point of the suite's grid"
            if trial["threads"] != threads:
                yield f"{where}: {trial['threads']} threads, {threads} in the suite"
            for kind, part in _parts(trial):
                if versions.get((kind, part["name"])) != part["version"]:
                    yield f"{where}: {kind} {shown(part['name'])} has another version than in entry.json"

    def _fit(self, fit: Mapping[str, Any]) -> Iterator[str]:
        if fit["environment"] not in self._entry.environments:
            yield "its environment is not in environments.jsonl"
        classes = fit["trial"]["task"]["kind"] == "classification"
        for name in ("train_error", "train_error_clean", "test_error"):
            error = fit[name]
            count = fit["test_examples" if name == "test_error" else "train_examples"]
            if error is None:
                if fit["stop_reason"] != "diverged":
                    yield f"{name}: is missing, though training did not diverge"
            elif error < 0 or (classes and error > 1):
                yield f"{name}: is {error:g}; it is {'from 0 to 1' if classes else 'never below 0'}"
            elif classes and abs(error * count - round(error * count)) > SLACK:
                yield f"{name}: {error:g} is no whole number of {count} examples"
        for name in ("train_loss", "test_loss"):
            if fit[name] is not None and fit[name] < 0:
                yield f"{name}: is {fit[name]:g}; it is never below 0"
        for name, kind in (("gap", "error"), ("loss_gap", "loss")):
            if not _is_difference(fit[name], fit[f"test_{kind}"], fit[f"train_{kind}"]):
                yield f"{name}: is {fit[name]}, which is not test_{kind} − train_{kind}"

    def _measures(self) -> Iterator[str]:
        for name, line in self._entry.measures.items():
            where, measure = f"measures.jsonl: {shown(name)}", line["identity"]["measure"]
            try:
                spelled, settings = parse_variant(name)
            except InvalidInput:
                yield f"{where}: is not spelled name[key=value,...]"
                continue
            if spelled != measure["name"]:
                yield f"{where}: its identity is that of {shown(measure['name'])}"
            if line["version"] != measure["version"]:
                yield f"{where}: is version {line['version']}, {measure['version']} in its identity"
            owner = spelled.partition(":")[0] if ":" in spelled else CORE
            if line["plugin"] != owner:
                yield f"{where}: is of plugin {shown(line['plugin'])}, of {shown(owner)} by its name"
            for key, value in settings.items():
                if canonical_json([measure["settings"].get(key)]) != canonical_json([value]):
                    yield f"{where}: {shown(key)} is another in its identity"

    def _values(self) -> Iterator[str]:
        entry = self._entry
        identities = {name: identity_digest(line["identity"]) for name, line in entry.measures.items()}
        configurations: dict[str, list[str]] = {}
        for key in entry.fits:
            configurations.setdefault(self._trials[key].configuration, []).append(key)
        for key, values in entry.values.items():
            if key not in entry.fits:
                yield f"values.jsonl: {key}: there is no such fit"
                continue
            siblings = [each for each in configurations[self._trials[key].configuration] if each != key]
            for name, value in values.items():
                where = f"values.jsonl: {shown(name)} of {key}"
                if name not in entry.measures:
                    yield f"{where}: there is no such measure in measures.jsonl"
                    continue
                used = siblings if entry.measures[name]["siblings"] else ()
                if value["key"] != value_key(key, identities[name], used):
                    yield f"{where}: the key is not that of this fit and measure"
                yield from (f"{where}: {each}" for each in _value_faults(value))


def _value_faults(value: Mapping[str, Any]) -> Iterator[str]:
    numbers = (value["value"] is not None) + (value.get("infinite") is not None)
    if value["status"] == Status.OK:
        if numbers != 1:
            yield f"status ok with {'no number' if not numbers else 'a finite number that is infinite too'}"
    elif numbers:
        yield f"a number, though its status is {value['status']}"
    elif value["status"] != Status.NAN and not value.get("reason"):
        yield f"status {value['status']} without a reason"


def _is_difference(given: float | None, high: float | None, low: float | None) -> bool:
    if high is None or low is None or given is None:
        return given is None and (high is None or low is None)
    return math.isclose(given, high - low, rel_tol=1e-12, abs_tol=1e-12)


def _parts(trial: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from ((kind, trial[kind]) for kind in ("dataset", "model", "protocol"))
    yield from (("regularizer", each) for each in trial["regularizers"])
