"""An entry packed once, to be copied and tampered with; helpers that edit its lines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import command


@pytest.fixture(scope="session")
def packed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The entry of the finished run of the tiny suite; not to be changed."""
    folder = tmp_path_factory.mktemp("packed") / "tiny-alice"
    ended = command("leaderboard", "pack", finished, "--out", folder, "--submitter", "alice")
    assert ended.code == 0, ended.err
    return folder


@pytest.fixture
def entry(packed: Path, tmp_path: Path) -> Path:
    """An entry that a test may change."""
    return Path(shutil.copytree(packed, tmp_path / "tiny-alice"))


@pytest.fixture
def root(packed: Path, tmp_path: Path) -> Path:
    """A leaderboard of one entry."""
    shutil.copytree(packed, tmp_path / "leaderboard" / "entries" / "tiny-alice")
    return tmp_path / "leaderboard"


Edit = Callable[[dict[str, Any]], Any]


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))


def edit(path: Path, change: Edit, which: int | None = None) -> None:
    """Change the lines of a file, or one of them; one that the change returns False for is taken out."""
    lines = read(path)
    kept = [
        line
        for number, line in enumerate(lines)
        if not ((which is None or number == which) and change(line) is False)
    ]
    write(path, kept)
