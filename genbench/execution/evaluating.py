"""Networks of the user's own measured from files, whosever code measures, model and data are.

What needs the core and the user's network alone is computed by this process. Networks and data that code of
plugins makes are read by a process that has loaded it, and each plugin measures in one that sees what was
handed to it (`genbench.execution.apart`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

import torch

from genbench.base.errors import DiskFull, MissingResult, first_line, printable
from genbench.base.files import passing_folder
from genbench.base.names import CORE
from genbench.base.values import Value, Values
from genbench.contract.components import Kind
from genbench.contract.jobs import Job
from genbench.execution.outcomes import value_of
from genbench.execution.supervision import Slot, supervise
from genbench.fitting.factories import folder_of, named_model
from genbench.fitting.handed_networks import HANDED_OVER, hand_over_networks, handed_network
from genbench.fitting.own_networks import Asked, Measurable, Measured, open_networks
from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.host.elsewhere import NoAnswer
from genbench.host.settings import parse_variant
from genbench.measuring.evaluation import values_of
from genbench.measuring.progress import Report, reporting
from genbench.networks.compiler import leave_out_compiler
from genbench.planning.keys import Limits

__all__ = ["Evaluated", "evaluate_files"]

READING_SECONDS = 1800.0
"""For code of plugins to make networks and data and to see what the ones do on the others."""


@dataclass(frozen=True)
class Evaluated:
    """What came of it.

    Attributes
    ----------
    data : str
    examples : int
        Of the training set.
    tested : int or None
        Examples of the test split; None where there is none.
    networks : sequence of Measured
    """

    data: str
    examples: int
    tested: int | None
    networks: Sequence[Measured]


class _Subjects(Protocol):
    """Networks and their data, read by whatever process."""

    @property
    def told(self) -> Mapping[str, Any]:
        """As of `genbench.fitting.own_networks.Opened.told`."""
        ...

    @property
    def folder(self) -> Path:
        """Where they are handed over."""
        ...

    def network(self, place: int) -> Measurable:
        """One of them in this process."""
        ...


def evaluate_files(
    asked: Asked,
    requests: Sequence[Request],
    host: Host,
    *,
    progress: bool | Callable[[int, int, str], object] = False,
    begin: Callable[[str], None] = lambda name: None,
) -> Evaluated:
    """Measure a network with each of the weights; all files are read and tried before the first measure.

    Parameters
    ----------
    host : Host
        Of which plugins are described, not imported.
    begin : callable
        Told the file whose measures begin.

    Raises
    ------
    UsageError, InvalidInput
        A file does not exist, or does not fit.
    MissingResult
        Code of plugins that makes the networks or the data gives no answer.
    """
    leave_out_compiler()
    battery = Battery.resolve(requests, host.probe_lookup)
    code, _ = named_model(asked.model, host)
    data = host.lookup(Kind.DATASET, parse_variant(asked.dataset)[0]) if asked.dataset else None
    model, dataset = (frozenset({each.plugin} if each else ()) - {CORE} for each in (code, data))
    subjects: _Subjects = _Elsewhere(asked, model | dataset, host) if model | dataset else _Here(asked, host)
    apart = _Apart(asked, subjects, host)
    networks = []
    try:
        for place, (name, outcomes) in enumerate(
            zip(asked.weights or [""], subjects.told["outcomes"], strict=True)
        ):
            begin(name or asked.model)
            found: dict[str, Value] = {}
            with reporting(progress, len(battery.requests)) as report:
                for plugins, part in battery.by_plugins():
                    if plugins | model:
                        found |= apart.values(place, part, plugins | model, report)
                    else:
                        own = subjects.network(place)
                        found |= values_of(own.model, own.examples, part, report, seed=own.seed, **own.roots)
            values = Values((each.spelling, found[each.spelling]) for each in requests)
            networks.append(Measured(name, outcomes, values))
    finally:
        apart.close()
    told = subjects.told
    return Evaluated(told["data"], told["examples"], told["tested"], networks)


class _Here:
    """Networks and data that no code of plugins makes."""

    def __init__(self, asked: Asked, host: Host):
        self._word, self._opened = asked.model, open_networks(asked, host)
        self.told = self._opened.told()

    @cached_property
    def folder(self) -> Path:
        self._folder = passing_folder("networks")
        path = Path(self._folder.name).resolve()
        hand_over_networks(self._opened.networks, self._word, self._opened.data.task, path)
        return path

    def network(self, place: int) -> Measurable:
        return self._opened.networks[place]


class _Elsewhere:
    """Networks and data that a process reads which has loaded these plugins."""

    def __init__(self, asked: Asked, plugins: frozenset[str], host: Host):
        self._host, self._device = host, asked.device
        self._named = " and ".join(f"'{each}'" for each in sorted(plugins))
        try:
            answer = host.deputies.ask(plugins, "networks", asdict(asked), READING_SECONDS)
            self.told = _as_told(answer, len(asked.weights or [""]))
        except NoAnswer as fault:
            raise self._missing(str(fault)) from None
        except (TypeError, ValueError, KeyError, AttributeError):
            raise self._missing("gives an answer that makes no sense") from None
        self.folder = (host.deputies.cache(plugins) or Path()) / HANDED_OVER

    def network(self, place: int) -> Measurable:
        try:
            return handed_network(self.folder, place, self._host, self._device)
        except (OSError, RuntimeError, UnpicklingError) as fault:
            raise self._missing(f"what it hands over cannot be read: {first_line(fault)}") from None

    def _missing(self, why: str) -> MissingResult:
        return MissingResult(f"plugin {self._named}, whose code makes networks or data: {why}")


def _as_told(answer: Any, networks: int) -> dict[str, Any]:
    """What is told of so many networks, by whoever it is; raises where it is something else."""
    outcomes = [
        {printable(str(name)): float(value) for name, value in each.items()} for each in answer["outcomes"]
    ]
    if len(outcomes) != networks:
        raise ValueError
    return {
        "data": printable(str(answer["data"])),
        "examples": int(answer["examples"]),
        "tested": None if answer["tested"] is None else int(answer["tested"]),
        "outcomes": outcomes,
    }


class _Apart:
    """Measures that are computed in processes of their own."""

    def __init__(self, asked: Asked, subjects: _Subjects, host: Host):
        self._asked, self._subjects, self._host = asked, subjects, host
        self._slot = Slot()
        component, _ = named_model(asked.model, host)
        self._code = None if component else folder_of(asked.model, Path.cwd())
        self._data = Path(asked.data).absolute() if asked.data else None
        if self._data and self._code and self._code.is_relative_to(self._data):
            self._data = None  # the network's code lies among the data

    def values(
        self, place: int, battery: Battery, plugins: frozenset[str], report: Report
    ) -> dict[str, Value]:
        """The values of one network, by a process with the core and these plugins."""

        def heard(event: Mapping[str, Any]) -> None:
            if event["event"] == "note":
                report.now(event["component"], event["kind"])

        outcome = supervise(self._job(place, battery, plugins), self._slot, heard)
        if outcome.status == "full":
            raise DiskFull(outcome.reason)
        found = [value_of(each) for each in outcome.values]
        for each in found:
            report.done(each)
        return {each.name: each for each in found}

    def close(self) -> None:
        """End the processes."""
        self._slot.close()

    def _job(self, place: int, battery: Battery, plugins: frozenset[str]) -> Job:
        return Job(
            "evaluate",
            str(place),
            {"threads": torch.get_num_threads()},
            "",
            [asdict(each) for each in self._host.sources_with(plugins)],
            data=str(self._data) if self._data else None,
            device=self._asked.device,
            limits=asdict(Limits()),
            measures=list(battery.measures),
            handed=str(self._subjects.folder),
            code=[str(self._code)] if self._code else [],
        )
