"""The suite from Python: run, resume, and what a run holds. The command line does nothing beyond it."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genbench.base.counting import counted
from genbench.base.durations import parse_duration
from genbench.base.errors import InvalidInput, MissingResult, UsageError
from genbench.base.files import write_atomically
from genbench.base.toml import as_toml
from genbench.execution.places import devices
from genbench.fitting.manifest import read_manifest
from genbench.fitting.preflight import _check, _prepare, plan_suite
from genbench.host import Host
from genbench.host.selection import select
from genbench.planning.suite import Suite, load_suite, read_suite
from genbench.runs.grid import write_grid
from genbench.runs.run import Run
from genbench.runs.store import Folder

if TYPE_CHECKING:
    from genbench.execution.budget import Expected
    from genbench.execution.runner import Progress
    from genbench.host.battery import Battery
    from genbench.planning.plan import Trial

__all__ = ["budget_seconds", "devices", "expected", "import_networks", "resume", "run"]


FITS_TIMED = 50
"""So many fits tell what measuring one takes."""

SECONDS_BESIDE_TRAINING = 0.5
"""What a fit takes beside its arithmetic: data opened, a network built, weights and record written."""


def run(
    suite: str,
    out: Path | str | None = None,
    *,
    workers: int | None = None,
    per_device: int | None = None,
    device: str = "auto",
    data: Path | str | None = None,
    plugins: Sequence[str] = (),
    without: Sequence[str] = (),
    overrides: Sequence[str] = (),
    measures: str | Sequence[str] | None = None,
    limit: int | None = None,
    shard: tuple[int, int] | None = None,
    budget: str | None = None,
    executor: str = "local",
    address: str | None = None,
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
        Trials at a time; the number of cores where left out. On GPUs batteries of measures at a time; up to
        four for each, where left out.
    per_device : int, optional
        Trainings side by side in one process for each GPU; found out where left out. On the CPU they share a
        process only where it is given.
    device : {"auto", "cpu", "cuda", "mps"}
        On Apple's GPUs networks are trained, and measured on the CPU beside them: they have no float64.
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
    budget : str, optional
        A time such as ``"2h"``: a balanced part of the grid's configurations, each begun only while it can
        be expected to be whole in time.
    executor : str
        Name of the executor, with settings as in ``"ray[gpus=0.5]"``.
    address : str, optional
        Of the cluster that the executor works on.
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
    seconds = budget_seconds(budget, limit, shard)
    host = _host(plugins, without, progress, kept=Path(out) if out else Path("runs"))
    read = read_suite(suite, host, overrides, check_measures=measures is None)
    folder = Folder(Path(out) if out else Path("runs") / read.name, _say(progress), refuse_unreadable=True)
    return _execute(
        read, folder, host, workers=workers, per_device=per_device, device=device, data=data,
        measures=measures, limit=limit, shard=shard, budget=seconds, executor=executor, address=address,
        retry=retry, train=True,
        progress=progress,
    )  # fmt: skip


def resume(
    folder: Path | str,
    *,
    train: bool = False,
    retry: bool = False,
    workers: int | None = None,
    per_device: int | None = None,
    device: str = "auto",
    data: Path | str | None = None,
    plugins: Sequence[str] = (),
    without: Sequence[str] = (),
    measures: str | Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Go on with a run folder: measure its fits (`genbench measure`), or retry what failed."""
    host = _host(plugins, without, progress, kept=Path(folder))
    opened = Folder(folder, _say(progress), refuse_unreadable=True)
    name = opened.suite_content().get("name", "suite")
    read = load_suite(opened.suite_file, host, name=name, check_measures=measures is None)
    if retry and measures is None:
        # Those of the suite were not asked for where `run` or `measure` was given others.
        measures = sorted({each for key in opened.fit_keys() for each in opened.measured(key).values}) or None
    return _execute(
        read, opened, host, workers=workers, per_device=per_device, device=device, data=data,
        measures=measures, limit=None, shard=None, budget=None, executor="local", address=None, retry=retry,
        train=train, progress=progress,
    )  # fmt: skip


def import_networks(
    folder: Path | str,
    out: Path | str,
    *,
    model: str,
    dataset: str,
    manifest: Path | None = None,
    axes: Sequence[str] | None = None,
    measures: Sequence[str] = ("cost:A-C",),
    workers: int | None = None,
    per_device: int | None = None,
    device: str = "auto",
    data: Path | str | None = None,
    plugins: Sequence[str] = (),
    without: Sequence[str] = (),
    progress: Progress | None = None,
) -> Run:
    """Make a run folder of networks that were trained elsewhere, and measure them.

    Networks that the folder holds already are kept, and so are their values.

    Parameters
    ----------
    folder : Path or str
        With files of weights and a manifest, see `genbench.fitting.manifest.read_manifest`.
    out : Path or str
        The run folder.
    model : str
        A model, or ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION``; columns of the manifest that are its
        arguments are handed to it.
    dataset : str
        What the networks were trained and tested on, with settings in brackets.

    Raises
    ------
    UsageError, InvalidInput
        Something does not exist or does not fit; whole networks are kept.
    """
    from genbench.fitting.imported import (
        PLUGIN,
        Source,
        bring_in,
        planned,
        plugin_text,
        suite_content,
    )
    from genbench.fitting.makers import named_maker

    out = Path(out)
    root = Path(data) if data else None
    host = _host(plugins, without, progress, kept=out)
    source = Source(
        read_manifest(Path(folder), manifest, axes), named_maker(model, host), dataset, out.name, measures
    )
    host.deputies.close()
    text = plugin_text(source)
    with tempfile.TemporaryDirectory() as drafts:
        draft, grid = Path(drafts) / PLUGIN, Path(drafts) / "suite.toml"
        draft.write_text(text, encoding="utf-8")
        host = _host([*plugins, str(draft)], without, progress, kept=out)
        grid.write_text(as_toml(suite_content(source, host)), encoding="utf-8")
        suite = load_suite(grid, host, name=out.name)
    plan, problems = planned(source, suite, host, root)
    opened = Folder(out, _say(progress), refuse_unreadable=True)
    opened.open_for(suite)
    write_atomically(out / PLUGIN, text.encode())
    count, unread = bring_in(source, plan, opened, host, root, _say(progress))
    host.deputies.close()
    if problems := [*problems, *unread]:
        left = f"{counted(count, 'network')} written to '{out}'; the same command goes on"
        raise InvalidInput([*problems, f"{left} when the others are mended"])
    return resume(
        out, workers=workers, per_device=per_device, device=device, data=data,
        plugins=[*plugins, str(out / PLUGIN)], without=without, progress=progress,
    )  # fmt: skip


def budget_seconds(
    budget: str | None, limit: int | None, shard: tuple[int, int] | None = None
) -> float | None:
    """The seconds of a budget.

    Raises
    ------
    UsageError
        It is no time, or stands beside another choice of trials.
    """
    if budget is None:
        return None
    if limit is not None or shard is not None:
        raise UsageError(
            f"--budget and --{'shard' if limit is None else 'limit'} each choose trials; give one of them"
        )
    return parse_duration(budget, "--budget")


def expected(
    folder: Folder, train: Sequence[Trial], measure: Sequence[Trial], host: Host, battery: Battery,
    device: str,
) -> dict[str, Expected]:  # fmt: skip
    """What each trial that is not done is expected to take, by its key.

    Training is predicted from the network's arithmetic. Measuring takes what it took on the fits of the
    folder; where there are none, what the audit of costs found on its small network.
    """
    from genbench.auditing.stored import stored
    from genbench.execution.budget import Expected
    from genbench.fitting.foresight import foresee

    known = [content["seconds"] for key in folder.fit_keys()[:FITS_TIMED] for content in folder.passes(key)]
    audit = stored("cost")
    alone = (audit["measures"].get(each.component.full_name, {}) for each in battery.requests)
    total = sum(each.get("milliseconds", 0.0) for each in alone)
    of_audit = min(total, audit.get("battery_milliseconds", total)) / 1000
    seconds = statistics.median(known) if known else of_audit
    predicted = foresee(train, host).prediction
    times = predicted.gpu_seconds if device.startswith("cuda") else predicted.core_seconds
    found = {
        each.key: Expected(train=time + SECONDS_BESIDE_TRAINING, measure=seconds)
        for each, time in zip(train, times, strict=True)
    }
    return found | {each.key: Expected(measure=seconds) for each in measure}


def _say(progress: Progress | None) -> Callable[[str], None]:
    return progress.say if progress else (lambda line: None)


def _host(plugins: Sequence[str], without: Sequence[str], progress: Progress | None, *, kept: Path) -> Host:
    """Find the plugins. A broken one that was asked for ends the command; one merely installed is a line.

    They are described, and must not write what is to be `kept`.
    """
    host = Host.described(plugins, without, [kept])
    broken = host.problems(asked_for=True)
    if broken:
        fault = MissingResult("\n".join(broken))
        for each in host.plugins:
            if each.traceback and each.source.asked_for:
                fault.add_note(each.traceback)
        raise fault
    for line in host.problems():
        _say(progress)(line)
    return host


def _execute(
    suite: Suite, folder: Folder, host: Host, *, workers: int | None, per_device: int | None, device: str,
    data: Path | str | None, measures: str | Sequence[str] | None, limit: int | None,
    shard: tuple[int, int] | None, budget: float | None, executor: str, address: str | None, retry: bool,
    train: bool, progress: Progress | None,
) -> Run:  # fmt: skip
    from genbench.execution.budget import Budget
    from genbench.execution.engines import maker
    from genbench.execution.runner import Runner
    from genbench.execution.slowness import Slowness

    make = maker(
        executor, host, folder.path, _say(progress),
        device=device, workers=workers, per_device=per_device, address=address,
    )  # fmt: skip
    root = Path(data) if data else None
    battery = select(measures if measures is not None else suite.measures, host)
    plan = plan_suite(suite, host, data=root, limit=limit, shard=shard)
    folder.check_belongs(suite)
    slowness = Slowness(progress.busy if progress else lambda key, component, seconds: None)
    engine, kind = make(slowness.heard)
    runner = Runner(
        plan, folder, host, engine, battery,
        data=str(root.resolve()) if root else None, train=train, retry=retry, progress=progress,
    )  # fmt: skip
    with runner, slowness:
        train_next, measure_next = runner.to_do()
        if budget is not None:
            times = expected(folder, train_next, measure_next, host, battery, kind)
            limited = Budget(budget, engine.slots, plan.trials, times)
            limited.check()
            runner.keep_to(limited)
        runner.leave_out(_check(train_next, host, root, here=not getattr(engine, "remote", False)))
        _prepare(measure_next, host, root)
        host.deputies.close()
        # Only now, so that a suite that cannot run leaves no folder that its mended version is refused in.
        folder.open_for(suite)
        if limit is None:
            write_grid(folder.path, plan.whole)
        summary = runner.run()
        summary.left_out = dict(plan.left_out)
        return Run(folder.path, summary, _say(progress))
