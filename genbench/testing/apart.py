"""A plugin checked in a process of its own, which may hang or die at any law: that law is broken then.

Imports neither torch nor the plugin.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from genbench.base.errors import GenbenchError
from genbench.execution.supervision import WorkerDied, WorkerProcess, WorkerStalled

__all__ = ["CheckedPlugin", "CheckedSubject", "check"]

# Those of executors start workers, which may take long on a busy machine.
SECONDS = {"executor": 600.0}
USUAL_SECONDS = 120.0
STARTING_SECONDS = 300.0

COMMAND = (sys.executable, "-P", "-m", "genbench.testing")


@dataclass
class CheckedSubject:
    """One component, suite or observer with what became of its laws.

    Attributes
    ----------
    kind, name : str
    needs : str
        The setting that must be given before anything can be tried; empty where none must.
    verdicts : dict
        From law to its status, ``holds``, ``broken`` or ``left out``, and why.
    card : dict or None
        Of a measure that breaks no law: what moves it although the network's function stays.
    """

    kind: str
    name: str
    needs: str = ""
    verdicts: dict[str, tuple[str, str]] = field(default_factory=dict)
    card: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """Kind and name: a measure and a probe may have the same name."""
        return f"{self.kind} {self.name}"

    @property
    def broken(self) -> list[str]:
        """The laws that it does not keep."""
        return [law for law, (status, _) in self.verdicts.items() if status == "broken"]


@dataclass
class CheckedPlugin:
    """A plugin with what loading it complained of, and its subjects by their keys."""

    name: str = ""
    problems: list[str] = field(default_factory=list)
    subjects: dict[str, CheckedSubject] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether it has something to check, and nothing is wrong with it."""
        return (
            bool(self.subjects)
            and not self.problems
            and not any(each.broken for each in self.subjects.values())
        )


def check(
    plugin: str,
    only: str = "",
    told: Callable[[CheckedSubject], None] = lambda each: None,
    seconds: float | None = None,
) -> CheckedPlugin:
    """Try every law on every component of a plugin.

    Parameters
    ----------
    plugin : str
        A file, a module, or the name of an installed plugin.
    only : str
        One component of it.
    told : callable, optional
        Is given each subject when its last law was tried.
    seconds : float, optional
        How long one law may take.

    Raises
    ------
    GenbenchError
        There is no such plugin or component.
    """
    checking = _Checking(plugin, only, told, seconds)
    while not checking.goes_through():
        pass
    return checking.found


class _Checking:
    """One plugin, checked by one process after another until all laws are tried."""

    def __init__(self, plugin: str, only: str, told: Callable[[CheckedSubject], None], seconds: float | None):
        self.found = CheckedPlugin()
        self._plugin, self._only, self._tell, self._seconds = plugin, only, told, seconds
        self._told: set[str] = set()
        self._subject: CheckedSubject | None = None
        self._law = ""

    def goes_through(self) -> bool:
        """Try what is not known yet; False where the process ended at a law, which is then broken."""
        process = WorkerProcess(1, COMMAND)
        self._subject, self._law = None, ""
        known = {
            key: [*each.verdicts, *(["card"] if each.card else [])]
            for key, each in self.found.subjects.items()
        }
        try:
            process.send({"plugin": self._plugin, "only": self._only, "known": known})
            while self._took(process.receive(self._limit())):
                pass
            return True
        except (WorkerDied, WorkerStalled) as end:
            died = isinstance(end, WorkerDied)
            why = process.how_it_ended if died else f"it took more than {self._limit():g} s"
            if self._subject is None or not self._law:
                last = "\n".join(process.last_words)
                raise GenbenchError(f"plugin '{self._plugin}' cannot be checked: {why}\n{last}") from None
            self._subject.verdicts[self._law] = ("broken", why.replace("the worker", "its process"))
            return False
        finally:
            process.kill()

    def _limit(self) -> float:
        if not self._law or self._subject is None:
            return STARTING_SECONDS
        return self._seconds or SECONDS.get(self._subject.kind, USUAL_SECONDS)

    def _took(self, event: dict[str, Any]) -> bool:
        """Note an event; False for the last one."""
        what = event["event"]
        if what in ("subject", "end"):
            self._tell_subject()
        if what == "fault":
            fault = GenbenchError(event["text"])
            fault.exit_code = event["exit_code"]
            raise fault
        if what == "plugin":
            self.found.name, self.found.problems = event["name"], event["problems"]
        elif what == "subject":
            made = CheckedSubject(event["kind"], event["name"], event["needs"])
            self._subject, self._law = self.found.subjects.setdefault(made.key, made), ""
        elif what == "law":
            self._law = event["law"]
        elif self._subject is not None and what == "verdict":
            self._subject.verdicts[self._law] = (event["status"], event["why"])
            self._law = ""
        elif self._subject is not None and what == "card":
            self._subject.card, self._law = event["card"], ""
        return what != "end"

    def _tell_subject(self) -> None:
        if self._subject is not None and self._subject.key not in self._told:
            self._told.add(self._subject.key)
            self._tell(self._subject)
