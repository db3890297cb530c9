"""The page of a leaderboard as a reader uses it, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reports import DIRECTIONS, LEVELS, invented

from genbench import ranking
from genbench.leaderboard.across import Ranked, across
from genbench.leaderboard.page import as_page
from genbench.ranking.resampling import INTERVALS
from genbench.report.standing import standing

pytestmark = pytest.mark.browser

TAKEN = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"


def entry(name: str, **changed: Any) -> dict[str, Any]:
    """An entry as `leaderboard.json` describes it."""
    described = {
        "name": name, "submitter": TAKEN, "fits": 24, "failures": 0, "computed": 6, "genbench": "0.1.0",
        "machines": ["a processor, cpu"], "badge": "spot-checked", "attesters": ["carol"], "rerun": 3, "warnings": [TAKEN],
    }  # fmt: skip
    return described | changed


def table(name: str, **changed: Any) -> dict[str, Any]:
    """A table of a leaderboard, ranked from invented fits."""
    frame = invented()
    boards = {
        target: ranking.rank(
            frame, list(DIRECTIONS), target, axes=list(LEVELS), directions=DIRECTIONS, bootstrap=0,
            families=dict.fromkeys(DIRECTIONS, TAKEN), statistics=["tau", "psi"],
            held_out=["held"],
        )
        for target in ("gap", "test_error")
    }  # fmt: skip
    known = {"plugin": "mine", "plugin_version": "2.1", "summary": TAKEN}
    described = {
        "suite": name, "version": 1, "identity": name.encode().hex().ljust(32, "0"), "title": TAKEN, "own": True,
        "superseded": "", "entries": [entry("of-alice")], "refused": {}, "notes": [TAKEN], "below": [],
        "measures": dict.fromkeys(DIRECTIONS, known),
        "targets": {target: standing(board) for target, board in boards.items()},
    }  # fmt: skip
    return described | changed


def over_suites() -> dict[str, Any] | None:
    """The summary over two suites, one of them with a name that must not be taken for markup."""
    boards = [
        ranking.rank(
            invented(), list(DIRECTIONS), "gap", axes=list(LEVELS), directions=DIRECTIONS, bootstrap=20,
            statistics=["psi"], held_out=["held"], interval=interval,
        )
        for interval in INTERVALS
    ]  # fmt: skip
    return across(
        [Ranked(name, (name,), "gap", board) for name, board in zip((TAKEN, "two"), boards, strict=True)]
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = table("small")
    for board in small["targets"].values():
        board |= {"apart": 0, "apart_with_four_times": 1}
    below = {
        **entry("half", badge="self-reported"),
        "reasons": ["12 of 24 points of the grid"],
        **table("half"),
    }
    tables = [table("large", below=[below | entry("half")]), small]
    path = tmp_path_factory.mktemp("leaderboard") / "index.html"
    content = {"across": over_suites(), "tables": tables}
    path.write_text(as_page(content), encoding="utf-8")
    return path


@pytest.fixture
def page(visit: Any, file: Path) -> Any:
    return visit(file)


def ranked(page: Any) -> list[str]:
    """The ranked measures of the first table that are shown, from the top."""
    return page.locator("table.board").first.locator("tbody.ranked tr:visible th").all_inner_texts()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_first_screen_has_the_answer_over_all_suites(visit, file, width, height):
    page = visit(file, width=width, height=height)
    for sentence in over_suites()["answer"]:
        box = page.get_by_text(sentence).first.bounding_box()
        assert box["y"] + box["height"] < height
    glance = page.locator("header .glance")
    assert "good" in glance.inner_text()
    assert "hyperparameters" in glance.inner_text()
    assert glance.locator("td.drawn").first.bounding_box()["width"] > (200 if width > 1000 else 100)
    row = page.locator("#across tbody tr").first
    assert "good" in row.inner_text()
    assert row.bounding_box()["y"] + row.bounding_box()["height"] < height


def test_the_list_of_suites_says_which_suites_are_too_small(page):
    rows = page.locator("table.suites tbody tr")
    assert rows.count() == 2
    assert "ranked" in rows.nth(0).inner_text()
    assert rows.nth(1).get_by_text("too small to rank").is_visible()
    page.get_by_role("navigation").get_by_role("link", name="small").click()
    assert page.locator(".warning:visible").count() == 1


def test_each_suite_is_a_fold_and_a_link_opens_it(page):
    folds = page.locator("details.suite")
    assert [each.get_attribute("open") is not None for each in folds.all()] == [True, False]
    page.locator("table.suites a").nth(1).click()
    assert folds.nth(1).get_attribute("open") is not None


def test_a_measure_leads_to_what_it_is_and_where_it_is_from(page):
    page.locator("table.board").first.get_by_role("link", name="good", exact=True).click()
    row = page.locator("#m-good")
    assert row.is_visible()
    assert "mine 2.1" in row.inner_text()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_nobody_is_kept_out(visit, axe, file, width, scheme):
    assert axe(visit(file, width=width, color_scheme=scheme)) == []


def test_rows_are_sorted_by_the_heads_of_the_columns(page):
    before = ranked(page)
    assert len(before) > 3
    head = page.locator("table.board").first.get_by_role("button", name="measure", exact=True)
    head.click()
    assert ranked(page) == sorted(before)
    head.focus()
    page.keyboard.press("Enter")
    assert ranked(page) == sorted(before, reverse=True)
    page.locator("table.board").first.get_by_role("button", name="score", exact=True).click()
    assert ranked(page) == before


def test_words_choose_rows_in_all_tables(page):
    page.get_by_label("Search").fill("mine reversed")
    assert ranked(page) == ["good_reversed"]
    assert "rows" in page.locator("#shown").inner_text()
    page.get_by_label("Search").fill("")
    assert len(ranked(page)) > 3


def test_incomplete_entries_stand_below_with_their_reasons(page):
    below = page.locator(".below")
    assert below.count() == 1
    assert "12 of 24 points of the grid" in below.inner_text()


def test_what_entries_brought_in_is_shown_as_text(page):
    assert page.title() == "Generalization measures, ranked · genbench"
    assert page.locator("img").count() == 0
    assert TAKEN in page.locator("section[id^=suite-] p.lede").first.inner_text()


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1280, "dark")])
def test_it_fits_narrow_screens_and_dark_rooms(visit, file, width, scheme):
    page = visit(file, width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    light = page.evaluate("getComputedStyle(document.body).backgroundColor").strip("rgba()").split(",")
    assert (sum(float(each) for each in light[:3]) < 384) == (scheme == "dark")


@pytest.mark.slow
def test_it_is_printed_on_few_pages(visit, tmp_path):
    built = Path(__file__).parents[2] / "leaderboard" / "index.html"
    paper = visit(built).pdf(format="A4")
    assert 1 < paper.count(b"/Type /Page\n") + paper.count(b"/Type/Page/") < 10
