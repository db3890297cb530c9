"""The suite from Python: run, resume, and what a run holds. The command line does nothing beyond it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import InvalidInput, MissingResult, UsageError
from genbench.contract.components import Component, Kind
from genbench.host import Host
from genbench.host.settings import split_at_commas
from genbench.planning.coverage import check_planned
from genbench.planning.plan import Identity, Plan, Trial, axis_named, make_plan
from genbench.planning.suite import Suite, load_suite, read_suite
from genbench.runs.results import TARGETS, RunTable, read_table
from genbench.runs.store import Folder

if TYPE_CHECKING:
    import pandas as pd

    from genbench.execution.runner import Progress, Summary
    from genbench.host.battery import Battery
    from genbench.ranking import Board, Flips

__all__ = ["Run", "plan_suite", "resume", "run", "select"]


class Run:
    """A run folder.

    Parameters
    ----------
    folder : Path or str
    warn : callable
        Takes a line for each record that is damaged and therefore left out.

    Attributes
    ----------
    summary : Summary or None
        What the command that returned this run did.
    """

    def __init__(
        self,
        folder: Path | str,
        summary: Summary | None = None,
        warn: Callable[[str], None] = warnings.warn,
    ):
        self.folder = Folder(folder, warn)
        self.summary = summary

    def table(self) -> pd.DataFrame:
        """All fits as a table.

        Returns
        -------
        DataFrame
            One row a fit: its key and seed, a column for each axis, how training ended, errors (shares from
            0 to 1), losses (nats), the targets, and a column for each measure.

        Raises
        ------
        InvalidInput
            The folder is no run folder.
        """
        return self.results().frame

    def results(self) -> RunTable:
        """The table together with what is known of its axes and measures."""
        return read_table(self.folder)

    def rank(self, target: str = "gap", *, axes: Sequence[str] | None = None, **options: Any) -> Board:
        """Rank the measures of this run; `options` are those of `genbench.rank`."""
        from genbench import ranking

        results, known = self._ranking(axes, options)
        board = ranking.rank(results.frame, target=target, **known)
        return replace(board, notes=[*board.notes, *results.notes])

    def rank_flips(
        self, targets: Sequence[str] = TARGETS, *, axes: Sequence[str] | None = None, **options: Any
    ) -> Flips:
        """Rank the measures against several targets; see `genbench.ranking.rank_flips`."""
        from genbench import ranking

        results, known = self._ranking(axes, options)
        return ranking.rank_flips(results.frame, targets, **known)

    def _ranking(
        self, axes: Sequence[str] | None, options: Mapping[str, Any]
    ) -> tuple[RunTable, dict[str, Any]]:
        """The table, and what its records say of axes, measures and the test set."""
        results = self.results()
        sizes = {each["test_examples"] for each in _records(self.folder)}
        # The random draw is no candidate: the ranking shows it among the controls.
        asked = options.get("measures")
        measures = [name for name in results.measures if name != "random"]
        if asked:
            words = split_at_commas(asked) if isinstance(asked, str) else asked
            measures = list(dict.fromkeys(results.column(each) for each in words))
        info = {name: results.measures[name] for name in measures if name in results.measures}
        known: dict[str, Any] = {
            "axes": list(results.axes) if axes is None else [axis_named(each, results.axes) for each in axes],
            "directions": {name: each.direction for name, each in info.items()},
            "families": {name: each.family for name, each in info.items()},
            "costs": {name: each.seconds for name, each in info.items()},
            "held_out": [name for name, each in info.items() if each.held_out],
            "test_size": sizes.pop() if len(sizes) == 1 else None,
        }
        return results, {**known, **options, "measures": measures}


def _records(folder: Folder) -> list[Mapping[str, Any]]:
    stored = (folder.fit(key) for key in folder.fit_keys())
    return [each.record for each in stored if each is not None]


@dataclass(frozen=True)
class _Place:
    """Where the jobs of a run are executed."""

    devices: tuple[str, ...]

    @classmethod
    def of(cls, device: str, workers: int | None) -> _Place:
        import torch

        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if device == "auto":
            device = "cuda" if found else "cpu"
        name, _, number = device.partition(":")
        if name not in ("cpu", "cuda") or (number and not number.isdigit()):
            raise UsageError(f"no such device '{device}'; there are auto, cpu and cuda")
        if name == "cuda" and (not found or (number and int(number) >= found)):
            raise UsageError(f"no such device '{device}': torch finds {found or 'no'} CUDA devices here")
        if workers is not None and workers < 1:
            raise UsageError(f"--workers {workers}: must be at least 1")
        if name == "cpu":
            return cls(("cpu",) * (workers or len(os.sched_getaffinity(0))))
        names = [device] if number else [f"cuda:{each}" for each in range(found)]
        count = workers or len(names)
        return cls(tuple(names[each % len(names)] for each in range(count)))


def select(words: str | Sequence[str], host: Host) -> Battery:
    """The battery of the measures that words name.

    Raises
    ------
    InvalidInput
        Unknown measures, families or settings, with the nearest word; needs that cannot be met.
    """
    from genbench.host.battery import Battery
    from genbench.host.selection import select_measures

    measures = host.components(Kind.MEASURE)
    requests = select_measures(words, measures, host.probe_lookup)
    probes = [each.full_name for each in host.components(Kind.PROBE)]
    return Battery.resolve(requests, host.probe_lookup, probes)


def plan_suite(
    suite: Suite, host: Host, *, data: Path | None = None, limit: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Plan:  # fmt: skip
    """Expand a suite; data are loaded only for data sets that do not declare what they hold."""

    def identify(component: Component, settings: Mapping[str, Any]) -> Identity:
        declared = component.declared
        if declared.checksum is not None and declared.task is not None:
            task = declared.task(**settings) if callable(declared.task) else declared.task
            return Identity(declared.checksum, task)
        from genbench.fitting import splits

        prepared = splits.prepare(component, settings, data)
        return Identity(prepared.checksum, prepared.task)

    plan = make_plan(suite, identify, limit=limit, shard=shard)
    if limit is None:
        check_planned(suite.claims, plan.whole, suite.name)
    return plan


def run(
    suite: str,
    out: Path | str | None = None,
    *,
    workers: int | None = None,
    device: str = "auto",
    data: Path | str | None = None,
    plugins: Sequence[str] = (),
    without: Sequence[str] = (),
    overrides: Sequence[str] = (),
    measures: str | Sequence[str] | None = None,
    limit: int | None = None,
    shard: tuple[int, int] | None = None,
    executor: str = "local",
    retry: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run a suite: train what is missing, measure what is missing, keep what is there.

    Parameters
    ----------
    suite : str
        Name of a suite, or path of a TOML file.
    out : path, optional
        The run folder; ``runs/NAME`` where left out. Running again in the same folder resumes.
    workers : int, optional
        Trials at a time; the number of cores, or of GPUs, where left out.
    device : {"auto", "cpu", "cuda"}
    data : path, optional
        Folder with the data sets' files; ``$GENBENCH_DATA`` where left out.
    plugins, without : sequence of str
        Plugins to add (file or module), names of plugins to leave out.
    overrides : sequence of str
        ``KEY=VALUE``, changing the suite.
    measures : str or sequence of str, optional
        Compute these instead of the suite's.
    limit, shard
        The first so many trials; every n-th trial from the i-th.
    retry : bool
        Try again what failed before.

    Returns
    -------
    Run

    Raises
    ------
    UsageError, InvalidInput
        Nothing was trained.

    Examples
    --------
    >>> run = genbench.run("digits", out="runs/digits")     # doctest: +SKIP
    >>> run.table()                                         # doctest: +SKIP
    """
    host = _host(plugins, without, progress)
    read = read_suite(suite, host, overrides, check_measures=measures is None)
    folder = Folder(Path(out) if out else Path("runs") / read.name, _say(progress))
    return _execute(
        read, folder, host, workers=workers, device=device, data=data, measures=measures, limit=limit,
        shard=shard, executor=executor, retry=retry, train=True, progress=progress,
    )  # fmt: skip


def resume(
    folder: Path | str,
    *,
    train: bool = False,
    retry: bool = False,
    workers: int | None = None,
    device: str = "auto",
    data: Path | str | None = None,
    plugins: Sequence[str] = (),
    without: Sequence[str] = (),
    measures: str | Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Go on with a run folder: measure its fits (`genbench measure`), or retry what failed."""
    host = _host(plugins, without, progress)
    opened = Folder(folder, _say(progress))
    name = opened.suite_content().get("name", "suite")
    read = load_suite(opened.suite_file, host, name=name, check_measures=measures is None)
    if retry and measures is None:
        # Those of the suite were not asked for where `run` or `measure` was given others.
        measures = sorted({each for key in opened.fit_keys() for each in opened.measured(key).values}) or None
    return _execute(
        read, opened, host, workers=workers, device=device, data=data, measures=measures, limit=None,
        shard=None, executor="local", retry=retry, train=train, progress=progress,
    )  # fmt: skip


def _say(progress: Progress | None) -> Callable[[str], None]:
    return progress.say if progress else (lambda line: None)


def _host(plugins: Sequence[str], without: Sequence[str], progress: Progress | None) -> Host:
    """Load the plugins. A broken one that was asked for ends the command; one merely installed is a line."""
    host = Host.load(plugins, without)
    broken = host.problems(asked_for=True)
    if broken:
        raise MissingResult("\n".join(broken))
    for line in host.problems():
        _say(progress)(line)
    return host


def _execute(
    suite: Suite, folder: Folder, host: Host, *, workers: int | None, device: str, data: Path | str | None,
    measures: str | Sequence[str] | None, limit: int | None, shard: tuple[int, int] | None, executor: str,
    retry: bool, train: bool, progress: Progress | None,
) -> Run:  # fmt: skip
    from genbench.execution.runner import Runner

    place = _Place.of(device, workers)
    root = Path(data) if data else None
    battery = select(measures if measures is not None else suite.measures, host)
    plan = plan_suite(suite, host, data=root, limit=limit, shard=shard)
    engine = host.find(Kind.EXECUTOR, executor)
    folder.check_belongs(suite)
    runner = Runner(
        plan, folder, host, engine.object(devices=place.devices), battery,
        data=str(root.resolve()) if root else None, train=train, retry=retry, progress=progress,
    )  # fmt: skip
    with runner:
        train_next, measure_next = runner.to_do()
        _check(train_next, host, root)
        _prepare(measure_next, host, root)
        # Only now, so that a suite that cannot run leaves no folder that its mended version is refused in.
        folder.open_for(suite)
        return Run(folder.path, runner.run(), _say(progress))


def _prepare(trials: Sequence[Trial], host: Host, root: Path | None) -> None:
    """Have the data of fits that will be measured in the cache: a worker that measures never makes them."""
    from genbench.fitting import splits

    for trial in {each.checksum: each for each in trials}.values():
        component = host.find(Kind.DATASET, trial.dataset.name)
        splits.prepare(component, trial.dataset.settings, root, checksum=trial.checksum, splits=["train"])


def _check(pending: Sequence[Trial], host: Host, root: Path | None) -> None:
    """Find what cannot be built or read before anything trains."""
    if not pending:
        return
    from genbench.base.canonical import canonical_json
    from genbench.fitting import splits
    from genbench.fitting.prediction import predict

    predict(pending, host)
    problems: dict[str, None] = {}
    prepared: dict[str, splits.PreparedData | None] = {}
    for trial in pending:
        dataset = canonical_json([trial.dataset.name, trial.dataset.settings])
        sizes = {name: trial.splits[name] for name in ("train_size", "validation_size", "test_size")}
        try:
            if dataset not in prepared:
                prepared[dataset] = None
                component = host.find(Kind.DATASET, trial.dataset.name)
                prepared[dataset] = splits.prepare(
                    component, trial.dataset.settings, root, checksum=trial.checksum
                )
            if (found := prepared[dataset]) is not None:
                splits.check_sizes(found, **sizes)
        except InvalidInput as fault:
            problems.update(dict.fromkeys(fault.problems))
    if problems:
        raise InvalidInput(problems)
