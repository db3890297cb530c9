"""What ``genbench plan`` says of a part of the grid that fits a budget, and of a whole one on Slurm."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.base.durations import in_words

if TYPE_CHECKING:
    from genbench.execution.budget import Expected
    from genbench.planning.plan import Plan
    from genbench.planning.suite import Suite

__all__ = ["array_script", "print_budget", "within_budget"]


def within_budget(seconds: float, slots: int, plan: Plan, expected: Mapping[str, Expected]) -> dict[str, Any]:
    """The balanced part of a grid that can be expected to be whole in some seconds, in plain data.

    Raises
    ------
    UsageError
        Nothing can.
    """
    from genbench.execution.budget import Budget
    from genbench.planning.balance import level_counts

    budget = Budget(seconds, slots, plan.trials, expected)
    budget.check()
    picked = budget.picked()
    levels = level_counts([each[0].coordinates() for each in picked])
    return {
        "seconds": seconds,
        "workers": slots,
        "configurations": len(picked),
        "of": len(budget.configurations),
        "trials": sum(map(len, picked)),
        "expected_seconds": budget.seconds_of(picked),
        "levels": {
            axis: [[level, counts[level]] for level in plan.axes[axis] if level in counts]
            for axis, counts in levels.items()
        },
        "keys": [trial.key for each in picked for trial in each],
    }


def print_budget(content: Mapping[str, Any]) -> None:
    """Print it: how much of the grid, and how often it has each level."""
    from genbench.report.terminal import print_rows

    click.echo(
        f"in {in_words(content['seconds'])} with {content['workers']} at a time: {content['configurations']} "
        f"of {content['of']} configurations with all their seeds ({content['trials']} trials), "
        f"about {in_words(content['expected_seconds'])} for what is left of them"
    )
    print_rows(
        ["axis", "configurations with each level"],
        [
            [axis, ", ".join(f"{level}: {count}" for level, count in counts)]
            for axis, counts in content["levels"].items()
        ],
    )


def array_script(
    suite: Suite, plan: Plan, expected: Mapping[str, Expected], memory_bytes: float, *,
    tasks: int | None, workers: int, gpu: bool, out: Path, run: Sequence[str],
) -> str:  # fmt: skip
    """The script of an array job; see `ArrayJob`."""
    from genbench.planning.slurm import ArrayJob, tasks_for

    times = [each.train + each.measure for each in expected.values()]
    seconds, longest = sum(times), max(times, default=0.0)
    return ArrayJob(
        title=f"Suite {suite.name}, version {suite.version}: {suite.title}",
        name=suite.name,
        trials=len(plan.trials),
        tasks=min(tasks or tasks_for(seconds, longest, workers, len(plan.trials)), len(plan.trials)),
        workers=workers,
        seconds=seconds,
        longest=longest,
        memory_bytes=memory_bytes,
        gpu=gpu,
        program=[sys.executable, "-m", "genbench"],
        run=run,
        out=str(out.resolve()),
    ).script()
