"""The floors of the README: every room is on one, no import runs up, nothing goes in a circle."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from floors import PACKAGE, ROOT, Arrow, arrows, circles, floors, modules, room

FLOORS = floors((ROOT / "README.md").read_text(encoding="utf-8").rpartition("\n## ")[2])
ARROWS = arrows()


def upward(found: list[Arrow], known: dict[str, int]) -> list[str]:
    """Imports of a room that does not stand below the importing one."""
    between = [each for each in found if room(each.source) != room(each.target)]
    return [str(each) for each in between if known[room(each.target)] >= known[room(each.source)]]


def reached(found: list[Arrow]) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {}
    for each in found:
        edges.setdefault(each.source, set()).add(each.target)
    return edges


def test_every_room_is_on_a_floor_and_every_row_is_a_room():
    assert {room(each) for each in modules()} == set(FLOORS)


def test_the_house_is_small_enough_to_know():
    assert len(FLOORS) <= 33
    assert len(set(FLOORS.values())) <= 13


def test_no_import_runs_up():
    assert upward(ARROWS, FLOORS) == []


def test_no_modules_go_in_a_circle():
    assert circles(reached(ARROWS)) == []


def test_the_guide_beside_the_code_names_no_room_that_is_not_there():
    guide = (PACKAGE / "README.md").read_text(encoding="utf-8")
    places = {each.strip("/") for each in re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.[a-z]+)?)`", guide)}
    assert places
    assert [each for each in places if not ((PACKAGE / each).exists() or (ROOT / each).exists())] == []


def test_the_design_has_the_same_floors():
    shared = Path(os.environ.get("GENBENCH_SHARED", ROOT.parent / "shared"))
    design = shared / "DESIGN.md"
    if not design.is_file():
        pytest.skip(f"no design to compare with: {design} is absent")
    section = design.read_text(encoding="utf-8").partition("\n## 9. ")[2].partition("\n## ")[0]
    said: dict[str, int] = {}
    for number, row in re.findall(r"^ *(\d+)  (.+)$", section, re.MULTILINE):
        words = re.findall(r"[a-z_]+", re.sub(r"\([^)]*\)", "", row))
        said.update(dict.fromkeys(words, int(number)))
    # The kit for plugin authors trains and measures what it checks, and so stands above those rooms; what
    # begins a plugin does neither, and has a room of its own.
    assert FLOORS["testing"] > FLOORS["fitting"] > said.pop("testing")
    assert said == {name: floor for name, floor in FLOORS.items() if name not in ("testing", "scaffolding")}


@pytest.mark.parametrize(
    "text",
    [
        "from house.upstairs import thing",
        "import house.upstairs",
        "def f():\n    from house import upstairs",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.upstairs import thing",
    ],
)
def test_an_import_that_runs_up_is_found_wherever_it_stands(tmp_path, text):
    house = tmp_path / "house"
    house.mkdir()
    (house / "__init__.py").write_text("")
    (house / "cellar.py").write_text(text + "\n")
    (house / "upstairs.py").write_text("from house import cellar\nthing = 1\n")
    found = arrows(house)
    known = {"__init__": 1, "cellar": 2, "upstairs": 3}
    assert [each.partition(" ")[2] for each in upward(found, known)] == ["imports house.upstairs"]
    assert circles(reached(found)) == [["house.cellar", "house.upstairs"]]
