"""``genbench explain``: one trial, whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from genbench.base.errors import GenbenchError, UsageError
from genbench.cli import options

SECONDS_FOR_CAPTURING = 120.0
"""To build a network and take a step with it, where a plugin's process does."""


@click.command("explain")
@click.argument("run", type=options.PATH)
@click.argument("trial")
@click.option("--traceback", "traceback_", is_flag=True, help="Show where components raised.")
@click.option("--captured", is_flag=True, help="Find out whether its steps can be captured as CUDA graphs.")
@options.plugins
@options.as_json
def command(
    run: Path, trial: str, traceback_: bool, captured: bool, plugins: tuple[str, ...],
    without: tuple[str, ...], json_: bool,
) -> None:  # fmt: skip
    """Show the settings, seeds, outcome and values of one trial; TRIAL is its key or the start of it."""
    from genbench.runs.status import read_trial
    from genbench.runs.store import Folder

    content = read_trial(Folder(run, options.warn), trial)
    if captured:
        content["capture"] = _captured(content["fit"] or content["failure"], run, plugins, without)
    if json_:
        options.echo_json(content)
        return
    record = content["fit"] or content["failure"]
    if record is None:
        raise UsageError(f"trial '{content['key']}' has neither a fit nor a recorded failure")
    _print(content["key"], record, content["values"], has_fit=content["fit"] is not None)
    if traceback_:
        _print_tracebacks(content["values"])
    if captured:
        click.echo(content["capture"])


def _print(key: str, record: Any, values: Any, *, has_fit: bool) -> None:
    from genbench.planning.plan import Trial
    from genbench.report.terminal import print_rows

    trial = Trial.from_dict(record["trial"])
    click.echo(f"trial {key}, seed {trial.seed}")
    print_rows(["setting", "value"], list(trial.coordinates().items()))
    if not has_fit:
        click.echo(f"no fit: {record['reason']}")
        click.echo(record["detail"])
        return
    click.echo(
        f"stopped with {record['stop_reason']} {record['stop_note']} after {record['epochs']} epochs, "
        f"{record['steps']} steps, {record['seconds']:.1f} s on {record['device']}"
    )
    if "why_not_captured" in record:
        why = record["why_not_captured"]
        click.echo(f"its steps were {f'calls: {why}' if why else 'captured as CUDA graphs and replayed'}")
    for split in ("train", "test"):
        error, loss = record[f"{split}_error"], record[f"{split}_loss"]
        shown = "not finite" if loss is None else f"{loss:.5f}"
        click.echo(f"  {split} error {error:.4f}, {split} loss {shown}")
    rows = [
        [name, "" if each["value"] is None else f"{each['value']:.6g}", each["status"], each["reason"]]
        for name, each in sorted(values.items())
    ]
    print_rows(["measure", "value", "status", "reason"], rows, right=["value"])


def _print_tracebacks(values: Any) -> None:
    found = {name: each["detail"] for name, each in sorted(values.items()) if each.get("detail")}
    if not found:
        click.echo("no measure of this trial raised")
    for name, traceback in found.items():
        click.echo(f"\n{name}:\n{traceback}")


def _captured(record: Any, run: Path, plugins: Sequence[str], without: Sequence[str]) -> str:
    """Whether the steps of a trial would be captured on CUDA, by what is declared, or by a trial here."""
    from genbench.fitting.work import why_not_captured
    from genbench.host import Host
    from genbench.host.elsewhere import NoAnswer
    from genbench.planning.plan import Trial

    if record is None:
        return "nothing is known of this trial"
    trial = Trial.from_dict(record["trial"])
    try:
        host = Host.described(plugins, without, [run])
        if company := trial.plugins & host.elsewhere:
            given = {"trial": trial.as_dict()}
            why = str(host.deputies.ask(company, "captured", given, SECONDS_FOR_CAPTURING))
        else:
            why = why_not_captured(trial, host)
    except GenbenchError as fault:
        why = str(fault)
    except NoAnswer as fault:
        named = " and ".join(f"'{each}'" for each in sorted(company))
        return f"whether its steps are captured on CUDA is not known: {named} {fault}"
    return f"on CUDA its steps are {f'calls: {why}' if why else 'captured as graphs and replayed'}"
