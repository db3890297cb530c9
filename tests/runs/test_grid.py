"""A table of a part of the grid says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from running import command

from genbench.runs.grid import GRID_FILE
from genbench.runs.run import Run
from genbench.runs.store import Folder


@pytest.fixture
def part(finished: Path, tmp_path: Path):
    """A copy of the finished run without the fits that a function of learning rate and seed tells."""

    def made(leaves_out) -> Path:
        run = shutil.copytree(finished, tmp_path / "part")
        for key in Folder(run).fit_keys():
            trial = Folder(run).fit(key).record["trial"]
            if leaves_out(trial["protocol"]["settings"]["learning_rate"], trial["seed"]):
                shutil.rmtree(run / "fits" / key)
        return run

    return made


def notes(run: Path) -> list[str]:
    return [each for each in Run(run).results().notes if each.startswith("partial")]


def test_a_whole_table_has_no_note(finished):
    assert notes(finished) == []
    assert "partial" not in command("rank", finished).out


def test_a_part_is_told_with_whether_it_is_balanced(part):
    run = part(lambda rate, seed: seed == 1)
    line = "partial: 2 of 4 trials, 2 of 2 configurations; each level of each axis has its share of them"
    assert notes(run) == [line]
    assert line in command("status", run).out
    assert line in command("rank", run).out + command("rank", run).err


def test_a_level_that_is_away_from_its_share_is_named(part):
    run = part(lambda rate, seed: False)
    grid = json.loads((run / GRID_FILE).read_text())
    grid |= {"trials": 40, "configurations": 20, "levels": {"protocol.learning_rate": [[0.03, 1], [0.1, 19]]}}
    (run / GRID_FILE).write_text(json.dumps(grid))
    assert notes(run)[0].endswith("each level of each axis has its share of them"), "to one configuration"
    grid["levels"]["model.width"] = [[8, 2], [9, 18]]
    (run / GRID_FILE).write_text(json.dumps(grid))
    assert notes(run)[0].endswith("unbalanced: model.width = 8 has 2 of them, its share would be 0")


def test_the_file_is_derived_and_made_again(part, tiny_suite, inline):
    run = part(lambda rate, seed: rate == 0.1)
    (run / GRID_FILE).write_text("{")
    assert notes(run) == []
    command("run", "--suite", tiny_suite, "--out", run, "--shard", "1/4", "--workers", 1)
    assert notes(run)[0].startswith("partial: 2 of 4 trials, 1 of 2 configurations")


@pytest.mark.parametrize(
    "changed",
    [
        {"trials": "40"},
        {"trials": 40, "configurations": 0},
        {"trials": 40, "levels": ["protocol.learning_rate"]},
        {"trials": 40, "levels": {"protocol.learning_rate": 2}},
        {"trials": 40, "levels": {"protocol.learning_rate": [[0.03]]}},
    ],
    ids=str,
)
def test_a_file_that_another_version_wrote_costs_the_note_alone(part, changed):
    run = part(lambda rate, seed: seed == 1)
    grid = json.loads((run / GRID_FILE).read_text())
    (run / GRID_FILE).write_text(json.dumps(grid | changed))
    assert notes(run) == []
    assert command("status", run).code == 0
