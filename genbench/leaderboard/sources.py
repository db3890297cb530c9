"""Where the measures that come with genbench are from, as this version says; entries do not say it."""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["sources"]


@functools.cache
def sources() -> Mapping[str, str]:
    """By name the source of each measure of the installed genbench.

    They are read off the text of the modules: a leaderboard is built without torch, which these import.
    """
    spec = importlib.util.find_spec("genbench.measures")
    folders = [Path(each) for each in spec.submodule_search_locations or ()] if spec else []
    modules = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return dict(found for path in modules for found in _declared(ast.parse(path.read_text(encoding="utf-8"))))


def _declared(tree: ast.Module) -> Iterator[tuple[str, str]]:
    constants: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            constants[statement.targets[0].id] = _text(statement.value, constants)
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call):
                given = {each.arg: _text(each.value, constants) for each in decorator.keywords}
                if given.get("source"):
                    yield given.get("name") or node.name, given["source"]


def _text(value: ast.expr, constants: Mapping[str, str]) -> str:
    """A text as it is written: in quotes, by the name of a constant of the module, or put together."""
    if isinstance(value, ast.Constant):
        return value.value if isinstance(value.value, str) else ""
    if isinstance(value, ast.Name):
        return constants.get(value.id, "")
    if isinstance(value, ast.JoinedStr):
        return "".join(_text(each, constants) for each in value.values)
    if isinstance(value, ast.FormattedValue):
        return _text(value.value, constants)
    if isinstance(value, ast.BinOp):
        return _text(value.left, constants) + _text(value.right, constants)
    return ""
