"""What a shell is told where a word is to be completed: read off lists that are kept, importing no torch.

Each function takes what click hands over and returns the words that begin as the incomplete one does. Where
something is wrong they return none: the command itself will say it, not a press of a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

__all__ = ["measures", "names", "plugins", "run_folders", "suites"]

Known = Iterable[tuple[str, str]]
"""Words with what is said of each."""


def _completing(known: Callable[[str], Known]) -> Callable[[Any, Any, str], list[CompletionItem]]:
    @wraps(known)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = list(known(incomplete))
        except Exception:
            return []
        return [CompletionItem(word, help=said) for word, said in found if word.startswith(incomplete)]

    return complete


@_completing
def suites(incomplete: str) -> Known:
    """Suites, and TOML files where the word has got so far."""
    return [*_listed("suites"), *_files(incomplete, "*.toml")]


@_completing
def measures(incomplete: str) -> Known:
    """Measures, families and cost classes; of a list with commas, its last word."""
    from genbench.contract.components import COST_CLASSES

    rows = _rows("measures")
    words = [(row["name"], row["summary"]) for row in rows]
    words += [(f"family:{each}", "a family") for each in sorted({row["family"] for row in rows})]
    words += [(f"cost:{letter}", text) for letter, text in COST_CLASSES.items()]
    before = incomplete[: incomplete.rfind(",") + 1]
    return [(before + word, said) for word, said in [*words, ("all", "every measure")]]


@_completing
def names(incomplete: str) -> Known:
    """Whatever has a card, bare, or with its kind where the word has begun with one."""
    from genbench.contract.components import ROOTS, Kind

    kind, colon, _ = incomplete.partition(":")
    if colon and kind in {str(each) for each in Kind}:
        return [(f"{kind}:{name}", said) for name, said in _listed(f"{kind}s")]
    return [*_listed(*(f"{each}s" for each in Kind), "suites", "plugins"), *ROOTS.items()]


@_completing
def plugins(incomplete: str) -> Known:
    """Plugins that are installed, and Python files where the word has got so far."""
    return [*_listed("plugins"), *_files(incomplete, "*.py")]


@_completing
def run_folders(incomplete: str) -> Known:
    """Folders that hold a run, where the word has got so far and one below."""
    place = _place(incomplete)
    found = [each for each in [*place.glob("*"), *place.glob("*/*")] if (each / "fits").is_dir()]
    return [(str(each), "a run") for each in sorted(found) if (each / "suite.toml").is_file()]


def _rows(kind: str) -> list[dict[str, Any]]:
    from genbench.report.catalog import rows
    from genbench.report.catalog_cache import host_for_cards

    return rows(host_for_cards(), kind)


def _listed(*kinds: str) -> list[tuple[str, str]]:
    found = [row for kind in kinds for row in _rows(kind)]
    return [(row["name"], str(row.get("summary") or row.get("title") or "")) for row in found]


def _place(incomplete: str) -> Path:
    return Path(incomplete.rpartition("/")[0] or ("/" if incomplete.startswith("/") else "."))


def _files(incomplete: str, pattern: str) -> list[tuple[str, str]]:
    return [(str(each), "a file") for each in sorted(_place(incomplete).glob(pattern))]
