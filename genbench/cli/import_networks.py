"""``genbench import``: networks that were trained elsewhere, as a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genbench.base.errors import UsageError
from genbench.cli import options


@click.command("import")
@click.argument("folder", type=options.PATH)
@click.option(
    "--model",
    required=True,
    metavar="NAME|FACTORY",
    help="A model, or FILE.py:FUNCTION or MODULE:FUNCTION, with settings as in NAME[width=8].",
)
@click.option("--dataset", required=True, metavar="NAME", help="What they were trained and tested on.")
@click.option("--out", required=True, type=options.PATH, metavar="DIR", help="Run folder.")
@click.option("--manifest", type=options.PATH, metavar="FILE", help="[default: FOLDER/manifest.csv]")
@options.axes("Columns that are axes.  [default: all that mean nothing else]")
@options.listed("--measures", "What to compute.", default="cost:A-C", show_default=True)
@options.working
@options.as_json
def command(
    folder: Path, axes: list[str] | None, measures: list[str], json_: bool, out: Path, **given: Any
) -> int:  # fmt: skip
    """Make a run folder of a folder of checkpoints, and measure and rank them.

    The manifest is a table with a row for each network: FILE with its weights, one column for each axis, and
    what is known of its outcome: test_error, test_accuracy, gap ... Columns that are arguments of the model
    are handed to it. Folders as in the PGDL competition, with model_configs.json, need no manifest.
    """
    from genbench import api
    from genbench.cli.outcome import conclude
    from genbench.cli.progress import progress
    from genbench.fitting.imported import PLUGIN

    if out.resolve() == folder.resolve():
        raise UsageError(f"--out {out}: is the folder of the checkpoints; choose another")
    with options.interruptible():
        done = api.import_networks(
            folder, out, axes=axes, measures=measures,
            progress=progress(), **given,
        )  # fmt: skip
    options.warn(f"commands that build these networks want --plugin {out / PLUGIN}")
    return conclude(done, json_=json_)
