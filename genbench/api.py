"""The suite from Python: run, resume, and what a run holds. The command line does nothing beyond it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genbench.base.errors import MissingResult, UsageError
from genbench.base.machine import cores
from genbench.contract.components import Component, Kind
from genbench.fitting.preflight import _check, _prepare, plan_suite
from genbench.host import Host
from genbench.host.selection import select
from genbench.planning.suite import Suite, load_suite, read_suite
from genbench.runs.run import Run
from genbench.runs.store import Folder

if TYPE_CHECKING:
    from genbench.contract.jobs import Executor
    from genbench.execution.runner import Progress

__all__ = ["resume", "run"]


MOST_WORKERS = 1024
"""Beyond what one machine can do at a time; each is a thread here and a process."""


MEASURING_PER_GPU = 4
"""Batteries of measures at a time on each GPU, each in a process, beside the one that trains: a single one
leaves the device idle most of the time."""


@dataclass(frozen=True)
class _Place:
    """Where the jobs of a run are executed."""

    devices: tuple[str, ...]

    @classmethod
    def of(cls, device: str, workers: int | None, per_device: int | None = None) -> _Place:
        import torch

        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if device == "auto":
            device = "cuda" if found else "cpu"
        name, _, number = device.partition(":")
        if name not in ("cpu", "cuda") or (number and not number.isdigit()):
            raise UsageError(f"no such device '{device}'; there are auto, cpu and cuda")
        if name == "cuda" and not found:
            raise UsageError(f"no such device '{device}': {_why_no_cuda()}")
        if name == "cuda" and number and int(number) >= found:
            last = f"cuda:0 to cuda:{found - 1}" if found > 1 else "cuda:0"
            raise UsageError(f"no such device '{device}': torch finds {last} here")
        if workers is not None and workers < 1:
            raise UsageError(f"--workers {workers}: must be at least 1")
        if workers is not None and workers > MOST_WORKERS:
            raise UsageError(f"--workers {workers}: must be at most {MOST_WORKERS}")
        if per_device is not None and not 1 <= per_device <= MOST_WORKERS:
            raise UsageError(f"--per-device {per_device}: must be from 1 to {MOST_WORKERS}")
        if name == "cpu":
            return cls(("cpu",) * (workers or cores()))
        names = [device] if number else [f"cuda:{each}" for each in range(found)]
        count = workers or len(names) * max(1, min(MEASURING_PER_GPU, cores() // (2 * len(names))))
        return cls(tuple(names[each % len(names)] for each in range(count)))


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
        Trials at a time; the number of cores where left out. On GPUs batteries of measures at a time; up to
        four for each, where left out.
    per_device : int, optional
        Trainings side by side in one process for each GPU; found out where left out. On the CPU they share a
        process only where it is given.
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
    folder = Folder(Path(out) if out else Path("runs") / read.name, _say(progress), refuse_unreadable=True)
    return _execute(
        read, folder, host, workers=workers, per_device=per_device, device=device, data=data,
        measures=measures, limit=limit, shard=shard, executor=executor, retry=retry, train=True,
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
    host = _host(plugins, without, progress)
    opened = Folder(folder, _say(progress), refuse_unreadable=True)
    name = opened.suite_content().get("name", "suite")
    read = load_suite(opened.suite_file, host, name=name, check_measures=measures is None)
    if retry and measures is None:
        # Those of the suite were not asked for where `run` or `measure` was given others.
        measures = sorted({each for key in opened.fit_keys() for each in opened.measured(key).values}) or None
    return _execute(
        read, opened, host, workers=workers, per_device=per_device, device=device, data=data,
        measures=measures, limit=None, shard=None, executor="local", retry=retry, train=train,
        progress=progress,
    )  # fmt: skip


def _why_no_cuda() -> str:
    import torch

    if torch.version.cuda is None:
        return "this torch was built without CUDA"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return "torch finds no CUDA devices here"
    if visible.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides all of them"
    return f"torch finds none of what CUDA_VISIBLE_DEVICES={visible!r} names"


def _executor(engine: Component, place: _Place, per_device: int | None) -> Executor:
    """An executor for a place; one of somebody else need not know of trainings that share a process."""
    more = {} if per_device is None else {"per_device": per_device}
    try:
        return engine.object(devices=place.devices, **more)
    except TypeError:
        if not more:
            raise
        raise UsageError(f"executor '{engine.full_name}' takes no --per-device") from None


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
    suite: Suite, folder: Folder, host: Host, *, workers: int | None, per_device: int | None, device: str,
    data: Path | str | None, measures: str | Sequence[str] | None, limit: int | None,
    shard: tuple[int, int] | None, executor: str, retry: bool, train: bool, progress: Progress | None,
) -> Run:  # fmt: skip
    from genbench.execution.runner import Runner

    place = _Place.of(device, workers, per_device)
    root = Path(data) if data else None
    battery = select(measures if measures is not None else suite.measures, host)
    plan = plan_suite(suite, host, data=root, limit=limit, shard=shard)
    engine = host.find(Kind.EXECUTOR, executor)
    folder.check_belongs(suite)
    runner = Runner(
        plan, folder, host, _executor(engine, place, per_device), battery,
        data=str(root.resolve()) if root else None, train=train, retry=retry, progress=progress,
    )  # fmt: skip
    with runner:
        train_next, measure_next = runner.to_do()
        _check(train_next, host, root)
        _prepare(measure_next, host, root)
        # Only now, so that a suite that cannot run leaves no folder that its mended version is refused in.
        folder.open_for(suite)
        return Run(folder.path, runner.run(), _say(progress))
