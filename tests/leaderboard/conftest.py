"""An entry packed once, to be copied and tampered with."""

from __future__ import annotations

import json
import shutil
import subprocess
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


@pytest.fixture
def entry(packed: Path, tmp_path: Path) -> Path:
    """An entry that a test may change."""
    return Path(shutil.copytree(packed, tmp_path / "tiny-alice"))


@pytest.fixture
def root(packed: Path, tmp_path: Path) -> Path:
    """A leaderboard of one entry."""
    shutil.copytree(packed, tmp_path / "leaderboard" / "entries" / "tiny-alice")
    return tmp_path / "leaderboard"


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """SSH keys by their owners; skips where OpenSSH is not installed."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    folder = tmp_path_factory.mktemp("keys")
    made = {name: folder / name for name in ("alice", "carol", "dave", "mallory")}
    for path in made.values():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return made


@pytest.fixture
def keys(made_keys: dict[str, Path], root: Path) -> dict[str, Path]:
    """The same keys; the leaderboard lists all but mallory's."""
    listed = [(name, path.with_suffix(".pub").read_text().split()) for name, path in made_keys.items()]
    (root / "keys").mkdir()
    (root / "keys" / "allowed_signers").write_text(
        "".join(f"{name} {' '.join(words[:2])}\n" for name, words in listed if name != "mallory")
    )
    return made_keys
