"""``genbench plan``: a look before the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.base.counting import counted
from genbench.base.errors import InvalidInput, MissingResult, UsageError
from genbench.cli import completing, options
from genbench.cli.plan_parts import array_script, print_budget, within_budget
from genbench.cli.waiting import Waiting

if TYPE_CHECKING:
    from genbench.fitting.cards import Card
    from genbench.planning.plan import Plan
    from genbench.runs.store import Folder


@click.command("plan")
@click.option(
    "--suite",
    required=True,
    shell_complete=completing.suites,
    metavar="NAME|FILE",
    help="A built-in suite, or a TOML file.",
)
@click.option("--out", type=options.PATH, metavar="DIR", help="Run folder; runs/NAME if left out.")
@click.option("--data", type=options.PATH, metavar="DIR", help="Folder with the data.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the suite.")
@options.listed("--measures", "These instead of the suite's.", shell_complete=completing.measures)
@click.option("--limit", type=int, metavar="N", help="The first N trials only.")
@click.option("--shard", metavar="I/N", help="Every N-th trial from the I-th.")
@click.option("--budget", metavar="TIME", help="Show the balanced part that a time such as 2h is enough for.")
@click.option("--slurm", is_flag=True, help="Print the script of an array job for sbatch.")
@click.option(
    "--tasks", type=click.IntRange(1, 1000), metavar="N", help="Size of the array; tasks of an hour."
)
@click.option("--workers", type=int, metavar="N", help="Trials at a time, for --budget and --slurm.")
@click.option(
    "--device",
    metavar="cpu|cuda",
    help="Also predict for this machine's GPU, or a measured one.",
)
@options.plugins
@options.as_json
def command(
    suite: str, out: Path | None, data: Path | None, overrides: tuple[str, ...], measures: list[str] | None,
    limit: int | None, shard: str | None, budget: str | None, slurm: bool, tasks: int | None,
    workers: int | None, device: str | None, json_: bool, plugins: tuple[str, ...], without: tuple[str, ...],
) -> None:  # fmt: skip
    """Show what would run, what is done already, and the time, memory and disk it will take."""
    from genbench import api
    from genbench.auditing.battery_time import battery_hours
    from genbench.fitting.foresight import foresee
    from genbench.host import Host
    from genbench.planning.suite import read_suite
    from genbench.runs.store import Folder

    seconds = api.budget_seconds(budget, limit, options.shard_numbers(shard))
    if slurm and (seconds is not None or shard or json_):
        raise UsageError(
            "--slurm prints the script for the whole suite; leave out --budget, --shard and --json"
        )
    if tasks and not slurm:
        raise UsageError("--tasks is for --slurm")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: must be at least 1")
    with Waiting("loading plugins, planning"):
        host = Host.described(plugins, without, [out or Path("runs")])
        if broken := host.problems(asked_for=True):
            raise MissingResult("\n".join(broken))
        for line in host.problems():
            options.warn(line)
        read = read_suite(suite, host, overrides, check_measures=measures is None)
        plan = api.plan_suite(read, host, data=data, limit=limit, shard=options.shard_numbers(shard))
        battery = api.select(measures or read.measures, host)
        folder = Folder(out or Path("runs") / read.name, options.warn, refuse_unreadable=True)
        folder.check_belongs(read)
        left = [each for each in plan.trials if folder.fit(each.key) is None]
        card = _card(device)
        foreseen = foresee(left, host, read.keep, card=card)
        prediction = foreseen.prediction
        names = [each.component.full_name for each in battery.requests]
        for reason in dict.fromkeys([*plan.left_out, *foreseen.doomed.values()]):
            options.warn(reason)
        measuring = battery_hours(card, names, prediction.layers, workers) if card else 0.0
    if slurm:
        gpu = (device or "").startswith("cuda")  # of the cluster, which this machine need not have
        count = workers or 1
        times = api.expected(folder, left, [], host, battery, device or "cpu")
        words = _words_for_nodes(
            suite, data, overrides, measures, limit, device if device and gpu else "cpu", plugins, without
        )
        click.echo(
            array_script(
                read, plan, times, prediction.memory_bytes,
                tasks=tasks, workers=count, gpu=gpu, out=folder.path, run=words,
            ),
            nl=False,
        )  # fmt: skip
        return
    content = {
        "suite": read.name,
        "title": read.title,
        "version": read.version,
        "trials": len(plan.trials),
        "done": len(plan.trials) - len(left),
        "axes": plan.axes,
        "seeds": sorted({each.seed for each in plan.trials}),
        "measures": [each.spelling for each in battery.requests],
        "gpu_hours": prediction.gpu_hours,
        "core_hours": prediction.core_hours,
        **(
            {"card": asdict(card), "card_hours": prediction.card_hours, "card_measuring_hours": measuring}
            if card
            else {}
        ),
        "memory_bytes": prediction.memory_bytes,
        "disk_bytes": prediction.disk_bytes,
        "predicted_gpu_hours": read.predicted_gpu_hours,
        "notes": read.notes,
    }
    with Waiting("reading what an earlier run tells of this grid"):
        content["expected_apart"] = _expected_apart(folder, plan)
    if seconds is not None:
        devices = api.devices(device or "auto", workers)
        wanted = {each.spelling for each in battery.requests}
        there = [each for each in plan.trials if folder.fit(each.key) is not None]
        unmeasured = [each for each in there if not wanted <= folder.measured(each.key).values.keys()]
        times = api.expected(folder, left, unmeasured, host, battery, devices[0])
        content["budget"] = within_budget(seconds, len(devices), plan, times)
    if json_:
        options.echo_json(content)
    else:
        _print(plan, content)


def _card(device: str | None) -> Card | None:
    """The card to predict for: this machine's if it was measured, else the first of the table."""
    if device in (None, "cpu"):
        return None
    if (device or "").partition(":")[0] != "cuda":
        raise UsageError(f"no such device '{device}'; there are cpu and cuda")
    import torch

    from genbench.fitting.cards import MEASURED, card_called

    if torch.cuda.is_available():
        name = torch.cuda.get_device_name(device)
        if found := card_called(name):
            return found
        options.warn(
            f"'{name}' was not measured ('genbench doctor --benchmark' does); this is for another card"
        )
    return MEASURED[0]


def _expected_apart(folder: Folder, plan: Plan) -> dict[str, Any] | None:
    """How many pairs of measures the grid may tell apart, where an earlier run lets it say so."""
    from genbench.ranking import RankingError
    from genbench.ranking.outlook import expected_apart
    from genbench.runs.results import read_table

    configurations = len({each.configuration for each in plan.trials})
    seeds = len({each.seed for each in plan.trials})
    try:
        board = read_table(folder).rank(statistics=["psi"], bootstrap=2)  # psi draws nothing
        found = board.summary
        apart = expected_apart(board, seeds / found["seeds"], configurations / found["configurations"])
    except (InvalidInput, RankingError):
        return None
    return {"apart": apart, "pairs": board.summary["pairs"]["all"], "fits": board.summary["ranked"]}


def _print(plan: Plan, content: dict[str, Any]) -> None:
    from genbench.report.terminal import print_paragraph, print_rows

    print_paragraph(f"{content['suite']} (version {content['version']}): {content['title']}")
    trials, measures = counted(content["trials"], "trial"), counted(len(content["measures"]), "measure")
    click.echo(f"{trials}, {content['done']} done, {measures}")
    print_rows(
        ["axis", "levels"],
        [[axis, ", ".join(map(str, levels))] for axis, levels in plan.axes.items()]
        + [["seed", ", ".join(map(str, content["seeds"]))]],
    )
    print_paragraph(
        f"training what is left: about {_duration(content['gpu_hours'])} on a GPU, "
        f"{_duration(content['core_hours'])} of one CPU core"
    )
    if "card" in content:
        card = content["card"]
        click.echo(
            f"on one {card['name']} (measured {card['date']}), {card['at_once']} trainings side by side: "
            f"about {_duration(content['card_hours'])}, and measuring about "
            f"{_duration(content['card_measuring_hours'])}, which overlap"
        )
    print_paragraph(
        f"memory of a worker: about {content['memory_bytes'] / 1e6 + 400:,.0f} MB; "
        f"weights on disk: {content['disk_bytes'] / 1e6:,.1f} MB"
    )
    if content["expected_apart"]:
        known = content["expected_apart"]
        print_paragraph(
            f"by the {known['fits']} fits of an earlier run, this grid can be expected to tell "
            f"{known['apart']} of {known['pairs']} pairs of measures apart"
        )
    if "budget" in content:
        print_budget(content["budget"])
    if content["notes"]:
        print_paragraph(content["notes"])


def _words_for_nodes(
    suite: str, data: Path | None, overrides: Sequence[str], measures: list[str] | None, limit: int | None,
    device: str, plugins: Sequence[str], without: Sequence[str],
) -> list[str]:  # fmt: skip
    """The words of this command as ``genbench run`` needs them on a node, with files by their whole paths."""

    def placed(word: str) -> str:
        return str(Path(word).resolve()) if Path(word).is_file() else word

    words = ["--suite", placed(suite), "--device", device]
    words += ["--data", str(data.resolve())] if data else []
    words += ["--measures", ",".join(measures)] if measures is not None else []
    words += ["--limit", str(limit)] if limit is not None else []
    several = {"--set": overrides, "--plugin": map(placed, plugins), "--no-plugin": without}
    return words + [word for option, given in several.items() for each in given for word in (option, each)]


def _duration(hours: float) -> str:
    seconds = hours * 3600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{hours:.1f} h"
