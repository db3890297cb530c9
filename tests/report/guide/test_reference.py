"""The whole documentation as one page: nothing is left out, links lead somewhere, nothing comes from outside."""

import re
import webbrowser

import pytest
from running import command

import genbench
from genbench.contract.components import Kind
from genbench.report.catalog_cache import host_for_cards
from genbench.report.guide import reference
from genbench.report.guide.page import as_page
from genbench.report.guide.topics import topics

LARGEST_PAGE = 1.5e6


@pytest.fixture(scope="module")
def host():
    return host_for_cards()


@pytest.fixture(scope="module")
def page(host):
    return as_page(topics(), [*reference.components(host), reference.suites(host), reference.public_names()])


def test_every_component_suite_and_public_name_has_an_entry(page, host):
    anchors = set(re.findall(r'<article id="([^"]+)"', page))
    assert {f"{kind}-{each.full_name}" for kind in Kind for each in host.components(kind)} <= anchors
    assert {f"suite-{name}" for name in host.suites()} <= anchors
    assert {f"python-{name}" for name in genbench.__all__} <= anchors


def test_anchors_are_there_once_and_links_lead_to_them(page):
    anchors = re.findall(r' id="([^"]+)"', page)
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r'<a href="#([^"]+)"', page)) <= set(anchors)


def test_nothing_comes_from_outside(page):
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?!data:)", page) == []
    assert "default-src 'none'" in page


def test_a_measure_says_what_its_card_does(page):
    (entry,) = re.findall(r'<article id="measure-path_norm">.*?</article>', page, re.DOTALL)
    for words in ("Σ_paths", "forward passes", "by_size = False", "ReLU rescaling", '"#probe-squared_paths"'):
        assert words in entry


def test_signatures_and_docstrings_of_public_names_are_there(page):
    (entry,) = re.findall(r'<article id="python-Run.rank">.*?</article>', page, re.DOTALL)
    assert "Run.rank(self, target=&#39;gap&#39;, *, axes=None, **options)" in entry
    assert "Rank the measures of this run" in entry


def test_the_command_writes_one_small_file_and_opens_it(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or False)
    file = tmp_path / "new" / "docs.html"

    quiet = command("docs", "--out", file, "--no-open")
    assert (quiet.code, quiet.out, opened) == (0, f"{file}\n", [])
    text = file.read_text(encoding="utf-8")
    assert len(text.encode()) < LARGEST_PAGE
    assert "Gallery of plots" in text

    shown = command("docs", "--out", file)
    assert opened == [file.as_uri()]
    assert "no browser can be started" in shown.err
    assert file.read_text(encoding="utf-8") == text
