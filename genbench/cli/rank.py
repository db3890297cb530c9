"""``genbench rank``: the statistics, on a run folder or on anybody's table."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genbench.base.counting import counted
from genbench.base.errors import UsageError, nearest
from genbench.base.values import StopReason
from genbench.cli import completing, directions, options
from genbench.cli.collecting import uncollected
from genbench.cli.directions import Directions, as_note, asking, check_columns, read_directions, recognize
from genbench.cli.statistics import asked_for
from genbench.cli.waiting import Waiting

if TYPE_CHECKING:
    from genbench.ranking import Board, Flips


@click.command("rank")
@click.argument("sources", metavar="RUN|TABLE...", nargs=-1, required=True, type=options.PATH)
@click.option("--target", default="gap", show_default=True, help="gap, test_error, loss_gap or a column.")
@options.axes("Axes of the grid.  [default: all of the run's]")
@options.listed("--measures", "Rank these only.", shell_complete=completing.measures)
@directions.options
@click.option("--seed-column", default="seed", show_default=True, help="Column that tells repeats apart.")
@click.option("--test-size", help="Size of the test set, or the column that holds it.")
@click.option("--converged", metavar="COLUMN", help="Use only fits for which this column is true.")
@click.option("--converged-only", is_flag=True, help="Use only fits of a run that reached their target.")
@click.option("--rank-by", default="psi", show_default=True, help="The statistic that orders the rows.")
@options.listed("--statistics", "Compute these only.")
@options.draws
@click.option(
    "--interval",
    metavar="OF",
    help="retraining: of the same grid with new seeds; configurations: of others too.  [default: the first]",
)
@click.option("--why", metavar="MEASURE", help="Show on which axes a measure wins or is reversed.")
@options.listed("--flips", "Compare the ranks for several targets.")
@click.option("--design", is_flag=True, help="Tell what more seeds or more configurations would do.")
@click.option("--regularizers", is_flag=True, help="Rank the regularizers of a run instead of measures.")
@click.option(
    "--top", type=click.IntRange(1), metavar="N", help="Show the first N.  [default: 20 on a terminal]"
)
@click.option("--all", "whole", is_flag=True, help="Show every measure, as pipes and files get them.")
@options.listed("--columns", "Show these: those of the table or of --csv.")
@options.plugins
@click.option("--no-cost", is_flag=True, help="Leave out times, which differ from machine to machine.")
@options.forms(json="Print JSON.", csv="Print CSV.", markdown="Print Markdown.", latex="Print LaTeX.")
def command(
    sources: tuple[Path, ...], target: str, form: str | None, no_cost: bool, why: str | None,
    flips: list[str] | None, axes: list[str] | None, measures: list[str] | None, statistics: list[str] | None,
    test_size: str | None, converged_only: bool, regularizers: bool, design: bool, top: int | None,
    whole: bool, columns: list[str] | None, words: tuple[str, ...], signs: Path | None,
    plugins: tuple[str, ...], without: tuple[str, ...], **given: Any,
) -> None:  # fmt: skip
    """Rank measures by how well they predict a target: those of a run folder, or columns of a table.

    A table is a .csv, .tsv, .json, .jsonl or .parquet file with one row for each trained network. Several
    runs or tables are ranked one by one and summarized: the mean score over suites, the worst of them,
    shared ranks.
    """
    source = sources[0]
    _check_shown(top, whole, columns, form)
    for_one = {"--why": why, "--flips": flips, "--columns": columns}
    if len(sources) > 1 and (regularizers or design or any(each is not None for each in for_one.values())):
        raise UsageError("--why, --flips, --columns, --design and --regularizers are for one run at a time")
    if regularizers:
        _print_regularizers(source, form)
        return
    said = read_directions(words, signs)
    given |= {
        "axes": axes,
        "measures": measures,
        "test_size": _size(test_size),
    }
    wanted = asked_for(statistics, given["rank_by"], plugins, without)
    given = {name: value for name, value in {**given, "statistics": wanted}.items() if value is not None}
    with Waiting(f"reading {', '.join(map(str, sources))}"), uncollected():
        opened = _opened(distinct(sources), converged_only, _named(target, given), said)
    if len(opened) > 1:
        from genbench.cli.rank_across import print_across
        from genbench.report.ranking import TOP

        on_screen = TOP if sys.stdout.isatty() and not whole else None
        print_across(opened, target, given, form, top or on_screen)
        return
    source_ = opened[source]
    if flips is not None:
        with Waiting(f"ranking {source} by several targets"):
            found = source_.rank_flips(flips, **given)
        _print_flips(found, form)
        return
    with Waiting(f"ranking {source}"), uncollected():
        board = source_.rank(target, **given)
    if design:
        _print_design(board, form)
    elif why is not None:
        _print_why(board, source_.column(why), form)
    elif form is not None:
        if form == "csv" and isinstance(source_, _Table):
            for note in board.notes:  # the other forms hold them
                options.warn(note)
        _print_form(getattr(board, f"to_{form}")(no_cost=no_cost), form)
    else:
        from genbench.report.ranking import print_ranking

        print_ranking(
            board, f"{source}: which measure predicts the {target}?", no_cost=no_cost, top=top, whole=whole,
            columns=columns, source=str(source),
        )  # fmt: skip


def _check_shown(top: int | None, whole: bool, columns: list[str] | None, form: str | None) -> None:
    if top is not None and whole:
        raise UsageError("--top shows some and --all all of the measures; give one of them")
    if form is not None and (top is not None or columns is not None):
        name = "--top" if top is not None else "--columns"
        raise UsageError(f"{name} is for text; --{form} holds every row and column")


def distinct(paths: Sequence[Path]) -> Sequence[Path]:
    """The paths, none of them given twice."""
    seen: dict[Path, Path] = {}
    for path in paths:
        if path.resolve() in seen:
            raise UsageError(f"'{path}' is given twice (as '{seen[path.resolve()]}'); name each run once")
        seen[path.resolve()] = path
    return paths


def _opened(
    paths: Sequence[Path], converged_only: bool, named: Sequence[str], directions: Directions
) -> dict[Path, _Run | _Table]:
    opened = {
        path: _Run(path, converged_only) if path.is_dir() else _Table(path, converged_only, named, directions)
        for path in paths
    }
    check_columns(directions, [each.columns for each in opened.values() if isinstance(each, _Table)])
    return opened


def _print_design(board: Board, form: str | None) -> None:
    from genbench.ranking.outlook import outlook
    from genbench.report.terminal import print_rows

    if form not in (None, "json"):
        raise UsageError(f"--design has no {form} form; it has text and --json")
    rows = outlook(board)
    if form == "json":
        options.echo_json(rows)
        return
    pairs, apart = (board.summary["pairs"][each] for each in ("all", "apart"))
    click.echo(f"Of {counted(pairs, 'pair')} of measures {apart} are told apart; to be expected:")
    header = ["grid", "cost", "pairs told apart"]
    cells = [
        [row["design"], f"x {row['cost']:g}", f"{row['apart']} ({row['apart'] / pairs:.0%})"] for row in rows
    ]
    print_rows(header, cells, right=header[1:])
    twice = {row["design"]: row["apart"] for row in rows if row["cost"] == 2}
    most = max(twice.values())
    if most > rows[0]["apart"]:
        best = " or ".join(design for design, expected in twice.items() if expected == most)
        click.echo(f"At twice the cost, {best} would help most.")
    else:
        click.echo("Nothing at twice the cost can be expected to tell more pairs apart.")


def _print_regularizers(path: Path, form: str | None) -> None:
    from genbench.report.terminal import print_alternatives
    from genbench.runs.regularizers import rank_regularizers
    from genbench.runs.run import Run

    if not path.is_dir():
        raise UsageError(f"'{path}': --regularizers is for run folders")
    if form not in (None, "json", "markdown"):
        raise UsageError(f"--regularizers has no {form} form; it has text, --json and --markdown")
    found = rank_regularizers(Run(path, warn=options.warn).results())
    if form is None:
        print_alternatives(found, f"{path}: which regularizer helps?")
    else:
        _print_form(found.to_json() if form == "json" else found.to_markdown(), form)


def _print_form(text: str, form: str | None) -> None:
    if form == "json":
        options.echo_encoded(text)
    else:
        click.echo(text, nl=False)


def _size(text: str | None) -> float | str | None:
    """A number, or the name of the column that holds it."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _named(target: str, given: Mapping[str, Any]) -> list[str]:
    """The columns that the options speak of."""
    several = [*(given.get("axes") or []), *(given.get("measures") or [])]
    return [target, *several, *(each for each in given.values() if isinstance(each, str))]


class _Run:
    """A run folder as a source of rankings."""

    def __init__(self, path: Path, converged_only: bool):
        from genbench.runs.run import Run

        run = Run(path, warn=options.warn)
        self.name = str(run.folder.suite_content().get("name") or path.name)
        self._results = run.results()
        reached = self._results.frame["stop_reason"] == StopReason.TARGET
        self._given = {"converged": reached.to_numpy()} if converged_only else {}

    @property
    def data(self) -> str:
        """What tells data sets apart, the same for runs on the same data."""
        return ",".join(sorted({record["dataset"]["name"] for record in self._trials()}))

    @property
    def versions(self) -> Mapping[str, int]:
        """The version of each measure."""
        return {name: info.version for name, info in self._results.measures.items()}

    def _trials(self) -> Sequence[Mapping[str, Any]]:
        return [record["trial"] for record in self._results.records]

    def column(self, word: str) -> str:
        """The column that the name or an alias of a measure means."""
        return self._results.column(word)

    def rank(self, target: str, **given: Any) -> Board:
        return self._results.rank(target, **{**given, **self._given})

    def rank_flips(self, targets: Sequence[str], **given: Any) -> Flips:
        return self._results.rank_flips(targets, **{**given, **self._given})


class _Table:
    """Anybody's table as a source of rankings."""

    def __init__(self, path: Path, converged_only: bool, named: Sequence[str], directions: Directions):
        if converged_only:
            raise UsageError("--converged-only is for run folders; name a column with --converged")
        from genbench.ranking.files import FORMATS, read_file

        if not path.exists():
            raise UsageError(f"'{path}' is neither a run folder nor a table file")
        if path.suffix.lower() not in FORMATS:
            raise UsageError(f"'{path}': a table is a {', '.join(FORMATS)} file")
        self.name, self.data = path.stem, ""
        self.versions: Mapping[str, int] = {}
        self._frame = read_file(path, named)
        self._directions = directions
        self._recognized = recognize(self._frame, directions)

    @property
    def columns(self) -> list[str]:
        """Names of all its columns."""
        return [str(name) for name in self._frame.columns]

    def column(self, word: str) -> str:
        """A table knows columns only."""
        return word

    def rank(self, target: str, **given: Any) -> Board:
        from genbench import ranking

        with asking(self._frame.attrs["file"]):
            board = ranking.rank(self._frame, target=target, **self._directed(given))
        ranked = {row["measure"] for row in board.rows}
        return replace(board, notes=[*board.notes, *as_note(self._recognized & ranked)])

    def rank_flips(self, targets: Sequence[str], **given: Any) -> Flips:
        from genbench import ranking

        with asking(self._frame.attrs["file"]):
            return ranking.rank_flips(self._frame, targets, **self._directed(given))

    def _directed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        said = self._directions
        here = {name: sign for name, sign in said.named.items() if name in self.columns}
        return {**given, "directions": here, "undirected": said.others}


def _print_flips(flips: Flips, form: str | None) -> None:
    if form not in (None, "json", "markdown"):
        raise UsageError(f"--flips has no {form} form; it has text, --json and --markdown")
    _print_form(flips.to_json() if form == "json" else flips.to_markdown(), form)


def _print_why(board: Board, measure: str, form: str | None) -> None:
    from genbench.report.terminal import print_rows

    names = [row["measure"] for row in (*board.rows, *board.controls)]
    if measure not in names:
        raise UsageError(f"no measure '{measure}' in this ranking{nearest(measure, names)}")
    rows = board.why(measure)
    if form == "json":
        options.echo_json(rows)
    else:
        print_rows(list(rows[0]), [[_shown(each) for each in row.values()] for row in rows])


def _shown(value: Any) -> str:
    return f"{value:+.3f}" if isinstance(value, float) else str(value)
