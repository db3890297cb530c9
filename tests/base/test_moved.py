"""Import paths of version 0.1.0: each still works, or its fault says what to write instead.

`names_0_1_0.txt` has the public names of every module of that version. A name that is gone with nothing in its
place, or that no plugin had a use for, may be taken off the list.
"""

import importlib
import sys
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from running import command

import genbench
from genbench.base.moved import MOVED, Signpost, hint

LINES = (Path(__file__).parent / "names_0_1_0.txt").read_text(encoding="utf-8").splitlines()
NAMES = {module: names.split(", ") for module, names in (line.split(": ") for line in LINES)}


def import_from(path: str) -> Any:
    """What ``from PACKAGE.MODULE import NAME`` binds."""
    module, _, name = path.rpartition(".")
    bound: dict[str, Any] = {}
    exec(f"from {module} import {name}", bound)
    return bound[name]


def place(old: str) -> str:
    """Where an old path is now by the table, or the path itself."""
    module, _, name = old.rpartition(".")
    return MOVED.get(old) or (f"{MOVED[module]}.{name}" if module in MOVED else old)


def found(path: str) -> Any:
    """The object at a path, a module included; None where there is none."""
    words = path.split(".")
    for end in range(len(words), 0, -1):
        try:
            module = importlib.import_module(".".join(words[:end]))
        except ImportError:
            continue
        return reduce(lambda each, name: getattr(each, name, None), words[end:], module)
    return None


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_path_tells_the_new_place_which_exists(old, new):
    assert found(new) is not None
    with pytest.raises(ImportError) as raised:
        import_from(old)
    assert f" {new}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_name_of_that_version_is_lost_without_a_word():
    lost = []
    for module, names in NAMES.items():
        for old in (f"{module}.{name}" for name in names):
            try:
                import_from(old)
            except ImportError as fault:
                new = place(old)
                told = MOVED.get(old) or MOVED.get(module, "nothing")
                if f" {told}" not in str(fault) or found(new) is None:
                    lost.append(old)
    assert lost == []


def test_a_public_name_is_told_as_such():
    public = {id(getattr(genbench, name)): f"genbench.{name}" for name in genbench.__all__}
    moved = [f"{module}.{name}" for module, names in NAMES.items() for name in names]
    told = {old: place(old) for old in moved if place(old) != old}
    better = {old: public.get(id(found(new)), new) for old, new in told.items()}
    assert told == better


def test_what_never_was_is_not_found_as_ever():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'genbench\.nothing'"):
        importlib.import_module("genbench.nothing")
    with pytest.raises(ImportError, match=r"cannot import name 'nothing' from 'genbench\.probes\.layers'"):
        import_from("genbench.probes.layers.nothing")
    assert not hasattr(genbench, "nothing")
    assert hint("genbench.nothing") == ""


def test_a_module_that_came_with_the_package_is_no_attribute_but_tells_where_it_is():
    with pytest.raises(AttributeError, match=r"NotApplicable is genbench\.NotApplicable"):
        genbench.errors


def test_the_signpost_is_asked_after_all_others():
    assert sys.meta_path.index(Signpost) > max(
        place for place, each in enumerate(sys.meta_path) if getattr(each, "__name__", "") == "PathFinder"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "from genbench.training.regularizer import Regularizer",
            "Regularizer is genbench.Regularizer, Step",
        ),
        ("from genbench import constraints", "it is now genbench.base.constraints"),
        ("from genbench.probes.layers import matched", "it is now genbench.networks.layers.matched"),
    ],
)
def test_a_plugin_written_for_that_version_is_broken_with_one_line_that_helps(tmp_path, line, told):
    file = tmp_path / "mine.py"
    file.write_text(f"{line}\n")
    ended = command("list", "plugins", "--plugin", file)
    problems = [each for each in ended.err.splitlines() if "mine" in each]
    assert ended.code == 1
    assert len(problems) == 1
    assert problems[0].startswith(
        "genbench: plugin 'mine' (file mine.py): import failed: ImportError: genbench."
    )
    assert told in problems[0]
