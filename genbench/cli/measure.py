"""``genbench measure``: new measures on old fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genbench.cli import completing, options
from genbench.cli.waiting import Waiting


@click.command("measure")
@click.argument("run", type=options.PATH)
@options.listed(
    "--measures",
    "Names, variants, family:NAME, cost:A-C, instead of the suite's.",
    shell_complete=completing.measures,
)
@options.working
@options.as_json
def command(run: Path, measures: list[str] | None, json_: bool, **given: Any) -> int:
    """Compute measures on the fits of a run folder; trains nothing.

    RUN may be a published entry that was packed with its weights: it is fetched to runs/NAME first.
    """
    from genbench import api
    from genbench.cli.outcome import conclude
    from genbench.cli.progress import progress

    run = _fetched(run)
    with options.interruptible(), Waiting("loading plugins, planning, preparing data") as still:
        done = api.resume(run, measures=measures, progress=progress(still), **given)
    return conclude(done, json_=json_, plugins=given["plugins"])


def _fetched(run: Path) -> Path:
    """The run folder of an entry, fetched; any other folder as it is."""
    from genbench.leaderboard.fetch import fetch
    from genbench.runs.store import is_entry

    if not is_entry(run):
        return run
    with options.interruptible(), Waiting(f"fetching {run}"):
        found = fetch(str(run), None, options.warn)
    options.warn(f"'{run}' is an entry; its {found.fits} fits are in '{found.folder}'")
    return found.folder
