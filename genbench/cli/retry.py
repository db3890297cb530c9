"""``genbench retry``: another try at what failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genbench.cli import options


@click.command("retry")
@click.argument("run", type=options.PATH)
@options.working
@options.as_json
def command(run: Path, json_: bool, **given: Any) -> int:
    """Train again the trials that failed, and compute again the values that are missing for a fault."""
    from genbench import api
    from genbench.cli.outcome import conclude
    from genbench.cli.progress import progress
    from genbench.cli.waiting import Waiting

    with options.interruptible(), Waiting("loading plugins, planning, preparing data") as still:
        done = api.resume(run, train=True, retry=True, progress=progress(still), **given)
    return conclude(done, json_=json_, plugins=given["plugins"])
