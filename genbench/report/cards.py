"""The card of a component in words, for the terminal and for the page of the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["facts", "invariance_lines"]

APART = ("documentation", "settings", "invariances")
"""What is set apart from the facts that take a line each."""


def facts(card: Mapping[str, Any]) -> dict[str, str]:
    """What a card says in a line each, by what it is; nothing of what there is nothing to say of."""
    lines = {key.replace("_", " "): _line(key, value) for key, value in card.items() if key not in APART}
    return {key: line for key, line in lines.items() if line}


def invariance_lines(changes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each change, with what it did on each network: of an audit, or of the laws of a plugin."""
    from genbench.auditing.words import change_in_words

    networks = list(next(iter(changes.values()), ()))
    if not networks:
        return []
    rows = [["what moves it", *networks]]
    rows += [
        [f"  {title}", *(change_in_words(found.get(each)) for each in networks)]
        for title, found in changes.items()
    ]
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    return [
        "".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _line(key: str, value: Any) -> str:
    """One value of a card in a line; empty where there is nothing to say."""
    if key == "applies_to":
        return _applies_to(value)
    if key == "repeatability":
        from genbench.auditing.words import repeatability_in_words

        return repeatability_in_words(value)
    if key == "cost_measured":
        return f"{value['milliseconds']:g} ms alone, {value['network']}, one thread of {value['processor']}"
    if isinstance(value, bool):
        return "yes" if value else ""
    return ", ".join(value) if isinstance(value, list) else str(value)


def _applies_to(answers: Mapping[str, str]) -> str:
    """``mlp, convnet; not mlp-regression (defined for classification only)``."""
    refusals: dict[str, list[str]] = {}
    for network, answer in answers.items():
        refusals.setdefault(answer, []).append(network)
    yes = ", ".join(refusals.pop("yes", [])) or "none of the audited networks"
    return "; ".join([yes, *(f"not {', '.join(names)} ({why})" for why, names in refusals.items())])
