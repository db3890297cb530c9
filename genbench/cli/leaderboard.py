"""``genbench leaderboard``: from a run to a published table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.base.counting import counted
from genbench.cli import options
from genbench.cli.waiting import Waiting

if TYPE_CHECKING:
    from genbench.leaderboard.reproduce import Reproduced

# Without intervals everything would seem to be told apart.
bootstrap = click.option(
    "--bootstrap",
    default=1000,
    show_default=True,
    type=click.IntRange(min=100),
    help="Replicates for the intervals.",
)


@click.group("leaderboard")
def command() -> None:
    """Pack runs as entries, check them, build the published tables from them."""


@command.command("pack")
@click.argument("run", type=options.PATH)
@click.option("--out", required=True, type=options.PATH, metavar="DIR", help="Folder of the entry.")
@click.option("--submitter", default="", metavar="NAME", help="Who answers for it; will be published.")
@click.option(
    "--weights", is_flag=True, help="Write DIR.weights.tar too, so that others can measure the fits."
)
@click.option("--weights-url", default="", metavar="URL", help="Where that archive will be published.")
@click.option(
    "--joins",
    type=options.PATH,
    metavar="ENTRY",
    help="A published entry of these fits; leave out what it has.",
)
@options.plugins
@options.as_json
def pack(
    run: Path, out: Path, submitter: str, weights: bool, weights_url: str, joins: Path | None,
    plugins: tuple[str, ...], without: tuple[str, ...], json_: bool,
) -> None:  # fmt: skip
    """Write a run as an entry: a small folder of plain files, without weights, paths, host or user names.

    With --joins the entry has the new measures alone, and joins the table of the entry that it names.
    """
    from genbench.base.downloads import check_url
    from genbench.host import Host
    from genbench.leaderboard.pack import pack as write
    from genbench.leaderboard.validate import sound_entry
    from genbench.leaderboard.weights import archive_beside

    if weights_url:
        check_url(weights_url)
    with Waiting(f"packing {run}"):
        sizes = write(
            run, out, Host.described(plugins, without, [run]), submitter=submitter,
            weights=weights or bool(weights_url), url=weights_url,
            joins=sound_entry(joins) if joins else None, warn=options.warn,
        )  # fmt: skip
    archive = archive_beside(out) if "weights.json" in sizes else None
    if json_:
        beside = {"weights": {"file": str(archive), "bytes": archive.stat().st_size}} if archive else {}
        options.echo_json({"folder": str(out), "files": sizes, **beside})
        return
    click.echo(f"{out}: {counted(len(sizes), 'file')}, {sum(sizes.values()):,} bytes")
    if archive:
        click.echo(f"{archive}: the weights, {archive.stat().st_size:,} bytes; publish it where it fits")
    click.echo(f"check it with 'genbench leaderboard validate {out}'")


@command.command("fetch")
@click.argument("source", metavar="ENTRY|FILE|URL")
@click.option("--out", type=options.PATH, metavar="DIR", help="Run folder; runs/NAME if left out.")
@options.as_json
def fetch(source: str, out: Path | None, json_: bool) -> None:
    """Make a run folder of a published entry and its archive of weights, to compute measures on it.

    ENTRY is the folder of an entry that was packed with --weights: its archive lies beside it, or is
    downloaded from where the entry says. FILE or URL is such an archive alone. Every hash is checked before
    anything is written.
    """
    from genbench.leaderboard.fetch import fetch as bring

    with options.interruptible(), Waiting(f"fetching {source}"):
        found = bring(source, out, options.warn)
    if json_:
        options.echo_json(
            {"folder": str(found.folder), "fits": found.fits, "values": found.values, "there": found.there}
        )
        return
    before = f", {found.there} of them there before" if found.there else ""
    fits, values = counted(found.fits, "fit"), counted(found.values, "value")
    click.echo(f"{found.folder}: {fits} with their weights{before}, {values}")
    click.echo(f"next: 'genbench measure {shlex.quote(str(found.folder))} --measures YOURS --plugin FILE'")


@command.command("validate")
@click.argument("folder", metavar="DIR", type=options.PATH)
@click.option("--allow-incomplete", is_flag=True, help="Let missing points and values pass.")
@click.option("--entries", type=options.PATH, metavar="DIR", help="Where the entry is that it joins.")
@options.as_json
def validate(folder: Path, allow_incomplete: bool, entries: Path | None, json_: bool) -> None:
    """Check an entry: keys, ranges, seeds, completeness. Executes nothing of it; every fault is a line."""
    from genbench.leaderboard.validate import validate as check

    with Waiting(f"recomputing the keys of {folder}"):
        checked = check(folder, allow_incomplete=allow_incomplete, entries=entries)
    entry = checked.entry
    assert entry is not None
    if json_:
        options.echo_json(
            {
                "entry": entry.name,
                "suite": dict(entry.header["suite"]),
                "fits": len(entry.fits),
                "measures": len(entry.measures),
                "missing": checked.missing,
                "notes": checked.notes,
                "records": entry.digest,
            }
        )
        return
    for line in checked.missing:
        options.warn(f"incomplete: {line}")
    for line in checked.notes:
        options.warn(line)
    suite, state = entry.header["suite"], "incomplete" if checked.missing else "complete"
    click.echo(
        f"{folder}: sound and {state}; suite {suite['name']} {suite['version']}, "
        f"{counted(len(entry.fits), 'fit')}, {counted(len(entry.measures), 'measure')}"
    )


@command.command("build")
@click.argument("root", default="leaderboard", type=options.PATH)
@bootstrap
@options.as_json
def build(root: Path, bootstrap: int, json_: bool) -> None:
    """Rank the entries in ROOT/entries anew; write ROOT/README.md, index.html, leaderboard.csv and .json.

    ROOT is the folder 'leaderboard' where it is left out. One entry with a fault, and nothing is written.
    """
    from genbench.leaderboard.build import build as write

    with Waiting(f"ranking the entries of {root} anew"):
        content = write(root, bootstrap=bootstrap)
    if json_:
        options.echo_json(content)
        return
    for table in content["tables"]:
        for each in (*table["entries"], *table["below"]):
            for why in each["warnings"]:
                options.warn(f"{each['name']}: {why}")
        click.echo(
            f"{table['suite']} {table['version']}: {counted(len(table['entries']), 'entry')}, "
            f"{len(table['below'])} incomplete ones below the line"
        )
    click.echo(f"{root}: README.md, index.html, leaderboard.csv and leaderboard.json are written")


@command.command("diff")
@click.argument("old", type=options.PATH)
@click.argument("new", type=options.PATH)
@bootstrap
@options.forms(json="Print JSON.", markdown="Print Markdown.")
def diff(old: Path, new: Path, bootstrap: int, form: str | None) -> None:
    """Show every rank that moved and why: data, a measure's version, the suite's version or new entries.

    OLD and NEW are leaderboards: folders, ranked anew from their entries, or files leaderboard.json.
    """
    from genbench.leaderboard import diff as differences

    states = []
    for each in (old, new):
        with Waiting(f"reading or ranking {each}"):
            states.append(differences.read_state(each, bootstrap=bootstrap))
    moves, lines = differences.diff(*states), differences.entry_lines(*states)
    if form == "json":
        options.echo_json(differences.as_json(moves, lines))
    elif form == "markdown":
        click.echo(differences.as_markdown(moves, lines), nl=False)
    else:
        for line in [*lines, *(differences.as_text(moves) or ["no rank moved"])]:
            click.echo(line)


@command.command("reproduce")
@click.argument("entry", type=options.PATH)
@click.option("--sample", default=3, show_default=True, metavar="N", help="How many fits to rerun.")
@click.option(
    "--key", type=options.PATH, metavar="FILE", help="SSH key to sign with: without, it earns nothing."
)
@click.option(
    "--leaderboard",
    "root",
    type=options.PATH,
    metavar="ROOT",
    help="The entry's leaderboard; where left out, by where the entry stands.",
)
@click.option("--attester", default="", metavar="NAME", help="Who answers for it; will be published.")
@click.option("--data", type=options.PATH, metavar="DIR", help="Folder with the data.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@options.plugins
@options.as_json
def reproduce(
    entry: Path, sample: int, key: Path | None, root: Path | None, attester: str, data: Path | None,
    device: str, plugins: tuple[str, ...], without: tuple[str, ...], json_: bool,
) -> int:  # fmt: skip
    """Rerun a few fits of an entry, compare errors and measures, and write an attestation into its folder.

    Nobody chooses which fits: they are drawn by a hash of the entry, of the leaderboard's other entries and
    of the key's signature. A badge needs the signature of a key that ROOT/keys/allowed_signers lists.
    """
    from genbench.cli.progress import progress
    from genbench.host import Host
    from genbench.leaderboard.reproduce import reproduce as rerun

    with options.interruptible(), Waiting("loading plugins, reading the entry") as still:
        done = rerun(
            entry, Host.described(plugins, without, [entry]), sample=sample, key=key, root=root, data=data,
            device=device, attester=attester, progress=progress(still),
        )  # fmt: skip
    if json_:
        options.echo_json(
            {**done.attestation, "file": str(done.path), "badge": done.badge, "lines": done.lines}
        )
    else:
        _print_attestation(done)
    return 0 if done.attestation["agrees"] else 1


def _print_attestation(done: Reproduced) -> None:
    found = done.attestation
    click.echo(
        f"seed {found['seed']}, of the entry's records {found['records'][:12]}, the leaderboard's state "
        f"{found['state'][:12]} and {'the signature of your key' if found['draw'] else 'no signature'}"
    )
    kind = "equal bits are expected" if found["same_machine_class"] else f"within {found['tolerance']}"
    click.echo(f"{counted(len(found['fits']), 'fit')} rerun, on {_machine(found)}: {kind}")
    for fit in found["fits"]:
        for each in (*fit["outcome"], *fit["values"]):
            if not each["agrees"]:
                click.echo(
                    f"{fit['key']}: {each['name']}: {each['recorded']} recorded, {each['found']} found"
                )
    values = [each["agrees"] for fit in found["fits"] for each in fit["values"]]
    click.echo(f"{sum(values)} of {len(values)} values of measures agree")
    if left := found["left_out"]:
        click.echo(f"{counted(len(left), 'measure')} could not be compared: {', '.join(left)}")
    click.echo(f"{'agrees' if found['agrees'] else 'does NOT agree'}; written to {done.path}")
    for line in done.lines:
        options.warn(line)
    click.echo(f"with this alone the entry is {done.badge}")


def _machine(found: dict[str, Any]) -> str:
    return "the same class of machine" if found["same_machine_class"] else "another class of machine"
