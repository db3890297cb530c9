"""``genbench claims``: what papers say, and what a run says of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genbench.base.errors import InvalidInput
from genbench.cli import completing, options
from genbench.cli.waiting import Waiting

if TYPE_CHECKING:
    from genbench.planning.claims import Claim
    from genbench.runs.store import Folder


@click.command("claims")
@click.argument("run", type=options.PATH)
@click.option(
    "--suite",
    shell_complete=completing.suites,
    metavar="NAME|FILE",
    help="Take the claims of this suite.  [default: the run's own]",
)
@options.forms(json="Print JSON.", markdown="Print Markdown.")
def command(run: Path, suite: str | None, form: str | None) -> None:
    """Judge the claims of a suite by a run: reproduced, direction only, not reproduced, not tested here.

    A verdict rests on the 95 % interval over the seeds, one value of the statistic for each. Beside the last
    epoch stands the best one by the test set, where a run kept it: papers may have printed that.
    """
    from genbench.claims.table import COLUMNS, FORMAT, as_markdown, table_rows, tally
    from genbench.claims.verdict import judge_run
    from genbench.report.terminal import print_rows
    from genbench.runs.results import read_table
    from genbench.runs.store import Folder

    folder = Folder(run, options.warn)
    with Waiting(f"judging {run}"):
        judgements = judge_run(_own(folder) if suite is None else _of_suite(suite), read_table(folder))
    if form == "json":
        options.echo_json({"format": FORMAT, "claims": [each.as_dict() for each in judgements]})
    elif form == "markdown":
        click.echo(as_markdown(judgements), nl=False)
    else:
        shown = ("claim", "published", "ours", "best epoch", "verdict", "reason")
        places = [COLUMNS.index(each) for each in shown]
        print_rows(shown, [[row[place] for place in places] for row in table_rows(judgements)])
        click.echo(tally(judgements))


def _own(folder: Folder) -> Sequence[Claim]:
    """Those that the run's suite had when the run began; needs no plugin."""
    from genbench.planning.claims import read_claims

    file, problems = folder.suite_file, []
    claims = read_claims(
        folder.suite_content().get("claim"),
        lambda where, what: problems.append(f"{file}: {where}: {what}"),
    )
    if problems:
        raise InvalidInput(problems)
    return claims


def _of_suite(name: str) -> Sequence[Claim]:
    from genbench.host import Host
    from genbench.planning.suite import read_suite

    return read_suite(name, Host.described()).claims
