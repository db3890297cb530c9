"""The leaderboard as one HTML file that needs nothing but itself; it wears the clothes of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench import report
from genbench.leaderboard.markdown import is_small
from genbench.report.glance import glance_across
from genbench.report.page import script_hash, templates
from genbench.report.papers import linked

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["as_page"]

HERE = Path(__file__).parent
REPORT = Path(report.__file__).parent


def as_page(content: Mapping[str, Any]) -> str:
    """The page of a leaderboard; the same content gives the same text.

    All that entries brought in is escaped by the templates, and there is no data for a script to read. A
    policy in the page allows its own script, told by its hash, and no connection.
    """
    environment = templates(HERE / "templates", REPORT / "templates")
    environment.tests["small"] = is_small
    environment.globals["glance_across"] = glance_across
    environment.filters["linked"] = linked
    script = (HERE / "assets" / "leaderboard.js").read_text(encoding="utf-8")
    styles = (REPORT / "assets" / "page.css", HERE / "assets" / "leaderboard.css")
    return environment.get_template("leaderboard.html.j2").render(
        across=content["across"],
        tables=content["tables"],
        measures=_known_measures(content["tables"]),
        style="".join(each.read_text(encoding="utf-8") for each in styles),
        script=script,
        script_hash=script_hash(script),
        submit=_how_to_submit(),
    )


def _how_to_submit() -> Markup:
    """What the front page of the repository says of it, for the section of that name."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    text = (HERE / "templates" / "submit.md").read_text(encoding="utf-8")
    html = MarkdownIt("commonmark", {"html": False}).render(text)
    return Markup(html.replace("<h2>", '<h2 id="submit-title">', 1))


def _known_measures(tables: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """What tables say of measures, each once and by name: of several the newest version of a suite."""
    found: dict[str, Mapping[str, Any]] = {}
    for table in tables:
        for part in (table, *table["below"]):
            for name, known in part["measures"].items():
                found.setdefault(name, known)
    return dict(sorted(found.items()))
