"""The page of the guide, and that of the whole documentation, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from genbench.cli.reference import every_topic
from genbench.report.catalog_cache import host_for_cards
from genbench.report.guide import reference
from genbench.report.guide.page import as_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guide") / "guide.html"
    path.write_text(as_page(every_topic()), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_it_fits_the_window_and_keeps_nobody_out(visit, axe, file, width, scheme):
    page = visit(file, width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe(page) == []


def test_topics_are_found_and_pictures_are_there(visit, file):
    page = visit(file)
    page.get_by_role("navigation").get_by_role("link", name="Gallery of plots").click()
    assert page.url.endswith("#plots")
    assert page.get_by_role("heading", name="Gallery of plots").is_visible()
    assert page.locator("img").evaluate_all("all => all.every((each) => each.naturalWidth > 300)")


@pytest.mark.slow
def test_the_documentation_keeps_nobody_out_and_leads_from_a_measure_to_its_probes(
    visit, axe, tmp_path_factory
):
    host = host_for_cards()
    parts = [*reference.components(host), reference.suites(host), reference.public_names()]
    file = tmp_path_factory.mktemp("docs") / "docs.html"
    file.write_text(as_page(every_topic(), parts), encoding="utf-8")
    page = visit(file, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert axe(page) == []
    page.locator("#measure-path_norm").get_by_role("link", name="squared_paths").click()
    assert page.url.endswith("#probe-squared_paths")
    assert page.get_by_role("heading", name="squared_paths", exact=True).is_visible()
