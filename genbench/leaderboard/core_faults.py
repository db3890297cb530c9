"""What an entry says of the core's components, held against those that are installed.

Nothing of this rests on the submitter's word: versions, directions, families, needs, held-out flags, costs,
default settings, checksums, tasks and sizes are those of the installed components, and what a network has
before it is trained is computed from it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from genbench.base.canonical import canonical_json, digest
from genbench.base.errors import GenbenchError
from genbench.base.names import CORE
from genbench.base.values import Status, StopReason
from genbench.contract.protocol import with_neutral
from genbench.leaderboard.entry import Entry
from genbench.leaderboard.files import shown
from genbench.leaderboard.installed import ask
from genbench.planning.plan import Trial, sees_other_examples

__all__ = ["Held"]

# Of two ways to sum over the training examples, in float32 or on another device.
CLOSE = 1e-3
DESCRIBED = ("aliases", "family", "direction", "cost_class", "siblings")


class Held:
    """An entry, held against what is installed.

    Attributes
    ----------
    faults, missing : list of str
        What cannot be; what the suite asks for and is not there.
    """

    def __init__(self, entry: Entry):
        self._entry = entry
        self._trials = {key: Trial.from_dict(fit["trial"]) for key, fit in entry.fits.items()}
        self._core = {name: each for name, each in entry.measures.items() if each["plugin"] == CORE}
        self.faults: list[str] = []
        self.missing: list[str] = []
        try:
            self._known = ask(self._question())
        except GenbenchError as fault:
            self.faults = [str(fault)]
            return
        self.faults = [
            *self._measures(), *self._components(), *self._datasets(), *self._outcomes(), *self._values(),
        ]  # fmt: skip
        absent = sorted(each for each in self._known["expected"] if each not in entry.measures)
        if absent:
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            few = ", ".join(map(shown, absent[:5]))
            self.missing = [f"{len(absent)} measures that the suite asks for are not there: {few}{more}"]

    def _question(self) -> dict[str, Any]:
        words = self._entry.suite.get("measures", "all")
        declared = self._entry.header["components"]
        return {
            "measures": sorted(self._core),
            "words": [words] if isinstance(words, str) else list(words),
            "components": [[each["kind"], each["name"]] for each in declared if ":" not in each["name"]],
            "datasets": [json.loads(each) for each in self._by_dataset],
            "trials": [self._entry.fits[keys[0]]["trial"] for keys in self._by_architecture.values()],
            "random": [[key, trial.seed] for key, trial in sorted(self._trials.items())],
        }

    @cached_property
    def _by_dataset(self) -> dict[str, list[str]]:
        """Keys of the fits on each data set of the core with its settings."""
        found: dict[str, list[str]] = {}
        for key, trial in self._trials.items():
            if ":" not in trial.dataset.name:
                text = canonical_json([trial.dataset.name, dict(trial.dataset.settings)])
                found.setdefault(text, []).append(key)
        return found

    @cached_property
    def _by_architecture(self) -> dict[str, list[str]]:
        """Keys of the fits whose networks are alike before training, where the core alone builds them."""
        found: dict[str, list[str]] = {}
        for key, trial in self._trials.items():
            if not trial.plugins:
                size = trial.splits["train_size"], trial.splits["validation_size"]
                alike = [trial.model.name, trial.model.settings, trial.task.outputs, trial.task.input_shape]
                stack = [[each.name, each.settings] for each in trial.regularizers]
                data = [trial.dataset.name, trial.dataset.settings]
                found.setdefault(digest([alike, stack, size, data]), []).append(key)
        return found

    # --- what is declared --------------------------------------------------------------------------

    def _measures(self) -> Iterator[str]:
        for name, line in self._core.items():
            where, known = f"measures.jsonl: {shown(name)}", self._known["measures"][name]
            if known is None:
                yield f"{where}: the core has no such measure"
            elif line["version"] > known["version"]:
                yield f"{where}: is version {line['version']}; installed is {known['version']}"
            elif line["version"] == known["version"]:
                yield from (f"{where}: {each}" for each in self._described(line, known))
            else:  # an older one, whose values nobody can check here, says no more of itself than its name
                yield from (
                    f"{where}: {each} is {line[each]!r}; of the installed version it is {known[each]!r}"
                    for each in ("direction", "siblings")
                    if line[each] != known[each]
                )

    def _described(self, line: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
        # Fits of other seeds that saw other examples know more than the fit and its training data tell.
        others = known["siblings"] and any(map(sees_other_examples, self._trials.values()))
        due = {**{name: known[name] for name in DESCRIBED}, "held_out": known["held_out"] or others}
        for name, value in due.items():
            if line[name] != value:
                yield f"{name} is {line[name]!r}; of the installed measure it is {value!r}"
        parts = [known["identity"]["measure"], *known["identity"]["probes"]]
        for part in (line["identity"]["measure"], *line["identity"]["probes"]):
            alike = [each for each in parts if each["name"] == part["name"]]
            if not alike:
                continue  # of an older version, whose values stand apart
            if part["version"] > alike[0]["version"]:
                yield f"it rests on {shown(part['name'])} {part['version']}, which is not installed"
            elif part["version"] == alike[0]["version"] and not any(_is_part(part, each) for each in alike):
                yield f"the settings of {shown(part['name'])} are not those of the installed one"

    def _components(self) -> Iterator[str]:
        declared = [each for each in self._entry.header["components"] if ":" not in each["name"]]
        for line, known in zip(declared, self._known["components"], strict=True):
            where = f"entry.json: {line['kind']} {shown(line['name'])}"
            if known is None or known["name"] != line["name"]:
                yield f"{where}: the core has none of that name"
            elif line["version"] > known["version"]:
                yield f"{where}: is version {line['version']}; installed is {known['version']}"
            elif line["version"] == known["version"] and not _same(_defaults(line), known["defaults"]):
                yield f"{where}: its defaults are not those of the installed one"

    # --- data sets and their sizes -----------------------------------------------------------------

    def _datasets(self) -> Iterator[str]:
        for keys, known in zip(self._by_dataset.values(), self._known["datasets"], strict=True):
            for key in keys:
                fit, trial = self._entry.fits[key], self._trials[key]
                where = f"fits.jsonl: {key}: dataset {shown(trial.dataset.name)}"
                if known is None:
                    yield f"{where}: the core has none with these settings"
                    break
                if known["checksum"] not in (None, trial.checksum):
                    yield f"{where}: its checksum is not that of the installed one"
                if known["task"] is not None and not _same(known["task"], fit["trial"]["task"]):
                    yield f"{where}: its task is not that of the installed one"
                yield from (f"{where}: {each}" for each in _sizes(fit, trial, known))

    # --- what follows from the record --------------------------------------------------------------

    def _outcomes(self) -> Iterator[str]:
        for key, fit in self._entry.fits.items():
            yield from (f"fits.jsonl: {key}: {each}" for each in _ending(fit, self._trials[key]))

    def _values(self) -> Iterator[str]:
        for key, fit in self._entry.fits.items():
            for name in ("train_loss", "train_error"):
                value = self._value(key, name)
                if value is not None and fit[name] is not None and not _close(value, fit[name]):
                    yield f"values.jsonl: {name} of {key}: is {value:.6g}, {fit[name]:.6g} in fits.jsonl"
        due = dict(zip(sorted(self._trials), self._known["random"], strict=True))
        for key, number in due.items():
            value = self._value(key, "random")
            # Another kind of device has another generator.
            if value is not None and self._entry.fits[key]["device"] == "cpu" and value != number:
                yield f"values.jsonl: random of {key}: is {value:.6g}; of this fit it is {number:.6g}"
        for keys, network in zip(self._by_architecture.values(), self._known["networks"], strict=True):
            for key, (name, number) in ((key, each) for key in keys for each in network.items()):
                value = self._value(key, name)
                if value is not None and not math.isclose(value, number, rel_tol=1e-9):
                    yield f"values.jsonl: {name} of {key}: is {value:.6g}; of this network it is {number:.6g}"
        yield from self._excuses()

    def _value(self, key: str, name: str) -> float | None:
        """The number that a measure of the core has, in the version that is installed."""
        line, known = self._core.get(name), self._known["measures"].get(name)
        if line is None or known is None or line["version"] != known["version"]:
            return None
        return self._entry.values.get(key, {}).get(name, {}).get("value")

    def _excuses(self) -> Iterator[str]:
        """Values that are said not to apply, for a reason that no measure of the core gives."""
        seen: dict[tuple[str, str], str] = {}
        for key, values in self._entry.values.items():
            for name, value in values.items():
                if name in self._core and value["status"] == Status.NOT_APPLICABLE:
                    seen.setdefault((name, value["reason"]), key)
        for (name, reason), key in seen.items():
            if not any(could_say(reason, parts) for parts in self._known["reasons"]):
                yield (
                    f"values.jsonl: {shown(name)} of {key}: is said not to apply because {shown(reason)}, "
                    "which no measure says"
                )


def could_say(text: str, parts: Sequence[str]) -> bool:
    """Whether a text has the fixed parts of a message in their order, anything between them."""
    if len("".join(parts)) < 4:
        return False  # nothing is fixed in it
    at = 0
    for number, part in enumerate(parts):
        found = text.find(part, at)
        if found < 0 or (number == 0 and part and found > 0):
            return False
        at = found + len(part)
    return not parts[-1] or text.endswith(parts[-1])


def _is_part(part: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether a part of an identity is the installed one, perhaps from before it had all of its settings."""
    there = {name: known["settings"].get(name) for name in part["settings"]}
    return _same([part["settings"], part["source"]], [there, known["source"]])


def _defaults(component: Mapping[str, Any]) -> Mapping[str, Any]:
    defaults: Mapping[str, Any] = component["defaults"]
    return with_neutral(defaults) if component["kind"] == "protocol" else defaults


def _same(one: Any, other: Any) -> bool:
    return canonical_json(one) == canonical_json(other)


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-6)


def _sizes(fit: Mapping[str, Any], trial: Trial, known: Mapping[str, Any]) -> Iterator[str]:
    splits = trial.splits
    whole = known["train_examples"]
    due = splits["train_size"] or (None if whole is None else whole - splits["validation_size"])
    tested = splits.get("test_size") or known["test_examples"]
    for name, size in (("train_examples", due), ("test_examples", tested)):
        if size is not None and fit[name] != size:
            yield f"{name} is {fit[name]:,}; it must be {size:,}"
    for name, size in (("train_examples", whole), ("test_examples", known["test_examples"])):
        if size is not None and fit[name] > size:
            yield f"{name} is {fit[name]:,}; there are {size:,}"


def _ending(fit: Mapping[str, Any], trial: Trial) -> Iterator[str]:
    """How training ended, against what its protocol allows."""
    settings = trial.protocol.settings
    most, size = settings.get("max_epochs"), settings.get("batch_size")
    if isinstance(most, int) and fit["epochs"] > most:
        yield f"epochs: {fit['epochs']}; its protocol ends after {most}"
    ended = fit["stop_reason"] in (StopReason.TARGET, StopReason.MAX_EPOCHS)
    if fit["stop_reason"] == StopReason.MAX_EPOCHS and isinstance(most, int) and fit["epochs"] != most:
        yield f"stop_reason: max_epochs after {fit['epochs']} epochs of {most}"
    if fit["stop_reason"] == StopReason.TARGET and settings.get("target_loss", 0) is None:
        yield "stop_reason: target, though its protocol has no target_loss"
    if ended and isinstance(size, int) and size > 0 and ":" not in trial.protocol.name:
        least = fit["epochs"] * (fit["train_examples"] // size)
        most_steps = fit["epochs"] * math.ceil(fit["train_examples"] / size)
        if not least <= fit["steps"] <= most_steps:
            yield f"steps: {fit['steps']:,} in {fit['epochs']} epochs of {fit['train_examples']:,} examples"
