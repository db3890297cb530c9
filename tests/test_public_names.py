"""The face of the package: what type checkers read of it is what there is."""

import ast
import importlib
from pathlib import Path

import pytest

import genbench

STUB = ast.parse(Path(genbench.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
IMPORTED = {
    alias.asname: (node.module, alias.name)
    for node in STUB.body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}


def test_the_stub_names_what_the_package_names():
    assert sorted(IMPORTED) == genbench.__all__


@pytest.mark.parametrize("name", genbench.__all__)
def test_a_name_of_the_stub_is_the_object_that_the_package_gives(name):
    module, original = IMPORTED[name]
    assert original == name
    assert getattr(importlib.import_module(module), name) is getattr(genbench, name)


def test_the_stub_holds_nothing_else_but_the_version_and_the_list_of_names():
    others = [ast.unparse(node) for node in STUB.body if not isinstance(node, ast.ImportFrom)]
    assert others == ["__version__: str", "__all__: list[str]"]
    assert isinstance(genbench.__version__, str)
