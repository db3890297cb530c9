"""An entry packed once, to be copied and tampered with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import entries
import pytest

packed, asked_here = entries.packed, entries.asked_here


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
