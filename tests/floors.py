"""The house as its imports show it: rooms, and the arrows between them, type-only imports included.

A room is a file or folder of the package's top level. An arrow is an import, wherever it stands.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "genbench"


@dataclass(frozen=True)
class Arrow:
    """One import: the importing module, the imported one, and where it stands."""

    source: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """All modules of a package by their dotted names."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def arrows(package: Path = PACKAGE) -> list[Arrow]:
    """Every import of a module of the package by another one."""
    known = modules(package)
    return [
        Arrow(source, target, line)
        for source, path in known.items()
        for target, line in _imported(ast.parse(path.read_text(encoding="utf-8")), known)
        if target != source
    ]


def _imported(tree: ast.AST, known: Mapping[str, Path]) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            whole = [f"{node.module}.{each.name}" for each in node.names]
            names = [each if each in known else str(node.module) for each in whole]
        else:
            continue
        yield from ((each, node.lineno) for each in dict.fromkeys(names) if each in known)


def room(module: str) -> str:
    """The room in which a module stands; the package's own face is the room ``__init__``."""
    return module.split(".")[1] if "." in module else "__init__"


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of two or more that reach one another (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for each in sorted(edges.get(node, ())):
            if each not in index:
                visit(each)
            if each in stack:
                low[node] = min(low[node], low[each])
        if low[node] == index[node]:
            place = stack.index(node)
            if len(stack) - place > 1:
                found.append(sorted(stack[place:]))
            del stack[place:]

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def floors(text: str) -> dict[str, int]:
    """Rooms and their floors, read off a table whose rows are ``| floor | `room` | sentence |``."""
    return {
        name: int(floor) for floor, name in re.findall(r"^\| *(\d+) *\| *`(\w+)` *\|", text, re.MULTILINE)
    }
