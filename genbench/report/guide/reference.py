"""The reference behind the guide: the cards of all components, and the public names with their docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import genbench
from genbench.contract.components import Kind
from genbench.host import Host
from genbench.report.cards import facts, invariance_lines
from genbench.report.catalog import card, rows

__all__ = ["Entry", "Part", "components", "public_names", "suites"]


@dataclass(frozen=True)
class Entry:
    """One component, suite or public name.

    Attributes
    ----------
    anchor : str
        What links lead to, the only one of its page.
    name : str
    facts : dict of str
        What is known of it, by what it is.
    text : str
        Its docstring, or the file of a suite.
    settings : tuple of (name, default, type, text)
    needs : tuple of (name, anchor)
        The components below it; an anchor is empty where the page has no such entry.
    lines : tuple of str
        What audits found, one below the other.
    """

    anchor: str
    name: str
    facts: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    settings: tuple[tuple[str, str, str, str], ...] = ()
    needs: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """Entries of one kind.

    Attributes
    ----------
    name : str
        Anchor of the part.
    title, about : str
    entries : list of Entry
    """

    name: str
    title: str
    about: str
    entries: list[Entry]


def components(host: Host) -> list[Part]:
    """The card of every component, a part for each kind that has some."""
    names = {kind: [each["name"] for each in rows(host, f"{kind}s")] for kind in Kind}
    anchors = {name: _anchor(Kind.PROBE, name) for name in names[Kind.PROBE]}
    return [
        Part(
            f"all-{kind}s", f"All {kind}s", f"Each as genbench show {kind}:NAME shows it.",
            [_entry(kind, card(host, f"{kind}:{name}"), anchors) for name in found],
        )
        for kind, found in names.items()
        if found
    ]  # fmt: skip


def suites(host: Host) -> Part:
    """Every suite with its file."""
    entries = [
        Entry(_anchor("suite", name), name, {"title": each["title"]}, card(host, f"suite:{name}")["text"])
        for each in rows(host, "suites")
        for name in [each["name"]]
    ]
    return Part("all-suites", "All suites", "Each as genbench show suite:NAME shows it.", entries)


def public_names() -> Part:
    """What `genbench` has in Python, with signatures and docstrings."""
    names = genbench.__all__  # of the module, which its stub leaves out
    entries = [entry for name in names for entry in _public(name, getattr(genbench, name))]
    about = "The names of the module genbench, which are promised to stay."
    return Part("python", "From Python", about, entries)


def _anchor(kind: str, name: str) -> str:
    return f"{kind}-{name}"


def _entry(kind: Kind, content: Mapping[str, Any], anchors: Mapping[str, str]) -> Entry:
    lines = facts(content)
    name = lines.pop("name")
    for known in ("kind", "needs", "see also"):
        lines.pop(known, None)
    if lines.get("spelling") == name:
        del lines["spelling"]
    settings = tuple(
        (setting, str(each["default"]), each["type"], _of_probe(each))
        for setting, each in content.get("settings", {}).items()
    )
    return Entry(
        _anchor(kind, name), name, lines, content.get("documentation", ""), settings,
        tuple((each, anchors.get(each, "")) for each in content.get("needs", ())),
        tuple(invariance_lines(content.get("invariances", {}))),
    )  # fmt: skip


def _of_probe(setting: Mapping[str, Any]) -> str:
    return f"As of {setting['probe']}. {setting['documentation']}".strip() if "probe" in setting else ""


def _public(name: str, found: Any) -> Iterator[Entry]:
    """A name of the module, and behind a class its public methods."""
    yield Entry(f"python-{name}", f"genbench.{name}{_signature(found)}", text=inspect.getdoc(found) or "")
    if not inspect.isclass(found) or issubclass(found, Exception):
        return
    for method, each in vars(found).items():
        if not method.startswith("_") and inspect.isfunction(each):
            shown = f"{name}.{method}{_signature(each)}"
            yield Entry(f"python-{name}.{method}", shown, text=inspect.getdoc(each) or "")


def _signature(found: Any) -> str:
    """The names of the parameters with their defaults; their types stand in the text."""
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return ""
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
