"""``genbench merge``: the work of several machines in one run folder."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import click

from genbench.base.counting import counted
from genbench.cli import options


@click.command("merge")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=options.PATH)
@click.option("--out", required=True, type=options.PATH, metavar="DIR", help="Run folder; may be there.")
@click.option(
    "--keep-first", is_flag=True, help="Of results that disagree keep those of the run named first."
)
@options.as_json
def command(runs: tuple[Path, ...], out: Path, keep_first: bool, json_: bool) -> int:
    """Bring the fits and values of several runs of one suite into one folder.

    Suites, keys and results are checked before anything is written. Files are hard-linked where the file
    system can, else copied; the runs themselves stay as they are.
    """
    from genbench.cli.rank import distinct
    from genbench.runs.merging import merge

    merged = merge(list(distinct(runs)), out, keep_first=keep_first)
    for line in merged.left_out:
        options.warn(line)
    if json_:
        options.echo_json({"folder": str(out), **dataclasses.asdict(merged)})
    else:
        click.echo(
            f"{out}: {counted(merged.fits, 'fit')}, {merged.passes} passes of measuring; "
            f"{counted(merged.linked, 'file')} linked, {merged.copied} copied, {merged.there} there before",
            err=True,
        )
        folder = shlex.quote(str(out))
        click.echo(f"'genbench measure {folder}' adds what compares fits of several runs", err=True)
    return 1 if merged.left_out else 0
