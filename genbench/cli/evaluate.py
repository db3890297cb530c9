"""``genbench evaluate``: the measures of networks that one has, without a suite around them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.base.errors import UsageError
from genbench.base.names import CORE
from genbench.cli import options

if TYPE_CHECKING:
    from genbench.fitting.own_networks import Measured
    from genbench.host import Host
    from genbench.ranking import Board

FORMS = ("json", "csv", "html")


@click.command("evaluate")
@click.option(
    "--model",
    "model",
    required=True,
    metavar="NAME|FACTORY",
    help="A model, or FILE.py:FUNCTION or MODULE:FUNCTION, with settings as in NAME[width=8].",
)
@click.option(
    "--weights", multiple=True, type=options.PATH, metavar="FILE", help="Trained weights; repeatable."
)
@click.option("--initial", multiple=True, type=options.PATH, metavar="FILE", help="Weights before training.")
@click.option("--dataset", metavar="NAME", help="What it was trained on, as in mnist[train_size=1000].")
@click.option(
    "--data", type=options.PATH, metavar="DIR|FILE", help="Data folder, pictures, or .npz of arrays."
)
@options.listed(
    "--measures", "Names, variants, family:NAME, cost:A-C, all.", default="cost:A-C", show_default=True
)
@click.option("--output", metavar="KEY", help="Key or place of the outputs in what the network returns.")
@click.option("--device", default="cpu", show_default=True, help="auto, cpu or cuda.")
@click.option("--seed", default=0, show_default=True, help="Of the measures that draw random numbers.")
@options.plugins
@options.forms(json="Print JSON.", csv="Print CSV, a row for each network.", html="Print a page.")
@click.option("--out", type=options.PATH, metavar="FILE", help="Write to a .json, .csv or .html file.")
def command(
    model: str, weights: tuple[Path, ...], initial: tuple[Path, ...], dataset: str | None, data: Path | None,
    measures: list[str], output: str | None, device: str, seed: int, plugins: tuple[str, ...],
    without: tuple[str, ...], form: str | None, out: Path | None,
) -> int:  # fmt: skip
    """Compute generalization measures of your own network on its training data.

    Weights are .safetensors files, or .pt files of which the tensors are read and no code is run. Several
    weights make a table; where the data have a test split, the measures are ranked by how well they tell
    which of the networks generalizes better.
    """
    from genbench.execution.evaluating import evaluate_files
    from genbench.fitting.own_networks import Asked
    from genbench.host import Host
    from genbench.host.selection import select_measures

    form = _form(form, out)
    if initial and not weights:
        raise UsageError("--initial goes with --weights")
    host = Host.described(plugins, without)
    for line in host.problems():
        options.warn(line)
    requests = select_measures(measures, host, options.warn)

    def begin(name: str) -> None:
        if len(weights) > 1:
            options.warn(f"{name}: {len(requests)} measures")
        elif not weights and _is_built_in(model, host):
            options.warn(f"model '{model}' is measured untrained, with random weights, without --weights")

    done = evaluate_files(
        Asked(
            model,
            dataset,
            None if data is None else str(data),
            [*map(str, weights)],
            [*map(str, initial)],
            _part(output),
            _device(device),
            seed,
        ),
        requests,
        host,
        progress=True,
        begin=begin,
    )
    measured = done.networks
    board, why_none = _ranked(measured, done.tested, host)
    about = {"model": model, "data": done.data, "examples": done.examples}
    if form is None:
        _print(measured, board)
    else:
        _write(_encoded(form, about, measured, board, host), out)
    if why_none:
        options.warn(f"no ranking: {why_none}")
    return int(any(value.status.is_fault for each in measured for value in each.values.values()))


def _is_built_in(word: str, host: Host) -> bool:
    """Whether it is a model of the core, none of which comes with trained weights."""
    from genbench.fitting.factories import named_model

    component, _ = named_model(word, host)
    return component is not None and component.plugin == CORE


def _form(form: str | None, out: Path | None) -> str | None:
    if out is None:
        return form
    ending = out.suffix.lower().removeprefix(".")
    if ending not in FORMS:
        raise UsageError(f"--out {out}: the ending must be .json, .csv or .html")
    if form not in (None, ending):
        raise UsageError(f"--out {out}: --{form} is another form than its ending says")
    return ending


def _part(word: str | None) -> str | int | None:
    return int(word) if word is not None and word.lstrip("-").isdigit() else word


def _device(word: str) -> str:
    import torch

    name = "cuda" if word == "auto" and torch.cuda.is_available() else word.replace("auto", "cpu")
    try:
        found = torch.device(name).type
    except RuntimeError:
        found = ""
    if found == "mps":
        raise UsageError("--device mps: measures are computed in float64, which Apple's GPUs do not have")
    if found not in ("cpu", "cuda"):
        raise UsageError(f"no such device '{word}'; there are auto, cpu and cuda")
    if found == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"no such device '{word}': torch finds no CUDA devices here")
    return name


def _ranked(measured: Sequence[Measured], tested: int | None, host: Host) -> tuple[Board | None, str]:
    """The measures ranked over several networks of which the gap is known, or why they are not."""
    from genbench import ranking
    from genbench.contract.components import Kind
    from genbench.fitting.own_networks import table_of

    if len(measured) < 2:
        return None, ""
    if "gap" not in measured[0].outcomes:
        return None, "the data have no test examples, so that nobody knows which network generalizes better"
    table = table_of(measured).drop(columns="weights")
    # A random draw is no candidate: it stands among the controls.
    names = [name for name in measured[0].values if name != "random" and table[name].notna().any()]
    cards = {name: host.find(Kind.MEASURE, name.partition("[")[0]).declared for name in names}
    try:
        board = ranking.rank(
            table, measures=names, axes=[], rank_by="tau", test_size=tested,
            directions={name: str(each.direction) for name, each in cards.items()},
            families={name: str(each.family) for name, each in cards.items()},
        )  # fmt: skip
    except ranking.RankingError as fault:
        return None, str(fault)
    return board, ""


def _print(measured: Sequence[Measured], board: Board | None) -> None:
    from genbench.report.ranking import print_ranking
    from genbench.report.terminal import print_rows

    for each in measured:
        shown = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in each.outcomes.items())
        click.echo(f"{each.weights + ': ' if each.weights else ''}{shown}", err=True)
    first = measured[0]
    if len(measured) == 1:
        print_rows(first.values.COLUMNS, first.values.rows(), right=["value", "seconds"])
        return
    names = short_names([each.weights for each in measured])
    rows = []
    for name in first.values:
        values = [each.values[name] for each in measured]
        reason = next((value.reason for value in values if value.value is None), "")
        cells = ["" if value.value is None else f"{value.value:.6g}" for value in values]
        rows.append([name, *cells, reason])
    print_rows(["measure", *names, "where there is none"], rows, right=names)
    if board is not None:
        print_ranking(board, f"{len(measured)} networks: which measure predicts the gap?", no_cost=True)


def short_names(files: Sequence[str]) -> list[str]:
    """The names of files without their folders, where these tell them apart."""
    names = [Path(each).name for each in files]
    return names if len(set(names)) == len(names) else list(files)


def _encoded(
    form: str, about: Mapping[str, Any], measured: Sequence[Measured], board: Board | None, host: Host
) -> str:
    if form == "csv":
        from genbench.fitting.own_networks import table_of

        return table_of(measured).to_csv(index=False, lineterminator="\n")
    from genbench.report.evaluation import as_page, content_of

    content = content_of(about, measured, None if board is None else json.loads(board.to_json()), host)
    if form == "html":
        return as_page(content)
    from genbench.base.files import as_json

    return json.dumps(json.loads(as_json(content)), indent=2, ensure_ascii=False) + "\n"


def _write(text: str, out: Path | None) -> None:
    from genbench.base.files import unwritable, write_atomically

    if out is None:
        click.echo(text, nl=False)
        return
    try:
        write_atomically(out, text.encode())
    except OSError as fault:
        raise unwritable(out, fault) from None
    click.echo(out)
