"""The report as one HTML file that needs nothing but itself: no other host, no server, no framework."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.counting import counted
from genbench.contract.components import COST_CLASSES
from genbench.report.glance import glance, scale_of
from genbench.report.numbers import thinned
from genbench.report.standing import SMALL_SHARE

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from genbench.report.content import Content

__all__ = ["as_page", "milliseconds", "signed"]

HERE = Path(__file__).parent
# In the order in which they are joined into the one script of the page.
SCRIPTS = ("basis", "prose", "marks", "scatter", "ranking", "measure", "overviews", "start")
# What the page draws; the rest is in its tables already.
DRAWN = ("targets", "axes", "fits", "measures", "standings", "correlation", "curves")

# Of a row, beside what its table says.
COLUMNS = (
    "measure", "group", "direction", "rank_low", "rank_high", "score", "expected", "p_top5", "tau", "cmi",
    "r2", "seconds", "reason", "pareto",
)  # fmt: skip

DRAWN_FITS = 2_000
"""Networks whose points and curves a page holds at most: more hide each other, and make it slow to open."""

MINUS, MISSING, INFINITY = "−", "–", "∞"
DIGITS = frozenset("0123456789")
NUMERIC = DIGITS | set(".,+-−–e[] ")


def as_page(content: Content) -> str:
    """The page of a report; the same content gives the same text.

    Whatever a run brought in is escaped: texts by the templates, data as JSON without any sign that HTML
    gives a meaning. A policy in the page allows its own script, told by its hash, and no connection.
    """
    script = _script()
    return (
        templates(HERE / "templates")
        .get_template("page.html.j2")
        .render(
            content=content,
            costs=COST_CLASSES,
            small_share=SMALL_SHARE,
            style=(HERE / "assets" / "page.css").read_text(encoding="utf-8"),
            script=script,
            script_hash=script_hash(script),
            data=harmless_json(drawn(content)),
        )
    )


def templates(*folders: Path) -> Environment:
    """Templates that escape what they are given, with the filters for numbers and names of our pages."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "signed": signed,
        "milliseconds": milliseconds,
        "percent": percent,
        "breakable": breakable,
        "counted": counted,
        "in_code": in_code,
        "is_numeric": is_numeric,
    }
    found.globals |= {"glance": glance, "scale_of": scale_of}
    return found


def script_hash(script: str) -> str:
    """What a page's policy knows its own script by."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _script() -> str:
    parts = [(HERE / "assets" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


def drawn(content: Content) -> dict[str, Any]:
    """What the script draws, small: rows by column, and each text of an invariance once.

    ``standings`` have ``rows`` as a dictionary of columns, of those that are drawn; cells of an invariance
    are places in ``words``. Of more than `DRAWN_FITS` networks some are drawn, evenly spaced in the order of
    their axes and seeds; ``left_out`` is how many are not.
    """
    found = _of_some_fits({name: value for name, value in content.as_dict().items() if name in DRAWN})
    words: dict[str, int] = {}

    def placed(rows: list[list[str]]) -> list[list[int]]:
        return [[words.setdefault(cell, len(words)) for cell in row] for row in rows]

    found["measures"] = {
        name: {**each, "invariance": {**each["invariance"], "rows": placed(each["invariance"]["rows"])}}
        if each["invariance"]
        else each
        for name, each in found["measures"].items()
    }
    found["standings"] = {
        target: {**board, "rows": {name: [row[name] for row in board["rows"]] for name in COLUMNS}}
        for target, board in content.standings.items()
    }
    return {**found, "words": list(words)}


def _of_some_fits(found: dict[str, Any]) -> dict[str, Any]:
    count = len(found["fits"]["key"])
    if count <= DRAWN_FITS:
        return {**found, "left_out": 0}
    places = thinned(count, DRAWN_FITS)

    def some(columns: Mapping[str, Any], *names: str) -> dict[str, Any]:
        """The mapping with the columns of these names, or all, cut to the fits that are drawn."""
        cut = {name: [columns[name][place] for place in places] for name in names or columns}
        return {**columns, **cut}

    return {
        **found,
        "left_out": count - len(places),
        "fits": some(found["fits"]),
        "axes": [some(axis, "codes") for axis in found["axes"]],
        "measures": {name: some(each, "values") for name, each in found["measures"].items()},
        "curves": some(found["curves"]) if found["curves"]["epoch"] else found["curves"],
    }


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


def in_code(text: str) -> Markup:
    """A text, escaped, in which what stands between back-ticks is set as code."""
    from markupsafe import Markup, escape

    parts = re.split(r"`+([^`]+)`+", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def is_numeric(cell: Any) -> bool:
    """Whether a cell holds a number, an interval or a range, and so is aligned to the right."""
    text = "" if cell is None else str(cell)
    return set(text) <= NUMERIC and not DIGITS.isdisjoint(text)


def percent(part: float, whole: float) -> str:
    """``7 %``; ``–`` of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else MISSING
