"""``genbench measure``: new measures on old fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genbench.cli import completing, options


@click.command("measure")
@click.argument("run", type=options.PATH)
@click.option(
    "--measures",
    metavar="A,B",
    shell_complete=completing.measures,
    help="Names, variants, family:NAME, cost:A-C, instead of the suite's.",
)
@options.working
@options.as_json
def command(run: Path, measures: str | None, json_: bool, **given: Any) -> int:
    """Compute measures on the fits of a run folder; trains nothing."""
    from genbench import api
    from genbench.cli.outcome import conclude
    from genbench.cli.progress import progress
    from genbench.cli.waiting import Waiting

    with options.interruptible(), Waiting("loading plugins, planning, preparing data") as still:
        done = api.resume(run, measures=options.words(measures), progress=progress(still), **given)
    return conclude(done, json_=json_, plugins=given["plugins"])
