"""What fuzzed inputs are made of: a finished run, its entry, the leaderboard of that."""

from __future__ import annotations

import shutil
from pathlib import Path

import entries
import pytest
from running import command

packed, asked_here = entries.packed, entries.asked_here


@pytest.fixture(scope="session")
def built(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``leaderboard.json`` of that entry alone."""
    root = tmp_path_factory.mktemp("leaderboard")
    shutil.copytree(packed, root / "entries" / "tiny-alice")
    assert command("leaderboard", "build", root, "--bootstrap", 100).code == 0
    return root / "leaderboard.json"
