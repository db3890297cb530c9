"""The keys of a suite that make no grid: each checked against its type, faults told to who reads the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from genbench.base.constraints import Count, Positive
from genbench.base.errors import InvalidInput, explained, nearest
from genbench.base.outcomes import TARGETS
from genbench.host import Host
from genbench.planning.claims import TEST_HISTORY

__all__ = ["PARTS", "FileKeys", "Limits", "Reader"]

PARTS = ("dataset", "model", "protocol")


@dataclass(frozen=True)
class Limits:
    """Time limits in seconds; they never enter a key.

    Attributes
    ----------
    training_seconds : float
        One fit. Training ends by itself with the stop reason ``timeout``.
    component_seconds : float
        One probe or measure. The worker is killed and the value recorded as ``timeout``.
    """

    training_seconds: Positive = 86_400.0
    component_seconds: Positive = 600.0


class Reader(Protocol):
    """Who reads the file: the components that it may name, and where its faults are told."""

    host: Host
    check_measures: bool

    def complain(self, where: str, what: str) -> None:
        """Take note of a fault and its place."""
        ...


class FileKeys:
    """The keys of a suite that are no grid: checked one by one, faults collected by the reader."""

    KEYS = (
        "name", "title", "version", *PARTS, "regularizers", "seeds", "grid", "measures", "targets", "keep",
        "limits", "threads", "predicted_gpu_hours", "notes", "claim",
    )  # fmt: skip

    def __init__(self, reader: Reader, content: Mapping[str, Any]):
        self.reader = reader
        self.content = content
        for key in content:
            if key not in self.KEYS:
                reader.complain("", f"unknown key '{key}'{nearest(key, self.KEYS)}")

    def typed(
        self,
        key: str,
        annotation: Any,
        default: Any,
        content: Mapping[str, Any] | None = None,
    ) -> Any:
        """The value of a key as its annotation wants it, the default where it is missing or no such value.

        Parameters
        ----------
        content : mapping, optional
            The table that holds the key, where it is not the file itself.
        """
        from pydantic import TypeAdapter, ValidationError

        content = self.content if content is None else content
        if key not in content:
            return default
        try:
            return TypeAdapter(annotation).validate_json(
                json.dumps(content[key], allow_nan=False), strict=True
            )
        except ValidationError as fault:
            message = explained(fault.errors()[0])
            self.reader.complain(key, f"{message}, not {content[key]!r}")
        except (TypeError, ValueError):
            self.reader.complain(key, f"cannot be {content[key]!r}")
        return default

    def measures(self) -> tuple[str, ...] | Literal["all"]:
        """The words that choose measures, each checked where the reader wants it."""
        given = self.content.get("measures", "all")
        if given == "all":
            return "all"
        words = [given] if isinstance(given, str) else self.typed("measures", list[str], [])
        if self.reader.check_measures:
            self._check_measures(words)
        return tuple(words)

    def _check_measures(self, words: Sequence[str]) -> None:
        from genbench.host.selection import select_measures

        host = self.reader.host
        for word in words:
            try:
                select_measures([word], host)
            except InvalidInput as fault:
                for problem in fault.problems:
                    self.reader.complain("measures", problem)

    def targets(self) -> tuple[str, ...]:
        """What measures are ranked against, the first one where nothing else is said."""
        targets = self.typed("targets", list[str], ["gap"])
        for each in targets:
            if each not in TARGETS:
                self.reader.complain("targets", f"unknown target '{each}'{nearest(each, TARGETS)}")
        return tuple(targets)

    def keep(self) -> tuple[str | Mapping[str, Any], ...]:
        """Which weights of each fit are kept, and what of its training."""
        words, counts = ("initial", "final", "milestones", TEST_HISTORY), ("snapshots", "trajectory")
        given = self.content.get("keep", ["initial", "final"])
        kept: list[str | Mapping[str, Any]] = []
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, Mapping) and len(each) == 1 and set(each) <= {*counts}:
                (what,) = each
                kept.append({what: self.typed(what, Count, 1, each)})
            elif isinstance(each, str) and each in words:
                kept.append(each)
            else:
                named = {each} if isinstance(each, str) else {*each} if isinstance(each, Mapping) else set()
                hint = next((nearest(word, (*words, *counts)) for word in sorted(named - {*counts})), "")
                self.reader.complain(
                    "keep",
                    f"takes {', '.join(words)}, {{ snapshots = N }} and {{ trajectory = N }}, "
                    f"not {each!r}{hint}",
                )
        return tuple(kept)

    def limits(self) -> Limits:
        """The time limits; those that are not given have their defaults."""
        given = self.content.get("limits", {})
        if not isinstance(given, Mapping):
            self.reader.complain("limits", f"must be a table, not {given!r}")
            return Limits()
        for key in given:
            if key not in Limits.__dataclass_fields__:
                hint = nearest(key, Limits.__dataclass_fields__)
                self.reader.complain("limits", f"unknown key '{key}'{hint}")
        return Limits(
            training_seconds=self.typed("training_seconds", Positive, Limits.training_seconds, given),
            component_seconds=self.typed("component_seconds", Positive, Limits.component_seconds, given),
        )
