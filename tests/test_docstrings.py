"""What the docstrings of the rooms name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from floors import PACKAGE, modules

ROOMS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
MODULES = modules()
SUITES = {path.stem.replace("-", "_") for path in (PACKAGE / "suites").glob("*.toml")}


def named(room: Path) -> list[str]:
    """Words in single backticks that could be names; components are looked up with underscores."""
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    words = re.findall(r"(?<!`)`([A-Za-z_][\w.-]*)`(?!`)", text)
    return [word.replace("-", "_") for word in words if not word.startswith("nn.")]


def defined(path: Path) -> set[str]:
    """What a module defines at its top level, with the parameters of its public functions."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            names.update(each.arg for each in (*node.args.args, *node.args.kwonlyargs))
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(each.id for each in targets if isinstance(each, ast.Name))
    return names


def unknown(room: Path) -> list[str]:
    """The words of a room's docstring that name nothing."""
    known = there(room)
    return [word for word in named(room) if word not in known]


def there(room: Path) -> set[str]:
    """Modules and folders of a room, what the modules define, its suites, and all modules by their whole names."""
    files = list(room.glob("*.py"))
    folders = {each.name for each in room.iterdir() if each.is_dir()}
    return {each.stem for each in files} | folders | set().union(*map(defined, files)) | SUITES | set(MODULES)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(PACKAGE.parent)))
def test_a_room_names_what_it_has(room):
    assert unknown(room) == []


def test_what_is_not_there_is_found(tmp_path):
    (tmp_path / "__init__.py").write_text(
        '"""Of `here`, `gone`, `a-function`, ``literally`` and `genbench.gone`."""\n'
    )
    (tmp_path / "here.py").write_text("def a_function(): ...\n")
    assert unknown(tmp_path) == ["gone", "genbench.gone"]
