"""The page of a report: whole in one file, nothing of a run is ever read as HTML, small, always the same."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from reports import DIRECTIONS, invented, report

from genbench.report import page as page_module
from genbench.report.glance import glance
from genbench.report.page import (
    as_page,
    breakable,
    drawn,
    harmless_json,
    in_code,
    is_numeric,
    milliseconds,
    signed,
)
from genbench.report.sections import claims_section

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "<!--<script>",
    "a{{ 7 * 7 }}b",
    "javascript:alert(1)",
    "\u2028&lt;b&gt;",
]


class Page(HTMLParser):
    """The elements of a page with their attributes, and the texts of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.texts = [], [], []
        self._inside = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self._inside and self._inside[-1] == "script":
            self.scripts.append(data)
        else:
            self.texts.append(data)

    def named(self, tag):
        return [attributes for found, attributes in self.elements if found == tag]


def hostile_report():
    names = dict(zip(HOSTILE, DIRECTIONS, strict=False))
    frame = invented().rename(columns={own: name for name, own in names.items()})
    content = report(frame, {name: DIRECTIONS[own] for name, own in names.items()})
    for place, name in enumerate(HOSTILE[: len(names)]):
        other = HOSTILE[(place + 1) % len(HOSTILE)]
        content.measures[name].update(
            formula=other, documentation=other, source=other, family=other, aliases=[other]
        )
    bad = HOSTILE[0]
    row = {"claim": bad, bad: bad}
    environment = {
        "hash": "0", "fits": 1, "genbench": bad, "commit": bad, "python": bad, "system": bad, "processor": bad,
        "cores": 2, "device": bad, "packages": {bad: bad}, "plugins": [{"name": bad, "origin": bad, "version": bad}],
    }  # fmt: skip
    return replace(
        content,
        title=bad,
        suite={"name": bad, "version": bad, "notes": bad},
        tables=[claims_section([row])],
        notes=[bad],
        refused={bad: bad},
        provenance={**content.provenance, "suite": bad, "environments": [environment]},
    )


@pytest.fixture(scope="module")
def content():
    return report()


@pytest.fixture(scope="module")
def text(content):
    return as_page(content)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_page_asks_no_other_host_for_anything(text, page):
    for tag, attributes in page.elements:
        assert "src" not in attributes, tag
        if "href" in attributes:
            assert attributes["href"].startswith(("#", "data:")), attributes
    assert "@import" not in text
    assert "url(" not in text
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_its_own_policy_lets_its_own_script_run_and_nothing_else(page):
    policy = next(each["content"] for each in page.named("meta") if "http-equiv" in each)
    data, script = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert [each.get("type") for each in page.named("script")] == ["application/json", None]
    assert json.loads(data)["targets"] == ["gap", "test_error"]


def test_the_same_content_gives_the_same_page(content, text):
    assert as_page(report()) == text


def test_every_table_has_a_caption_and_every_head_a_scope(text, page):
    assert text.count("<table") == text.count("<caption") > 2
    heads = page.named("th")
    assert heads
    assert all("scope" in each for each in heads)
    assert page.named("html")[0]["lang"] == "en"
    labelled = {each["aria-labelledby"] for _, each in page.elements if "aria-labelledby" in each}
    assert labelled - {"measure-title"} <= {each["id"] for _, each in page.elements if "id" in each}


def test_the_ranking_is_drawn_and_printed_for_every_target(content, page, text):
    shown = [each for each in page.named("div") if each.get("class") == "ranking"]
    assert [each["data-target"] for each in shown] == content.targets
    assert [("hidden" in each) for each in shown] == [False, True]
    rows = [row for target in content.targets for row in content.standings[target]["rows"]]
    lines = [line for target in content.targets for line in glance(content.standings[target])]
    assert text.count('<i class="interval"') == len(rows) + len(lines)
    assert len([each for each in page.named("tr") if "data-row" in each]) == len(rows)


@pytest.mark.parametrize(("apart", "said"), [(0, True), (9, False)])
def test_a_table_that_tells_few_pairs_apart_is_too_small_to_rank(content, apart, said):
    standings = {name: {**each, "pairs": 15, "apart": apart} for name, each in content.standings.items()}
    assert ("Too small to rank." in as_page(replace(content, standings=standings))) is said


def test_hostile_texts_are_shown_and_never_read_as_html():
    content = hostile_report()
    text = as_page(content)
    page = Page(text)
    assert len(page.scripts) == 2
    assert not [tag for tag, _ in page.elements if tag in ("img", "iframe", "object")]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "<script>alert" not in text
    assert "49" not in as_page(replace(content, title="{{ 7 * 7 }}")).split("</title>")[0]
    data = json.loads(page.scripts[0])
    assert set(HOSTILE[:3]) <= set(data["measures"])
    shown = "".join(page.texts)
    assert all(each in shown for each in HOSTILE[:2])


@pytest.mark.parametrize("text", HOSTILE)
def test_data_hold_no_sign_that_html_gives_a_meaning(text):
    written = harmless_json({text: [text]})
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == {text: [text]}


def test_a_run_without_a_ranking_still_has_a_page(content):
    bare = replace(content, targets=[], standings={}, refused={"gap": "only 1 fit"}, axes=[])
    text = as_page(bare)
    assert "only 1 fit" in text
    assert 'id="ranking"' not in text


def test_a_thousand_fits_and_a_hundred_measures_make_a_page_under_five_megabytes():
    levels = {
        "model.width": list(range(10)),
        "protocol.learning_rate": list(range(10)),
        "depth": list(range(5)),
    }
    frame = invented(2, levels, extra=94)
    names = DIRECTIONS | {name: "+" for name in frame if name.startswith("further_")}
    content = report(frame, names, levels, bootstrap=0)
    assert (len(content.fits["key"]), len(content.measures)) == (1000, 100)
    assert len(as_page(content).encode()) < 5_000_000


def test_of_many_fits_some_are_drawn_evenly_spaced_and_the_page_says_how_many(monkeypatch):
    content = report()
    count = len(content.fits["key"])
    whole = drawn(content)
    assert whole["left_out"] == 0
    assert whole["fits"] == content.fits
    monkeypatch.setattr(page_module, "DRAWN_FITS", 5)
    some = drawn(content)
    assert some["left_out"] == count - 5
    places = [content.fits["key"].index(key) for key in some["fits"]["key"]]
    assert (places[0], places[-1], len(places)) == (0, count - 1, 5)
    assert max(np.diff(places)) - min(np.diff(places)) <= 1
    for place, gap in zip(places, some["fits"]["gap"], strict=True):
        assert gap == content.fits["gap"][place]
    for name, each in some["measures"].items():
        assert each["values"] == [content.measures[name]["values"][place] for place in places]
    assert some["axes"][0]["codes"] == [content.axes[0]["codes"][place] for place in places]
    assert some["curves"]["epoch"] == [content.curves["epoch"][place] for place in places]
    assert some["standings"] == whole["standings"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.4149, "+0.41"),
        (-0.05, "−0.05"),
        (-0.001, "0.00"),
        (0, "0.00"),
        (None, "–"),
        ("inf", "+∞"),
        ("-inf", "−∞"),
    ],
)
def test_signed_numbers(value, expected):
    assert signed(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1.27e-5, ("0", ".013")),
        (0.00279, ("2", ".79")),
        (0.0113, ("11", ".3")),
        (1.25, ("1\u202f250", "")),
        (None, ("–", "")),
        ("inf", ("–", "")),
    ],
)
def test_costs_are_split_at_the_decimal_point(seconds, expected):
    assert milliseconds(seconds) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (3, True),
        (0.5, True),
        ("+0.0134", True),
        ("−0.5", True),
        ("[-0.0290, +0.0134]", True),
        ("0.41 [0.35, 0.47]", True),
        ("1–5", True),
        ("", False),
        (None, False),
        ("none", False),
        ("3 of 5 seeds", False),
        ("not tested here", False),
    ],
)
def test_cells_that_hold_numbers_are_known(cell, expected):
    assert is_numeric(cell) is expected


def test_names_break_at_underscores_and_stay_escaped():
    assert str(breakable("a_b<c")) == "a_<wbr>b&lt;c"


def test_what_stands_between_back_ticks_is_code_and_stays_escaped():
    assert str(in_code("of `a<b` and ``c``")) == "of <code>a&lt;b</code> and <code>c</code>"
    assert str(in_code("a ` alone")) == "a ` alone"


def test_what_the_script_draws_is_what_the_report_says():
    table = {"networks": ["mlp"], "rows": [["scaled", "same"], ["rotated", "same"]]}
    content = report()
    content.measures["weak"].update(invariance=table)
    found = drawn(content)
    rows = found["standings"]["gap"]["rows"]
    assert rows["measure"] == [row["measure"] for row in content.standings["gap"]["rows"]]
    assert rows["score"] == [row["score"] for row in content.standings["gap"]["rows"]]
    placed = found["measures"]["weak"]["invariance"]["rows"]
    assert [[found["words"][cell] for cell in row] for row in placed] == table["rows"]
    assert found["words"] == ["scaled", "same", "rotated"]
