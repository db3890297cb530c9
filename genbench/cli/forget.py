"""``genbench forget``: values that nobody wants any more."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from genbench.base.counting import counted
from genbench.base.errors import UsageError, nearest
from genbench.cli import options


@click.command("forget")
@click.argument("run", type=options.PATH)
@options.listed("--measures", "Values of these measures.")
@click.option("--older", is_flag=True, help="Only values of older versions or other code than the newest.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(run: Path, measures: list[str] | None, older: bool, yes: bool) -> int:
    """Remove values from a run: of measures by name, or those of older versions. Fits and weights stay.

    'genbench measure' computes again what is wanted after all.
    """
    from genbench.execution.locks import Locks
    from genbench.runs.ages import age, newest_ages
    from genbench.runs.store import Folder

    if measures is None and not older:
        raise UsageError("say what to forget: --measures A,B, --older, or both")
    folder = Folder(run, options.warn, refuse_unreadable=True)
    folder.suite_content()
    found = [
        (key, content["time"], value)
        for key in folder.fit_keys()
        for content in folder.passes(key)
        for value in content["values"]
    ]
    newest = newest_ages((time, value) for _, time, value in found)
    named = _named(measures, sorted(newest))
    unwanted = {
        (value["measure"], age(value))
        for _, _, value in found
        if value["measure"] in named and not (older and age(value) == newest[value["measure"]])
    }
    count = sum((value["measure"], age(value)) in unwanted for _, _, value in found)
    if not count:
        click.echo("nothing to forget", err=True)
        return 0
    names = sorted({name for name, _ in unwanted})
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    if not yes and not sys.stdin.isatty():
        raise UsageError(f"{counted(count, 'value')} of {shown} would be forgotten; say --yes")
    if not yes and not click.confirm(f"forget {counted(count, 'value')} of {shown}?", err=True):
        return 0
    locks = Locks(run / "locks")
    try:
        removed, busy = 0, 0
        for key in dict.fromkeys(key for key, _, _ in found):
            if locks.take(key):
                removed += folder.forget_values(key, lambda each: (each["measure"], age(each)) in unwanted)
                locks.release(key)
            else:
                busy += 1
    finally:
        locks.close()
    click.echo(f"forgot {counted(removed, 'value')} of {shown}", err=True)
    if busy:
        options.warn(f"{counted(busy, 'fit')} at work in another command kept theirs; try again later")
    return 1 if busy else 0


def _named(measures: list[str] | None, known: list[str]) -> set[str]:
    if measures is None:
        return set(known)
    for name in measures:
        if name not in known:
            raise UsageError(f"the run has no values of '{name}'{nearest(name, known)}")
    return set(measures)
