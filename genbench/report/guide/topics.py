"""The texts of the guide, in Markdown, with what the code itself knows filled in."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PLOTS", "Topic", "on_terminal", "topics"]

HERE = Path(__file__).parent
PLOTS = HERE / "plots"

# In the order in which they are read.
NAMES = (
    "start", "reading", "data", "networks", "tables", "clusters", "plugins", "publishing", "badges", "plots",
)  # fmt: skip


@dataclass(frozen=True)
class Topic:
    """One topic.

    Attributes
    ----------
    name : str
        What ``genbench help`` is asked for, and what links of the guide lead to: ``[text](#name)``.
    title : str
    text : str
        Markdown, the title first. Shell blocks are ``sh`` where a test runs them and ``console`` elsewhere.
    """

    name: str
    title: str
    text: str


def topics() -> list[Topic]:
    """All topics but the list of commands, which the command line knows."""
    texts = {name: (HERE / "texts" / f"{name}.md").read_text(encoding="utf-8") for name in NAMES}
    return [topic(name, _filled(text)) for name, text in texts.items()]


def topic(name: str, text: str) -> Topic:
    """A topic from its text, whose first line is its title."""
    return Topic(name, text.partition("\n")[0].removeprefix("# "), text)


def _filled(text: str) -> str:
    for word, fill in FILLED.items():
        if f"\n{word}\n" in text:
            text = text.replace(f"\n{word}\n", f"\n{fill()}\n")
    return text


def _roots() -> str:
    from genbench.contract.components import ROOTS

    return "\n".join(f"- `{name}`: {meaning}" for name, meaning in ROOTS.items())


def _hooks() -> str:
    from genbench.contract import hookspecs

    found = [(name, each) for name, each in vars(hookspecs).items() if name.startswith("genbench_")]
    return "\n".join(
        f"- `{name}({', '.join(inspect.signature(each).parameters)})`: {inspect.getdoc(each)}"
        for name, each in found
    )


def _gallery() -> str:
    from genbench.report.figures import KINDS

    return "\n\n".join(
        f"## {kind}\n\n{inspect.getdoc(draw)}\n\n![{kind}](plots/{kind}.png)" for kind, draw in KINDS.items()
    )


FILLED: Mapping[str, Callable[[], str]] = {"ROOTS": _roots, "HOOKS": _hooks, "GALLERY": _gallery}
"""Words that stand alone in a line of a text, and what they stand for."""


def on_terminal(text: str) -> str:
    """A text for who has no page before them: links say which command follows them, pictures are left out."""
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)\n*", "", text)
    text = re.sub(r"\[([^\]]+)\]\(#([\w-]+)\)", r"\1 (`genbench help \2`)", text)
    return text.replace("```console", "```sh")
