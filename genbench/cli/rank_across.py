"""``genbench rank RUN1 RUN2 ...``: one answer across suites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from genbench.base.errors import UsageError
from genbench.cli import options
from genbench.cli.waiting import Waiting

if TYPE_CHECKING:
    from genbench.ranking import Board

__all__ = ["Source", "print_across"]


class Source(Protocol):
    """A run folder or a table.

    Attributes
    ----------
    name : str
        Of its suite.
    data : str
        What tells data sets apart; empty where it is not known.
    versions : mapping
        Of its measures, as far as they are known.
    """

    name: str

    @property
    def data(self) -> str:
        """What tells data sets apart."""
        ...

    @property
    def versions(self) -> Mapping[str, int]:
        """The version of each measure."""
        ...

    def rank(self, target: str, **given: Any) -> Board:
        """The ranking by a target."""
        ...


def print_across(
    sources: Mapping[Path, Source],
    target: str,
    given: Mapping[str, Any],
    form: str | None,
    top: int | None = None,
) -> None:
    """Rank each source alone, and print the summary; as text the first `top` measures of it."""
    from genbench.ranking.across import of_same_data, rank_across
    from genbench.ranking.answer import answer_across
    from genbench.report.terminal import print_fitting, print_paragraph

    if form == "latex":
        raise UsageError("several runs have no --latex form; they have text, --json, --csv and --markdown")
    named = _names(sources)
    boards = {}
    with Waiting("ranking") as at:
        for place, (name, path) in enumerate(zip(named, sources, strict=True), start=1):
            at.now(f"ranking {name}, {place} of {len(named)}")
            with _naming(path):
                boards[name] = sources[path].rank(target, **given)
    found = rank_across(boards, of_same_data({name: source.data for name, source in named.items()}))
    found = replace(found, notes=[*found.notes, *_versions(named)])
    if form == "csv":
        for note in found.notes:
            options.warn(note)
        click.echo(found.to_csv(), nl=False)
    elif form == "json":
        options.echo_encoded(found.to_json())
    elif form == "markdown":
        click.echo(found.to_markdown(), nl=False)
    else:
        click.echo(f"{len(boards)} suites: which measure predicts the {target}?")
        for sentence in answer_across(found):
            print_paragraph(f"- {sentence}", "  ")
        header, cells = found.printed()
        shown = cells if top is None else cells[:top]
        print_fitting(header, shown, ["rank", "mean", "95 %", "beats"])
        if len(shown) < len(cells):
            click.echo(f"and {len(cells) - len(shown)} more measures: --all shows them, --top N the first N")
        for note in found.notes:
            print_paragraph(f"note: {note}", "  ")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What cannot be ranked is one of several: say which."""
    from genbench.ranking import RankingError

    try:
        yield
    except RankingError as fault:
        text = str(fault)
        raise RankingError(text if text.startswith(f"{path}: ") else f"{path}: {text}") from None


def _names(sources: Mapping[Path, Source]) -> dict[str, Source]:
    """The name of each suite, with the path behind it where two have one name."""
    names = [source.name for source in sources.values()]
    return {
        source.name if names.count(source.name) == 1 else f"{source.name} ({path})": source
        for path, source in sources.items()
    }


def _versions(sources: Mapping[str, Source]) -> list[str]:
    """A note on measures that are not of one version everywhere."""
    known: dict[str, dict[int, list[str]]] = {}
    for name, source in sources.items():
        for measure, version in source.versions.items():
            known.setdefault(measure, {}).setdefault(version, []).append(name)
    different = []
    for measure, each in sorted(known.items()):
        if len(each) > 1:
            where = ", ".join(f"{version} in {' and '.join(names)}" for version, names in each.items())
            different.append(f"{measure} ({where})")
    return [f"Of different versions in different runs: {', '.join(different)}."] if different else []
