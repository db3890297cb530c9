"""What the commands on a run folder cost, from 100 to 10,000 fits with all measures: processor time and memory.

Result with 10,000 fits and 208 measures, in seconds of processor time, then of the clock: `status` 68 the first time,
7 ms a fit, and 1.7, 1.7 and 0.30 GB with an index; `export` 5.9, 5.9 and 0.58 GB; `run` with nothing left 4.8, 4.8 and
0.57 GB, of which torch alone, as built for CUDA, has 0.5; `rank` with 200 draws 53, 38 and 1.3 GB; `report` of two
targets 119 and 1.9 GB, nearly all of it the two rankings, nine tenths of it on both cores at once (90 of the clock
when they were ranked one after the other; the machine was too busy to tell anew). Its page has 4 MB and opens in
0.9 s in headless Chromium. Two cores of a virtual machine (AMD EPYC) while others took about half of one; Python
3.11, single runs.

Each command is a process of its own on a folder that `tests/scale.py` makes, ten seeds of a grid of four axes.
Run with ``pytest tests/benchmarks/test_scale_of_a_run.py -m "slow or not slow" -n 0 --benchmark-enable
--benchmark-json=FILE``; seconds, megabytes and growth stand there under ``extra_info``.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import pytest
from scale import made_run

SEEDS = 10
SIZES = [100, 1_000, 10_000]
COMMANDS = {
    "status, first": ("status", "RUN"),  # reads every record; the others find an index
    "status": ("status", "RUN"),
    "export": ("export", "RUN", "RUN.csv"),
    "run, nothing left": ("run", "--suite", "RUN.toml", "--out", "RUN"),
    "rank": ("rank", "RUN", "--bootstrap", "200", "--json"),
    "report": ("report", "RUN", "--bootstrap", "200", "--out", "RUN.html"),
}
STILL_LINEAR = 1.5
"""Cost per fit, over that with a tenth of the fits, that is still called linear: times vary from run to run."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """A run folder of so many fits, made once; nothing of it is flushed to the disk."""
    home = tmp_path_factory.mktemp("scale")
    os.environ["GENBENCH_CACHE"], before = str(home / "cache"), os.environ.get("GENBENCH_CACHE")

    @cache
    def made(fits: int) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", lambda file: None)
            made_run(home / f"run{fits}", fits // SEEDS, SEEDS)
        return home / f"run{fits}"

    yield made
    if before is None:
        del os.environ["GENBENCH_CACHE"]
    else:
        os.environ["GENBENCH_CACHE"] = before


def cost(words: tuple[str, ...], run: Path) -> tuple[float, float]:
    """Seconds of processor time and the peak of memory in megabytes of one command."""
    given = [str(run) + word.removeprefix("RUN") if word.startswith("RUN") else word for word in words]
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "genbench", *given],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_grows_no_faster_than_the_fits(benchmark, folder_of, name):
    """What a command takes whatever the run holds is that of the smallest folder, and taken off."""
    sizes = SIZES if benchmark.enabled else SIZES[:1]
    found = {fits: cost(COMMANDS[name], folder_of(fits)) for fits in sizes}
    benchmark.pedantic(lambda: None)
    benchmark.extra_info |= {f"seconds of {fits}": round(each[0], 2) for fits, each in found.items()}
    benchmark.extra_info |= {f"megabytes of {fits}": round(each[1]) for fits, each in found.items()}
    if name == "report":
        pages = {f"page of {fits}": folder_of(fits).with_suffix(".html").stat().st_size for fits in sizes}
        benchmark.extra_info |= pages
    if benchmark.enabled:
        small, middle, large = (found[fits][0] for fits in SIZES)
        growth = (large - small) / (SIZES[2] - SIZES[0]) / ((middle - small) / (SIZES[1] - SIZES[0]))
        benchmark.extra_info["cost per fit, over that with a tenth"] = round(growth, 2)
        assert growth < STILL_LINEAR
