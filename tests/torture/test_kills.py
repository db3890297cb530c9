"""Nothing is lost, done twice or left behind, whoever is killed and whatever fails around a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROUNDS = int(os.environ.get("GENBENCH_KILL_ROUNDS", "10"))
"""Of ten rounds seven kill drivers, one joins parts of a suite, one has a full disk, few files, a clock that
goes back or a folder that cannot be written, and one has workers of its own, of which one is killed."""


@pytest.mark.slow
@pytest.mark.timeout(60 * max(ROUNDS, 10))
def test_rounds_of_kills_lose_nothing_do_nothing_twice_and_leave_nothing(cache, tmp_path: Path):
    from torture.killing import Torture

    tmp_path.chmod(0o755)
    place = Torture(tmp_path)
    for number in range(ROUNDS):
        place.round(number)
    assert place.figures.sound, place.figures
    assert place.figures.kills > 0
