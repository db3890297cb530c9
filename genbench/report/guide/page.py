"""The guide as one HTML file that needs nothing but itself; it wears the clothes of the report.

With the reference behind it, it is the whole documentation.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genbench import report
from genbench.report.guide.topics import PLOTS, Topic
from genbench.report.page import templates

if TYPE_CHECKING:
    from genbench.report.guide.reference import Part

__all__ = ["as_page"]

HERE = Path(__file__).parent


def as_page(topics: Sequence[Topic], parts: Sequence[Part] = ()) -> str:
    """The page of the guide: every topic a section, pictures inside; the same topics give the same text.

    Parameters
    ----------
    parts
        Of the reference, which follow the topics.
    """
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    sections = [(each, Markup(_section(markdown.render(each.text), each))) for each in topics]
    styles = (Path(report.__file__).parent / "assets" / "page.css", HERE / "assets" / "guide.css")
    style = "".join(each.read_text(encoding="utf-8") for each in styles)
    template = templates(HERE / "templates").get_template("guide.html.j2")
    return template.render(sections=sections, parts=parts, style=style)


def _section(html: str, topic: Topic) -> str:
    """The HTML of a topic with its title one level down, and its pictures inside."""
    html = re.sub(r"<(/?)h([12])>", lambda found: f"<{found[1]}h{int(found[2]) + 1}>", html)
    html = html.replace("<h2>", f'<h2 id="{topic.name}-title">', 1)
    return re.sub(r'src="plots/([\w-]+\.png)"', lambda found: f'src="{_inside(found[1])}"', html)


def _inside(name: str) -> str:
    return "data:image/png;base64," + base64.b64encode((PLOTS / name).read_bytes()).decode()
