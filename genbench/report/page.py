"""The report as one HTML file that needs nothing but itself: no other host, no server, no framework."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.contract.components import COST_CLASSES
from genbench.report.standing import SMALL_SHARE

if TYPE_CHECKING:
    from markupsafe import Markup

    from genbench.report.content import Content

__all__ = ["as_page", "milliseconds", "signed"]

HERE = Path(__file__).parent
# In the order in which they are joined into the one script of the page.
SCRIPTS = ("basis", "marks", "scatter", "ranking", "measure", "overviews", "start")
# What the page draws; the rest is in its tables already.
DRAWN = ("targets", "axes", "fits", "measures", "standings", "correlation", "curves")

MINUS, MISSING, INFINITY = "−", "–", "∞"
DIGITS = frozenset("0123456789")
NUMERIC = DIGITS | set(".,+-−–e[] ")


def as_page(content: Content) -> str:
    """The page of a report; the same content gives the same text.

    Whatever a run brought in is escaped: texts by the templates, data as JSON without any sign that HTML
    gives a meaning. A policy in the page allows its own script, told by its hash, and no connection.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "signed": signed,
        "milliseconds": milliseconds,
        "percent": percent,
        "breakable": breakable,
        "is_numeric": is_numeric,
    }
    script = _script()
    drawn = {name: value for name, value in content.as_dict().items() if name in DRAWN}
    return environment.get_template("page.html.j2").render(
        content=content,
        costs=COST_CLASSES,
        small_share=SMALL_SHARE,
        style=(HERE / "assets" / "page.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=harmless_json(drawn),
    )


def _script() -> str:
    parts = [(HERE / "assets" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


def harmless_json(content: Any) -> str:
    """JSON that can stand in an HTML file: nothing in it opens or closes an element or an entity."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def signed(value: float | str | None, digits: int = 2) -> str:
    """``+0.41``, ``−0.05``, ``0.00``, ``–`` for none."""
    if value is None:
        return MISSING
    if isinstance(value, str):
        return {"inf": f"+{INFINITY}", "-inf": f"{MINUS}{INFINITY}"}.get(value, value)
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def milliseconds(seconds: float | str | None) -> tuple[str, str]:
    """Milliseconds with about three figures, in two parts: before the decimal point, and from it on."""
    if not isinstance(seconds, float | int):
        return MISSING, ""
    value = 1000 * seconds
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    whole, point, fraction = f"{value:,.{digits}f}".partition(".")
    return whole.replace(",", "\u202f"), point + fraction


def breakable(name: str) -> Markup:
    """A name, escaped, that may go on in a new line behind each of its underscores."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def is_numeric(cell: Any) -> bool:
    """Whether a cell holds a number, an interval or a range, and so is aligned to the right."""
    text = "" if cell is None else str(cell)
    return set(text) <= NUMERIC and not DIGITS.isdisjoint(text)


def percent(part: float, whole: float) -> str:
    """``7 %``; ``–`` of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else MISSING
