"""Figures for papers: every kind in every form, the same bytes again, whatever the names are."""

import re
from pathlib import Path

import pytest
from reports import DIRECTIONS, invented, report

from genbench.base.errors import UsageError
from genbench.report.figures import FORMS, KINDS, Choice, check, draw, save

CHOICE = Choice("gap", measure="good", axis="model.width", top=5)
STARTS = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG"}


@pytest.fixture(scope="module")
def content():
    return report()


@pytest.mark.parametrize(
    ("kind", "form"), [*((kind, ".svg") for kind in KINDS), *(("scatter", form) for form in FORMS)]
)
def test_a_figure_is_the_same_when_drawn_again(content, kind, form):
    path = Path(f"figure{form}")
    first = save(draw(content, kind, CHOICE), path)
    assert first.startswith(STARTS[form])
    assert save(draw(content, kind, CHOICE), path) == first


NAME = "$\\frac{1}$ <b>&"


@pytest.fixture(scope="module")
def badly_named():
    directions = {NAME if each == "good" else each: sign for each, sign in DIRECTIONS.items()}
    return report(invented().rename(columns={"good": NAME}), directions)


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_is_text_and_never_mathematics_or_markup(badly_named, kind):
    text = save(draw(badly_named, kind, Choice("gap", measure=NAME)), Path("figure.svg")).decode()
    assert "<b>" not in text
    assert ("$\\frac{1}$ &lt;b&gt;&amp;" in text) is (kind not in ("curves", "cost"))


def test_a_figure_refers_to_nothing_outside_itself(content):
    text = save(draw(content, "ranking", CHOICE), Path("figure.svg")).decode()
    assert all(each.startswith("#") for each in re.findall(r'(?:href|src)="([^"]*)"', text))


def test_a_ranking_has_as_many_measures_as_asked_for(content):
    figure = draw(content, "ranking", Choice("gap", top=3))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [row["measure"] for row in content.standings["gap"]["rows"][:3]]


def test_a_scatter_has_a_dot_for_each_fit_in_the_colour_of_its_level(content):
    axes = draw(content, "scatter", CHOICE).axes[0]
    assert [len(line.get_xdata()) for line in axes.lines] == [8, 8, 8]
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["16", "32", "64"]


@pytest.mark.parametrize(
    ("kind", "path", "measure", "line"),
    [
        ("rankin", "a.pdf", None, "no figure 'rankin'; did you mean 'ranking'?; there are ranking, scatter"),
        ("ranking", "a.jpg", None, "'a.jpg': the ending must be .pdf, .svg or .png"),
        ("scatter", "a.pdf", None, "the figure 'scatter' shows one measure: name it with --measure"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(kind, path, measure, line):
    with pytest.raises(UsageError, match=re.escape(line)):
        check(kind, Path(path), measure)


def test_an_unknown_measure_has_a_nearest_word(content):
    with pytest.raises(UsageError, match=re.escape("no measure 'gods'; did you mean 'good'?")):
        draw(content, "scatter", Choice("gap", measure="gods"))


def test_without_a_ranking_the_reason_is_given():
    content = report(refused={"gap": "only 1 fit"})
    with pytest.raises(UsageError, match="no ranking for gap: only 1 fit"):
        draw(content, "cost", CHOICE)
