"""The pictures of a report for papers: one figure a file, the same bytes for the same run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import UsageError, nearest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from genbench.report.content import Content

__all__ = ["FORMS", "KINDS", "RANKED", "Choice", "check", "draw", "save"]

FORMS = (".pdf", ".svg", ".png")

ACCENT, INK, SOFT, FAR, BAND = "#1a5fa8", "#1d1c1a", "#66625b", "#b3aa98", "#e8e5dc"
MARKERS = "osv^DPX"

# Names may hold dollar signs, which would be read as mathematics; ids would differ from run to run.
STYLE: Any = {
    "text.parse_math": False,
    "svg.hashsalt": "genbench",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "axes.unicode_minus": True,
}
# What would otherwise hold the time of writing.
METADATA: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None, "Producer": "genbench", "Creator": "genbench"},
    ".svg": {"Date": None, "Creator": "genbench"},
    ".png": {"Software": None},
}


@dataclass(frozen=True)
class Choice:
    """What a figure shows.

    Attributes
    ----------
    target : str
    measure : str or None
        For the kinds that show one measure.
    axis : str or None
        The axis that colours fits; none where left out.
    top : int
        How many measures a ranking or a heat map has.
    """

    target: str
    measure: str | None = None
    axis: str | None = None
    top: int = 30


def check(kind: str, path: Path, measure: str | None) -> None:
    """Refuse what cannot be drawn before anything is read.

    Raises
    ------
    UsageError
        No such kind, with the nearest word; an ending not in `FORMS`; no measure for a kind that shows one.
    """
    if kind not in KINDS:
        raise UsageError(f"no figure '{kind}'{nearest(kind, KINDS)}; there are {', '.join(KINDS)}")
    if path.suffix.lower() not in FORMS:
        raise UsageError(f"'{path}': the ending must be {', '.join(FORMS[:-1])} or {FORMS[-1]}")
    if kind in ONE_MEASURE and measure is None:
        raise UsageError(f"the figure '{kind}' shows one measure: name it with --measure")


def draw(content: Content, kind: str, choice: Choice) -> Figure:
    """A figure of a kind.

    Raises
    ------
    UsageError
        No such measure, with the nearest word; the run has nothing to draw of that kind.
    """
    if kind in RANKED and choice.target in content.refused:
        raise UsageError(f"no ranking for {choice.target}: {content.refused[choice.target]}")
    if kind in ONE_MEASURE and choice.measure not in content.measures:
        raise UsageError(f"no measure '{choice.measure}'{nearest(str(choice.measure), content.measures)}")
    from matplotlib import rc_context

    with rc_context(STYLE):
        return KINDS[kind](content, choice)


def save(figure: Figure, path: Path) -> bytes:
    """The file of a figure, in the form that the ending of its name says."""
    import io

    from matplotlib import rc_context

    form = path.suffix.lower()
    stream = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(stream, format=form[1:], dpi=200, bbox_inches="tight", metadata=METADATA[form])
    return stream.getvalue()


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _number(value: Any) -> float:
    """A number of a report as it was: infinities travel as texts, what is missing as None."""
    return math.nan if value is None else float(value)


def _shown(content: Content, choice: Choice) -> list[tuple[int, dict[str, Any]]]:
    """Place and row of the first measures that have a score, in the order of the ranking."""
    rows = enumerate(content.standings[choice.target]["rows"])
    return [(place, row) for place, row in rows if row["score"] is not None and row["group"] != "control"][
        : choice.top
    ]


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _shades(count: int) -> list[tuple[float, ...]]:
    """A colour for each level of an axis, from grey to the accent."""
    from matplotlib.colors import LinearSegmentedColormap

    between = LinearSegmentedColormap.from_list("levels", [FAR, ACCENT])
    return [between(1.0 if count == 1 else place / (count - 1)) for place in range(count)]


def _levels(content: Content, choice: Choice) -> tuple[list[str], list[int]]:
    """Levels of the axis that colours, and the level of each fit; one level where no axis was chosen."""
    if choice.axis is None:
        return [""], [0] * len(content.fits["key"])
    axis = next(each for each in content.axes if each["axis"] == choice.axis)
    return axis["levels"], axis["codes"]


def ranking(content: Content, choice: Choice) -> Figure:
    """Scores of the measures with their intervals, best first."""
    standing, shown = content.standings[choice.target], _shown(content, choice)
    figure, axes = _figure(5.0, 0.6 + 0.17 * max(4, len(shown)))
    low, high = map(_number, standing["band"])
    if not math.isnan(low):
        axes.axvspan(low, high, color=BAND, lw=0)
    axes.axvline(0, color=FAR, lw=0.6)
    for line, (_, row) in enumerate(shown):
        colour = ACCENT if row["group"] == "ranked" else SOFT
        axes.plot([_number(row["score_low"]), _number(row["score_high"])], [line, line], color=colour, lw=1.4)
        axes.plot([_number(row["score"])], [line], "o", color=colour, ms=3.5)
    axes.set_yticks(range(len(shown)), [row["measure"] for _, row in shown])
    axes.set_ylim(len(shown) - 0.3, -0.7)
    axes.set_xlim(-1.04, 1.04)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"ψ times direction, {_plain(choice.target)}")
    return figure


def scatter(content: Content, choice: Choice) -> Figure:
    """A measure against the target, a dot for each fit."""
    assert choice.measure is not None
    figure, axes = _figure(3.4 if choice.axis is None else 4.6, 2.6)
    values = [_number(each) for each in content.measures[choice.measure]["values"]]
    target = [_number(each) for each in content.fits[choice.target]]
    levels, codes = _levels(content, choice)
    for code, shade in enumerate(_shades(len(levels))):
        here = [place for place, each in enumerate(codes) if each == code]
        axes.plot(
            [values[place] for place in here], [target[place] for place in here],
            MARKERS[code % len(MARKERS)], color=shade, mfc=(*shade[:3], 0.35), ms=4, mew=0.8,
            label=levels[code],
        )  # fmt: skip
    finite = [each for each in values if math.isfinite(each)]
    if finite and min(finite) > 0 and max(finite) / min(finite) > 50:
        _logarithmic(axes, "x")
    axes.set_xlabel(choice.measure)
    axes.set_ylabel(_plain(choice.target))
    _legend(axes, choice)
    return figure


def _logarithmic(axes: Axes, *names: str) -> None:
    """Logarithmic scales labelled in plain figures: the usual labels are mathematics."""
    from matplotlib.ticker import NullFormatter

    axes.set(**{f"{name}scale": "log" for name in names})
    for name in names:
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
        axis.set_minor_formatter(NullFormatter())


def _legend(axes: Axes, choice: Choice) -> None:
    if choice.axis is not None:
        axes.legend(title=choice.axis, loc="center left", bbox_to_anchor=(1.0, 0.5))


def by_axis(content: Content, choice: Choice) -> Figure:
    """The granulated tau of one measure along each axis, with intervals."""
    standing = content.standings[choice.target]
    place = next(
        (place for place, row in enumerate(standing["rows"]) if row["measure"] == choice.measure), None
    )
    if place is None:
        raise UsageError(f"'{choice.measure}' is not in the ranking for {choice.target}")
    figure, axes = _figure(3.4, 0.5 + 0.25 * max(3, len(standing["axes"])))
    axes.axvline(0, color=FAR, lw=0.6)
    for line, each in enumerate(standing["axes"]):
        axes.plot(
            [_number(each["low"][place]), _number(each["high"][place])], [line, line], color=ACCENT, lw=1.4
        )
        axes.plot([_number(each["value"][place])], [line], "o", color=ACCENT, ms=4)
    axes.set_yticks(range(len(standing["axes"])), [each["axis"] for each in standing["axes"]])
    axes.set_ylim(len(standing["axes"]) - 0.5, -0.5)
    axes.set_xlim(-1.04, 1.04)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"granulated τ times direction, {choice.measure}")
    return figure


def cost(content: Content, choice: Choice) -> Figure:
    """Score against cost, the measures of which none is both cheaper and better marked and named."""
    rows = [
        row
        for row in content.standings[choice.target]["rows"]
        if row["group"] == "ranked" and _number(row["seconds"]) > 0 and row["score"] is not None
    ]
    figure, axes = _figure(5.0, 3.2)
    axes.axhline(0, color=FAR, lw=0.6)
    best = sorted((row for row in rows if row["pareto"]), key=lambda row: row["seconds"])
    rest = [row for row in rows if not row["pareto"]]
    axes.plot(
        [1000 * row["seconds"] for row in rest],
        [row["score"] for row in rest],
        "o",
        color=SOFT,
        mfc="none",
        ms=3.5,
        mew=0.7,
    )
    costs, scores = [1000 * row["seconds"] for row in best], [row["score"] for row in best]
    axes.step(costs, scores, where="post", color=ACCENT, lw=0.8, ls=":")
    axes.plot(costs, scores, "o", color=ACCENT, ms=4.5)
    for row, x, y in zip(best, costs, scores, strict=True):
        axes.annotate(row["measure"], (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7)
    if rows:
        _logarithmic(axes, "x")
    axes.set_xlabel("cost alone, ms")
    axes.set_ylabel(f"ψ times direction, {_plain(choice.target)}")
    return figure


def _diverging() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("diverging", ["#4b4b4b", "#ffffff", ACCENT])


def heatmap(content: Content, choice: Choice) -> Figure:
    """Granulated tau by measure and axis, times the direction."""
    standing, shown = content.standings[choice.target], _shown(content, choice)
    columns = standing["axes"]
    if not columns or not shown:
        raise UsageError("there is no granulated tau to draw: the run has no axes or no measure has values")
    figure, axes = _figure(3.4 + 0.5 * len(columns), 1.2 + 0.17 * len(shown))
    table = [[_number(each["value"][place]) for each in columns] for place, _ in shown]
    picture = axes.imshow(table, cmap=_diverging(), vmin=-1, vmax=1, aspect="auto")
    for line, row in enumerate(table):
        for column, value in enumerate(row):
            if not math.isnan(value):
                bright = "white" if abs(value) > 0.7 else INK
                axes.text(
                    column,
                    line,
                    f"{value:+.2f}".replace("-", "−"),
                    ha="center",
                    va="center",
                    fontsize=6,
                    color=bright,
                )
    axes.set_xticks(
        range(len(columns)),
        [each["axis"] for each in columns],
        rotation=40,
        ha="left",
        rotation_mode="anchor",
    )
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(shown)), [row["measure"] for _, row in shown])
    _bare(axes)
    figure.colorbar(picture, ax=axes, shrink=0.4, label="granulated τ times direction")
    return figure


def correlation(content: Content, choice: Choice) -> Figure:
    """Spearman's correlation between measures, clustered; names where they can be read."""
    names, rho = content.correlation["measures"], content.correlation["rho"]
    if len(names) < 2:
        raise UsageError("there is no correlation to draw: fewer than two measures take more than one value")
    table = [[math.nan] * len(names) for _ in names]
    for row, line in enumerate(rho):
        table[row][row] = 1.0
        for column, value in enumerate(line):
            table[row][column] = table[column][row] = _number(value) / 100
    size = min(12.0, 2.0 + 0.11 * len(names))
    figure, axes = _figure(size, size)
    picture = axes.imshow(table, cmap=_diverging(), vmin=-1, vmax=1, interpolation="nearest")
    small = max(2.5, min(7.0, 640 / len(names)))
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=small)
    axes.set_yticks(range(len(names)), names, fontsize=small)
    _bare(axes)
    figure.colorbar(picture, ax=axes, shrink=0.4, label="Spearman’s ρ times both directions")
    return figure


def _bare(axes: Axes) -> None:
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def curves(content: Content, choice: Choice) -> Figure:
    """Training loss along training, a line for each fit."""
    figure, axes = _figure(3.4 if choice.axis is None else 4.6, 2.6)
    levels, codes = _levels(content, choice)
    shades, named = _shades(len(levels)), set()
    for epochs, losses, code in zip(
        content.curves["epoch"], content.curves["train_loss"], codes, strict=True
    ):
        label = None if code in named else levels[code]
        named.add(code)
        axes.plot(
            [_number(each) + 1 for each in epochs], [_number(each) for each in losses],
            color=shades[code], lw=0.7, alpha=max(0.2, min(0.9, 30 / len(codes))), label=label,
        )  # fmt: skip
    _logarithmic(axes, "x", "y")
    axes.set_xlabel("1 + epochs")
    axes.set_ylabel("training loss")
    _legend(axes, choice)
    return figure


KINDS: dict[str, Callable[[Any, Choice], Any]] = {
    "ranking": ranking,
    "scatter": scatter,
    "axes": by_axis,
    "cost": cost,
    "heatmap": heatmap,
    "correlation": correlation,
    "curves": curves,
}
ONE_MEASURE = frozenset({"scatter", "axes"})
RANKED = frozenset({"ranking", "axes", "cost", "heatmap"})
