"""Which fits of an entry are rerun: drawn from a seed that nobody chooses.

The seed is a hash of the entry's records, of all other entries of the leaderboard, and of the signature of
whoever reruns under these two. Whoever submits an entry knows the first two and could try entries until the
draw suits; the signature of another's key cannot be guessed. That of an ed25519 or RSA key is the same each
time, so that its owner cannot try either.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from genbench.base.canonical import digest
from genbench.base.errors import InvalidInput
from genbench.leaderboard.entry import records_digest
from genbench.leaderboard.files import read_files

__all__ = ["chosen_fits", "drawn_seed", "leaderboard_of", "leaderboard_state", "to_sign"]


def leaderboard_of(entry: Path) -> Path | None:
    """The leaderboard that an entry's folder belongs to, by where it stands; None where it stands alone."""
    entries = entry.resolve().parent
    return entries.parent if entries.name == "entries" else None


def leaderboard_state(root: Path | None, entry: Path) -> str:
    """Hash of the records of all entries of a leaderboard but one."""
    found = []
    for path in sorted((root / "entries").iterdir()) if root is not None else []:
        if path.is_dir() and path.name[0] != "." and path.resolve() != entry.resolve():
            try:
                found.append([path.name, records_digest(read_files(path))])
            except InvalidInput:  # what is no entry counts as none
                continue
    return digest(found)


def to_sign(records: str, state: str) -> bytes:
    """What the draw's signature is made of: no text that could be taken for an attestation."""
    return f"genbench draws fits of {records} beside {state}\n".encode()


def drawn_seed(records: str, state: str, signature: str) -> int:
    """The seed of a draw; without a signature it is one that the submitter could have foreseen."""
    return int(digest([records, state, signature])[:15], 16)


def chosen_fits(fits: Iterable[str], sample: int, seed: int) -> list[str]:
    """The fits to rerun: those of the smallest hashes of seed and key."""
    return sorted(sorted(fits, key=lambda key: digest([seed, key]))[:sample])
