"""The leaderboard as one HTML file that needs nothing but itself; it wears the clothes of the report."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench import report
from genbench.leaderboard.markdown import is_small
from genbench.report.page import milliseconds, percent, signed

__all__ = ["as_page"]

HERE = Path(__file__).parent
REPORT = Path(report.__file__).parent


def as_page(content: Mapping[str, Any]) -> str:
    """The page of a leaderboard; the same content gives the same text.

    All that entries brought in is escaped by the templates, and there is no data for a script to read. A
    policy in the page allows its own script, told by its hash, and no connection.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([HERE / "templates", REPORT / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"signed": signed, "milliseconds": milliseconds, "percent": percent}
    environment.tests["small"] = is_small
    script = (HERE / "assets" / "leaderboard.js").read_text(encoding="utf-8")
    styles = (REPORT / "assets" / "page.css", HERE / "assets" / "leaderboard.css")
    return environment.get_template("leaderboard.html.j2").render(
        across=content["across"],
        tables=content["tables"],
        style="".join(each.read_text(encoding="utf-8") for each in styles),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
