"""A run as an array job of Slurm: the script, from what was predicted. It submits nothing."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from genbench.base.durations import in_words

__all__ = ["ArrayJob", "tasks_for"]

MOST_TASKS = 1000
"""The largest array that Slurm accepts unless it is told otherwise."""

SECONDS_OF_A_TASK = 3600.0
"""About so long a task shall take: short enough to be scheduled soon, long beside its start."""

TIME_TO_SPARE = 2.0
MEMORY_TO_SPARE = 1.5
SECONDS_TO_START = 600
MEMORY_OF_A_PROCESS = 400e6
SECONDS_TO_STOP = 60


def tasks_for(seconds: float, longest: float, workers: int, trials: int) -> int:
    """How many tasks to make of some seconds of work, `longest` of them in one trial."""
    each = max(SECONDS_OF_A_TASK, longest)
    return max(1, min(MOST_TASKS, trials, math.ceil(seconds / workers / each)))


@dataclass(frozen=True)
class ArrayJob:
    """What the script of an array job says.

    Attributes
    ----------
    title : str
        Of the suite, with its version.
    name : str
        Of the job.
    trials, tasks, workers : int
        Trials in all; tasks of the array; trials at a time in each.
    seconds, longest : float
        Of work that is left in all, on one worker, and of the longest trial.
    memory_bytes : float
        Of one worker, beside the process itself.
    gpu : bool
    program : sequence of str
        What starts genbench on a node.
    run : sequence of str
        Words of ``genbench run``, without ``--out`` and ``--shard``.
    out : str
        The run folder that the shards are merged into.
    """

    title: str
    name: str
    trials: int
    tasks: int
    workers: int
    seconds: float
    longest: float
    memory_bytes: float
    gpu: bool
    program: Sequence[str]
    run: Sequence[str]
    out: str

    @property
    def task_seconds(self) -> float:
        """What one task can be expected to take."""
        return max(self.seconds / self.tasks / self.workers, self.longest)

    def script(self) -> str:
        """The text for ``sbatch``; each task has a run folder of its own, so that no locks are needed."""
        program, out, shards = (
            shlex.join(self.program),
            shlex.quote(self.out),
            shlex.quote(f"{self.out}.shards"),
        )
        name = re.sub(r"[^\w.-]", "-", self.name)
        asked = {
            "job-name": f"genbench-{name}",
            "array": f"1-{self.tasks}",
            "time": _clock(SECONDS_TO_START + TIME_TO_SPARE * self.task_seconds),
            "mem": f"{self._gigabytes()}G",
            "cpus-per-task": str(self.workers),
            **({"gres": "gpu:1"} if self.gpu else {}),
            "output": f"genbench-{name}-%a.log",
            "open-mode": "append",
            "signal": f"B:TERM@{SECONDS_TO_STOP}",
        }
        return "\n".join(
            [
                "#!/bin/bash",
                *(f"#SBATCH --{option}={value}" for option, value in asked.items()),
                "#SBATCH --requeue",
                "#",
                *(f"# {line}" for line in self.title.splitlines()),
                f"# {self.trials} trials, tasks: {self.tasks}, each about "
                f"{in_words(self.task_seconds)} with {self.workers} at a time; twice that is asked for.",
                "# A task that is stopped leaves whole records: submit the script again, and it goes on.",
                "# When all have ended, the first line makes one run of the shards, the second computes what",
                "# compares fits of several shards:",
                f"#   {program} merge {shards}/* --out {out}",
                f"#   {program} measure {out}",
                "set -euo pipefail",
                f"exec {program} run {shlex.join(self.run)} --workers {self.workers} \\",
                f'    --out {shards}/"$SLURM_ARRAY_TASK_ID" --shard "$SLURM_ARRAY_TASK_ID"/{self.tasks}',
                "",
            ]
        )

    def _gigabytes(self) -> int:
        needed = (self.memory_bytes + MEMORY_OF_A_PROCESS) * self.workers + MEMORY_OF_A_PROCESS
        return math.ceil(MEMORY_TO_SPARE * needed / 1e9)


def _clock(seconds: float) -> str:
    """``D-HH:MM:SS``, in whole five minutes."""
    minutes = 5 * math.ceil(seconds / 300)
    return f"{minutes // 1440}-{minutes // 60 % 24:02d}:{minutes % 60:02d}:00"
