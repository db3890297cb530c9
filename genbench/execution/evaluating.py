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
from genbench.fitting.factories import find_factory, folder_of
from genbench.fitting.handed_networks import HANDED_OVER, hand_over_networks, handed_network
from genbench.fitting.own_data import OwnData, read_own_data
from genbench.fitting.own_networks import Measurable, Measured, outcomes_of, read_networks
from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.host.elsewhere import NoAnswer
from genbench.host.settings import parse_variant
from genbench.measuring.evaluation import values_of
from genbench.measuring.progress import Report, reporting
from genbench.planning.keys import Limits

__all__ = ["Asked", "Evaluated", "evaluate_files"]

READING_SECONDS = 1800.0
"""For code of plugins to make networks and data and to see what the ones do on the others."""


@dataclass(frozen=True)
class Asked:
    """What is to be measured, in the words of the command line.

    Attributes
    ----------
    model : str
        As `genbench.fitting.factories.find_factory` takes it.
    dataset, data
        As `genbench.fitting.own_data.read_own_data` takes them.
    weights, initial : sequence of Path
        As `genbench.fitting.own_networks.read_networks` takes them.
    output : str, int or None
    device : str
    seed : int
    """

    model: str
    dataset: str | None
    data: Path | None
    weights: Sequence[Path] = ()
    initial: Sequence[Path] = ()
    output: str | int | None = None
    device: str = "cpu"
    seed: int = 0


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

    data: str
    examples: int
    tested: int | None

    @property
    def outcomes(self) -> Sequence[Mapping[str, float]]:
        """Of each network, as of `Measured`."""
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
    battery = Battery.resolve(requests, host.probe_lookup)
    model, dataset = _plugins_behind(asked, host)
    subjects: _Subjects = _Elsewhere(asked, model | dataset, host) if model | dataset else _Here(asked, host)
    apart = _Apart(asked, subjects, host)
    networks = []
    try:
        for place, outcomes in enumerate(subjects.outcomes):
            name = str(asked.weights[place]) if asked.weights else ""
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
    return Evaluated(subjects.data, subjects.examples, subjects.tested, networks)


def _plugins_behind(asked: Asked, host: Host) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the plugins whose code makes the network, and of those whose code makes the data."""
    model = host.lookup(Kind.MODEL, parse_variant(asked.model)[0])
    dataset = host.lookup(Kind.DATASET, parse_variant(asked.dataset)[0]) if asked.dataset else None
    made = [frozenset({each.plugin} if each else ()) - {CORE} for each in (model, dataset)]
    return made[0], made[1]


class _Here:
    """Networks and data that no code of plugins makes."""

    def __init__(self, asked: Asked, host: Host):
        self._word = asked.model
        factory = find_factory(asked.model, host)
        own: OwnData = read_own_data(asked.dataset, asked.data, host)
        self._task = own.task
        self._networks = read_networks(
            factory, own, asked.weights, asked.initial,
            output=asked.output, device=asked.device, seed=asked.seed,
        )  # fmt: skip
        self.data, self.examples = own.name, len(own.train.targets)
        self.tested = None if own.test is None else len(own.test.targets)
        self.outcomes = [outcomes_of(each.model, own, asked.output) for each in self._networks]

    @cached_property
    def folder(self) -> Path:
        self._folder = passing_folder("networks")
        path = Path(self._folder.name).resolve()
        hand_over_networks(self._networks, self._word, self._task, path)
        return path

    def network(self, place: int) -> Measurable:
        return self._networks[place]


class _Elsewhere:
    """Networks and data that a process reads which has loaded these plugins."""

    def __init__(self, asked: Asked, plugins: frozenset[str], host: Host):
        self._host, self._device = host, asked.device
        given = {
            **asdict(asked),
            "data": asked.data and str(asked.data),
            "weights": list(map(str, asked.weights)),
            "initial": list(map(str, asked.initial)),
        }
        self._named = " and ".join(f"'{each}'" for each in sorted(plugins))
        try:
            answer = host.deputies.ask(plugins, "networks", given, READING_SECONDS)
            self.folder = (host.deputies.cache(plugins) or Path()) / HANDED_OVER
            self.data = printable(str(answer["data"]))
            self.examples = int(answer["examples"])
            self.tested = None if answer["tested"] is None else int(answer["tested"])
            self.outcomes = [
                {printable(str(name)): float(value) for name, value in each.items()}
                for each in answer["outcomes"]
            ]
            if len(self.outcomes) != len(asked.weights or [""]):
                raise ValueError
        except NoAnswer as fault:
            raise self._missing(str(fault)) from None
        except (TypeError, ValueError, KeyError, AttributeError):
            raise self._missing("gives an answer that makes no sense") from None

    def network(self, place: int) -> Measurable:
        try:
            return handed_network(self.folder, place, self._host, self._device)
        except (OSError, RuntimeError, UnpicklingError) as fault:
            raise self._missing(f"what it hands over cannot be read: {first_line(fault)}") from None

    def _missing(self, why: str) -> MissingResult:
        return MissingResult(f"plugin {self._named}, whose code makes networks or data: {why}")


class _Apart:
    """Measures that are computed in processes of their own."""

    def __init__(self, asked: Asked, subjects: _Subjects, host: Host):
        self._asked, self._subjects, self._host = asked, subjects, host
        self._slot = Slot()

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
        name, _ = parse_variant(self._asked.model)
        is_own = self._host.lookup(Kind.MODEL, name) is None
        code = folder_of(self._asked.model, Path.cwd()) if is_own else None
        data = self._asked.data
        if data is not None and code is not None and code.is_relative_to(data.absolute()):
            data = None  # the network's code lies among the data
        limits = Limits()
        return Job(
            "evaluate",
            str(place),
            {"threads": torch.get_num_threads()},
            "",
            [
                asdict(each)
                for each in self._host.sources
                if each.namespace == CORE or each.namespace in plugins
            ],
            data=None if data is None else str(data.absolute()),
            device=self._asked.device,
            limits=asdict(limits),
            measures=list(battery.measures),
            handed=str(self._subjects.folder),
            code=[] if code is None else [str(code)],
        )
