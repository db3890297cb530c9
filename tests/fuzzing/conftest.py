"""What fuzzed inputs are made of: a finished run, its entry, the leaderboard of that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import command


@pytest.fixture(scope="session")
def packed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The entry of the finished run of the tiny suite; not to be changed."""
    folder = tmp_path_factory.mktemp("packed") / "tiny-alice"
    assert command("leaderboard", "pack", finished, "--out", folder, "--submitter", "alice").code == 0
    return folder


@pytest.fixture(scope="session")
def built(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``leaderboard.json`` of that entry alone."""
    root = tmp_path_factory.mktemp("leaderboard")
    shutil.copytree(packed, root / "entries" / "tiny-alice")
    assert command("leaderboard", "build", root, "--bootstrap", 100).code == 0
    return root / "leaderboard.json"


@pytest.fixture(scope="session", autouse=True)
def asked_here() -> Iterator[None]:
    """What is installed is told by this process, which has loaded it: another one takes seconds to."""
    from genbench.leaderboard import core_faults
    from genbench.leaderboard.answering import answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            core_faults, "ask", lambda question: json.loads(json.dumps(answer(question), default=list))
        )
        yield
