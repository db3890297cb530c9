"""The page of a report as a reader uses it, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reports import DIRECTIONS, invented, report

from genbench.report.content import Content
from genbench.report.fits import curves, endings
from genbench.report.page import as_page

pytestmark = pytest.mark.browser

PLOTS = ("cost", "heat", "correlation", "loss", "error")
TAKEN = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"


@pytest.fixture(scope="session")
def content() -> Content:
    return report()


@pytest.fixture(scope="session")
def file(content: Content, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(as_page(content), encoding="utf-8")
    return path


@pytest.fixture
def page(visit: Any, file: Path) -> Any:
    return visit(file)


def ranked(page: Any) -> list[str]:
    """The names of the ranked measures that are shown, from the top."""
    return page.locator(".ranking:visible tbody.ranked tr[data-row]:visible th").all_inner_texts()


def head(page: Any, name: str) -> Any:
    return page.locator(".ranking:visible").get_by_role("button", name=name, exact=True)


def scroll_to_all_plots(page: Any) -> None:
    for plot in PLOTS:
        page.locator(f"[data-plot={plot}]").scroll_into_view_if_needed()
        page.locator(f"[data-plot={plot}] > *").first.wait_for()


def test_it_opens_with_the_ranking_of_the_first_target(page, content):
    rows = content.standings["gap"]["rows"]
    assert ranked(page) == [row["measure"] for row in rows if row["group"] == "ranked"]
    assert page.locator(".ranking:visible").count() == 1
    assert page.get_by_role("table", name="measures ranked by how well they predict the gap").count() == 1


def test_it_sorts_by_a_column_and_back(page):
    order = ranked(page)
    head(page, "measure").click()
    assert ranked(page) == sorted(order)
    assert page.locator(".ranking:visible th[aria-sort=ascending]").inner_text().startswith("measure")
    head(page, "measure").click()
    assert ranked(page) == sorted(order, reverse=True)
    head(page, "cost, ms").click()
    assert set(ranked(page)) == set(order)
    head(page, "rank").click()
    assert ranked(page) == order


def test_it_filters_by_family_and_cost_and_counts_what_is_left(page, content):
    page.get_by_role("combobox", name="Family").select_option("spectral")
    kept = {name for name, each in content.measures.items() if each["family"] == "spectral"}
    assert set(ranked(page)) == kept & set(DIRECTIONS) - {"undirected", "held"}
    page.get_by_role("combobox", name="Family").select_option("")
    page.get_by_role("combobox", name="Cost").select_option("A")
    assert ranked(page) == [name for name in DIRECTIONS if content.measures[name]["cost_class"] == "A"]
    assert page.locator("#shown").inner_text() == f"1 of {len(content.standings['gap']['rows'])} rows"


@pytest.mark.parametrize(
    ("words", "found"),
    [("good", ["good", "good_reversed"]), ("REVERSED formula", ["good_reversed"]), ("what useless is", ["useless"]), ("zzz", [])],
)  # fmt: skip
def test_it_searches_names_formulas_and_descriptions(page, words, found):
    page.get_by_role("searchbox").fill(words)
    assert sorted(ranked(page)) == found


def test_another_target_shows_its_own_ranking_and_keeps_the_filters(page, content):
    page.get_by_role("searchbox").fill("good")
    page.get_by_text("test error", exact=True).click()
    assert page.locator(".ranking:visible").get_attribute("data-target") == "test_error"
    rows = content.standings["test_error"]["rows"]
    assert ranked(page) == [row["measure"] for row in rows if "good" in row["measure"]]


def test_a_measure_opens_with_a_dot_for_each_fit_and_a_bar_for_each_axis(page, content):
    page.get_by_role("button", name="weak").first.click()
    sheet = page.get_by_role("dialog", name="weak")
    assert sheet.locator(".mark:visible").count() == len(content.fits["key"]) + 3
    assert sheet.get_by_role("img", name="Scatter plot of gap against weak").count() == 1
    table = sheet.get_by_role("table", name="Granulated τ by axis")
    assert table.locator("tbody th").all_inner_texts() == [each["axis"] for each in content.axes]
    assert table.locator(".interval").count() == 3
    assert "formula of weak" in sheet.inner_text()
    assert page.url.endswith("#measure=weak")


def test_another_axis_colours_the_fits_and_the_curves(page, content):
    page.get_by_role("button", name="weak").first.click()
    sheet = page.get_by_role("dialog")
    legend = sheet.get_by_role("list")
    assert legend.locator("li").all_inner_texts() == ["16", "32", "64"]
    sheet.get_by_label("Colour by").select_option(label="protocol.optimizer")
    assert legend.locator("li").all_inner_texts() == ["adam", "sgd"]
    shades = sheet.locator("figure .plot .mark").evaluate_all(
        "marks => new Set(marks.map(m => m.style.stroke)).size"
    )
    assert shades == 2
    sheet.get_by_role("button", name="Close").click()
    assert page.locator("#training").get_by_label("Colour by").input_value() == "2"
    page.locator("[data-plot=loss]").scroll_into_view_if_needed()
    page.locator("[data-plot=loss] .legend").wait_for()
    assert page.locator("[data-plot=loss] .curve").count() == len(content.fits["key"])
    assert page.locator("[data-plot=loss] .legend li").all_inner_texts() == ["adam", "sgd"]


@pytest.mark.parametrize("scale", ["value", "logarithm", "rank"])
def test_a_scatter_can_be_drawn_on_every_scale(page, scale):
    page.get_by_role("button", name="useless").first.click()
    page.get_by_label("Horizontally").select_option(scale)
    marks = page.locator("dialog figure .plot .mark").count()
    assert marks == 24 if scale != "logarithm" else 0 < marks < 24


def test_it_is_used_with_the_keyboard_alone(page, content):
    first, second = (row["measure"] for row in content.standings["gap"]["rows"][:2])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the ranking"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "open":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.get_by_role("dialog").get_by_role("heading").first.inner_text() == first
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("dialog").get_by_role("heading").first.inner_text() == second
    for _ in range(40):
        page.keyboard.press("Tab")
        inside = (
            "document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        )
        assert page.evaluate(inside), "the focus left the open measure"
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
    assert page.evaluate("document.activeElement.dataset.measure") == first
    page.locator("input[name=target]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".ranking:visible").get_attribute("data-target") == "test_error"


def test_the_correlations_are_read_with_the_arrow_keys(page, content):
    page.locator("[data-plot=correlation]").scroll_into_view_if_needed()
    canvas = page.locator("canvas")
    canvas.focus()
    for key in ("ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    names = content.correlation["measures"]
    rho = content.correlation["rho"][1][0] / 100
    said = f"{names[1]} and {names[0]}: {'+' if rho > 0 else '−'}{abs(rho):.2f}"
    assert page.locator("[data-plot=correlation] .readout").inner_text() == said


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_is_never_wider_than_the_window(visit, file, width):
    page = visit(file, width=width, height=844)
    scroll_to_all_plots(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="weak").first.click()
    sheet = page.locator("dialog")
    assert sheet.evaluate("sheet => sheet.scrollWidth <= sheet.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def luminance(page: Any, part: str) -> float:
    found = page.evaluate(f"getComputedStyle(document.body).{part}.match(/[0-9.]+/g).slice(0, 3).map(Number)")
    linear = [each / 255 / 12.92 if each <= 10 else ((each / 255 + 0.055) / 1.055) ** 2.4 for each in found]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_its_colours_follow_the_system_and_the_button(visit, file, scheme, dark):
    page = visit(file, color_scheme=scheme)
    button = page.get_by_role("button", name="Colours:")
    for expected in (dark, False, True, dark):
        paper, ink = luminance(page, "backgroundColor"), luminance(page, "color")
        assert (paper < ink) is expected
        assert (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05) > 7
        button.click()


def test_every_plot_is_drawn_and_named(page):
    scroll_to_all_plots(page)
    assert page.locator(".plot svg[role][aria-label], .plot canvas[aria-label]").count() == 4
    assert page.locator("[data-plot=heat] tbody tr").count() > 5
    assert page.locator("[data-plot=cost] a[tabindex='0']").count() > 0
    page.locator("[data-plot=cost] a[tabindex='0']").first.press("Enter")
    page.get_by_role("dialog").wait_for()


def test_print_has_every_plot_and_no_buttons(page):
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for plot in PLOTS:
        assert page.locator(f"[data-plot={plot}] > *").count() > 0
    assert not page.locator("#filters").is_visible()
    assert not page.locator("#theme").is_visible()


def test_a_link_leads_to_a_measure(visit, file):
    page = visit(file, fragment="#measure=good_reversed")
    assert page.get_by_role("dialog", name="good_reversed").count() == 1


@pytest.mark.parametrize("fragment", ["#measure=nobody", "#measure=%E0%A4%A", "#measure=__proto__"])
def test_a_link_that_leads_nowhere_opens_nothing(visit, file, fragment):
    assert visit(file, fragment=fragment).get_by_role("dialog").count() == 0


def test_a_run_without_ranking_axes_and_histories_opens(visit, content, tmp_path):
    bare = replace(
        content, targets=[], standings={}, axes=[], refused={"gap": "only 1 fit"}, curves=curves([{}]),
        correlation={"measures": ["good"], "rho": [[]], "groups": []}, endings=endings({}, ["target"]),
    )  # fmt: skip
    file = tmp_path / "bare.html"
    file.write_text(as_page(bare), encoding="utf-8")
    page = visit(file, fragment="#measure=good")
    assert page.get_by_role("dialog", name="good").count() == 1
    page.keyboard.press("Escape")
    for plot in ("correlation", "loss", "error"):
        page.locator(f"[data-plot={plot}]").scroll_into_view_if_needed()
        page.locator(f"[data-plot={plot}] > *").first.wait_for()
    assert page.get_by_text("No ranking for gap.").is_visible()


def test_without_scripts_the_tables_are_all_there(visit, file):
    page = visit(file, java_script_enabled=False)
    assert len(ranked(page)) == 4
    assert page.locator("noscript p").is_visible()
    assert not page.get_by_role("searchbox").is_visible()


def test_what_a_plugin_wrote_is_text(visit, tmp_path):
    directions = {TAKEN if each == "good" else each: sign for each, sign in DIRECTIONS.items()}
    content = report(invented().rename(columns={"good": TAKEN}), directions)
    content.measures[TAKEN].update(formula=TAKEN, documentation=TAKEN, source=TAKEN, family=TAKEN)
    for axis in content.axes:
        axis["levels"] = [TAKEN, *axis["levels"][1:]]
    file = tmp_path / "hostile.html"
    file.write_text(
        as_page(replace(content, title=TAKEN, suite={"name": TAKEN, "version": 1, "notes": TAKEN}))
    )
    page = visit(file)
    scroll_to_all_plots(page)
    page.get_by_role("button", name=TAKEN, exact=True).first.click()
    assert page.get_by_role("dialog").get_by_role("heading").first.inner_text() == TAKEN
    assert page.locator("img").count() == 0 or page.locator("img:not([role])").count() == 0
    assert page.title() != "taken"


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_first_screen_has_the_answer_what_judges_it_and_the_first_rows(
    visit, file, content, width, height
):
    page = visit(file, width=width, height=height)
    for sentence in content.standings["gap"]["answer"]:
        box = page.get_by_text(sentence).first.bounding_box()
        assert box["y"] + box["height"] < height
    glance = page.locator(".glance:visible")
    names = glance.locator("tbody tr:visible th").all_inner_texts()
    assert {"hyperparameters", "good", "random, 95 %"} <= set(names)
    assert any(each.startswith("ceiling") for each in names)
    assert glance.locator("td.drawn").first.bounding_box()["width"] > (200 if width > 1000 else 100)
    row = page.locator(".ranking:visible tbody.ranked tr[data-row]").nth(1).bounding_box()
    assert row["y"] + row["height"] < height
    assert page.get_by_role("navigation", name="Sections").get_by_role("link", name="Ranking").is_visible()


def test_rows_without_a_value_are_folded_and_found_by_a_search(visit, tmp_path):
    frame = invented()
    frame["useless"] = float("nan")
    file = tmp_path / "page.html"
    file.write_text(as_page(report(frame)), encoding="utf-8")
    page = visit(file)
    fold = page.get_by_role("button", name="Without a value: 1 measure")
    last = page.locator(".ranking:visible tbody").last
    assert last.get_attribute("class") == "valueless folded"
    assert not last.get_by_text("useless", exact=True).is_visible()
    fold.click()
    assert last.get_by_text("useless", exact=True).is_visible()
    fold.click()
    page.get_by_role("searchbox").fill("useless")
    assert last.get_by_text("useless", exact=True).is_visible()


def test_a_description_is_set_in_paragraphs_lists_and_code(visit, tmp_path):
    content = report()
    text = "What `weak` is,\nin one paragraph.\n\n- one\n- two"
    content.measures["weak"].update(documentation=text)
    file = tmp_path / "page.html"
    file.write_text(as_page(content), encoding="utf-8")
    page = visit(file, fragment="#measure=weak")
    paragraph, items = page.locator("dialog .text").all()
    assert paragraph.inner_text() == "What weak is, in one paragraph."
    assert paragraph.locator("code").inner_text() == "weak"
    assert items.inner_text() == "- one\n- two"


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_nobody_is_kept_out(visit, axe, file, width, scheme):
    page = visit(file, width=width, height=900, color_scheme=scheme)
    scroll_to_all_plots(page)
    assert axe(page) == []
    page.get_by_role("button", name="weak").first.click()
    assert axe(page) == []
