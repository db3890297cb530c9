"""An entry of the leaderboard, packed once: fixtures that the conftest of a folder takes over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import command


@pytest.fixture(scope="session")
def packed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The entry of the finished run of the tiny suite; not to be changed."""
    folder = tmp_path_factory.mktemp("packed") / "tiny-alice"
    ended = command("leaderboard", "pack", finished, "--out", folder, "--submitter", "alice")
    assert ended.code == 0, ended.err
    return folder


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
