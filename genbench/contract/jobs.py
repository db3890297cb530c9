"""Jobs and their outcomes: plain data that crosses the border between processes as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["Executor", "Job", "JobOutcome"]


@dataclass(frozen=True)
class Job:
    """Train one trial, measure one fit, hand over what measures of it start from, or measure another network.

    Attributes
    ----------
    kind : {"train", "measure", "hand", "evaluate"}
        Each is done by a process of its own: one that measures never holds the test split. Executors get
        jobs to train and to measure; the third kind comes before what code of plugins measures, and the last
        is of networks of the user's own, which no run folder holds: `key` is its place among them.
    key, trial : str, mapping
    folder : str
        The run folder, where a trained fit is written.
    plugins : sequence of mapping
        Fields of `genbench.host.plugin.PluginSource`; the core's and those that this job needs, no others.
    data : str or None
        The user's data folder.
    device : str
        Set by the executor when the job gets its slot, unless it is given.
    keep, limits
        As in the suite.
    measures : sequence of str
        Spellings.
    siblings : sequence of str
        Keys of the fits of the same configuration, for measures that compare seeds.
    skip : mapping
        Component that is not to be started, to the status and reason of what needs it.
    handed : str
        The folder of what was handed over, for a process that sees neither run folder nor data.
    code : sequence of str
        Folders of modules that networks of the user's own are made of.
    """

    kind: Literal["train", "measure", "hand", "evaluate"]
    key: str
    trial: Mapping[str, Any]
    folder: str
    plugins: Sequence[Mapping[str, Any]]
    data: str | None = None
    device: str = ""
    keep: Sequence[Any] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    measures: Sequence[str] = ()
    siblings: Sequence[str] = ()
    skip: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    handed: str = ""
    code: Sequence[str] = ()

    @property
    def id(self) -> str:
        """What it is called within a run: its kind and key, whether siblings are compared, what it loads."""
        names = f" with {', '.join(self.company)}" if self.company else ""
        return f"{self.kind} {self.key}" + (" siblings" if self.siblings else "") + names

    @property
    def company(self) -> tuple[str, ...]:
        """Names of the plugins, besides the core's, whose code runs in the job's process."""
        return tuple(each["name"] for each in self.plugins if each.get("distribution") != "genbench")

    @property
    def is_apart(self) -> bool:
        """Whether code of plugins measures, which is done where no test data are."""
        return self.kind in ("measure", "evaluate") and bool(self.company)

    @property
    def threads(self) -> int:
        """CPU threads to compute with, as the trial says."""
        return self.trial["threads"]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for the worker: the fields by name."""
        return asdict(self)


@dataclass
class JobOutcome:
    """How a job ended.

    Attributes
    ----------
    status : {"ok", "error", "crashed", "timeout", "full"}
        Of a training job. A measuring job is ``ok`` whatever became of its values. Either is ``full`` where
        the disk was: the run stops, and nothing is recorded as failed.
    reason, detail : str
        One line; the traceback or the worker's last words.
    values : list of dict
        One for each measure: name, value, status, reason, costs.
    probes : dict
        For each probe its own seconds and peak memory in bytes.
    seconds : float
        Time of the whole job.
    culprits : dict
        Component that killed or stalled a worker, to ``crashed`` or ``timeout``.
    environment : str
        Hash of the description of what the job was done with.
    """

    job: Job
    status: str = "ok"
    reason: str = ""
    detail: str = ""
    values: list[dict[str, Any]] = field(default_factory=list)
    probes: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    culprits: dict[str, str] = field(default_factory=dict)
    environment: str = ""


class Executor(Protocol):
    """What the runner asks of an executor."""

    slots: int

    def submit(self, job: Job) -> str:
        """Take on a job; returns its `id`."""
        ...

    def results(self) -> Iterable[JobOutcome]:
        """Outcomes as they come, until no job that was taken on is left; more may be submitted meanwhile."""
        ...

    def cancel(self, id: str) -> None:
        """Leave out a job that has not begun; it ends as cancelled."""
        ...

    def close(self) -> None:
        """Stop at once, whatever still runs or waits."""
        ...
