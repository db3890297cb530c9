"""A real browser, and pages opened in it that complain of nothing and ask nobody for anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# As root in a container, and without a word to anybody's host.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium of the distribution's packages."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a file in a window of its own; when the test ends nothing may have gone wrong in it."""
    contexts, complaints, requests = [], [], []

    def open_file(
        file: Path, width: int = 1280, height: int = 900, fragment: str = "", **settings: Any
    ) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda fault: complaints.append(str(fault)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri() + fragment)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert complaints == []
    assert [each for each in requests if not each.startswith(("file:", "data:"))] == []


@pytest.fixture(scope="session")
def axe() -> Callable[[Any], list[str]]:
    """What axe-core finds wrong with an open page: a line for each fault, with the elements that have it."""
    at = os.environ.get("AXE_CORE", Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js")
    if not Path(at).is_file():
        pytest.skip("axe-core is not installed: npm install --no-save axe-core, or $AXE_CORE names its file")
    source = Path(at).read_text(encoding="utf-8")

    def faults(page: Any) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run().then((found) => found.violations)")
        return [f"{each['id']}: {[node['html'][:120] for node in each['nodes'][:5]]}" for each in found]

    return faults
