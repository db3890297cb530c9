"""``genbench run``: the main job."""

from __future__ import annotations

from typing import Any

import click

from genbench.cli import completing, options


@click.command("run")
@click.option(
    "--suite",
    required=True,
    shell_complete=completing.suites,
    metavar="NAME|FILE",
    help="A built-in suite, or a TOML file.",
)
@click.option("--out", type=options.PATH, metavar="DIR", help="Run folder; runs/NAME if left out.")
@options.working
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the suite.")
@options.listed("--measures", "Compute these instead of the suite's.", shell_complete=completing.measures)
@click.option("--limit", type=int, metavar="N", help="The first N trials only.")
@click.option("--executor", default="local", show_default=True, help="local, ray, or a plugin's.")
@click.option("--address", metavar="HOST:PORT", help="Of the executor's cluster; auto for this machine's.")
@click.option("--shard", metavar="I/N", help="Every N-th trial from the I-th, for batch schedulers.")
@click.option("--budget", metavar="TIME", help="Whole configurations, balanced, for a time such as 2h.")
@options.as_json
def command(json_: bool, suite: str, shard: str | None, measures: list[str] | None, **given: Any) -> int:
    """Train what is missing of a suite's grid, measure every fit, and rank the measures.

    Running again in the same folder resumes; several commands may share a folder.
    """
    from genbench import api
    from genbench.cli.outcome import conclude
    from genbench.cli.progress import progress
    from genbench.cli.waiting import Waiting

    with options.interruptible(), Waiting("loading plugins, planning, preparing data") as still:
        run = api.run(
            suite,
            measures=measures,
            shard=options.shard_numbers(shard),
            progress=progress(still),
            **given,
        )
    return conclude(run, json_=json_, plugins=given["plugins"])
