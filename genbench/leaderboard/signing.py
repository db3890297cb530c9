"""SSH signatures under what reruns found: OpenSSH's ``ssh-keygen`` makes and verifies them.

Whose signatures count stands in ``keys/allowed_signers`` of a leaderboard, in the format of that name which
``man ssh-keygen`` explains: a name and a public key a line.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from genbench.base.errors import InvalidInput

__all__ = ["ALLOWED", "NAMESPACE", "BadSignature", "sign", "signer"]

NAMESPACE = "genbench"
"""What signatures are for: one that the same key made for something else verifies as nothing here."""

ALLOWED = Path("keys") / "allowed_signers"
"""Within the folder of a leaderboard."""

PROGRAM = "ssh-keygen"
TYPING_SECONDS = 300.0  # a passphrase is asked for on the terminal
VERIFYING_SECONDS = 30.0
MISSING = f"{PROGRAM} is not installed, which comes with OpenSSH"


class BadSignature(Exception):
    """A signature that says nothing, and why, in words that follow the name of what is signed."""


class _Unable(Exception):
    """There is no ``ssh-keygen``, or it does not end."""


def sign(content: bytes, key: Path) -> str:
    """The signature of a key under some bytes, in its armour of letters.

    Parameters
    ----------
    key : Path
        A private key, or a public one whose private one an agent holds.

    Raises
    ------
    InvalidInput
        ``ssh-keygen`` is not there, or cannot sign with this key.
    """
    if not key.is_file():
        raise InvalidInput(f"--key {key}: there is no such file")
    words = ["sign", "-f", str(key), "-n", NAMESPACE]
    try:
        ended = _run(words, content, TYPING_SECONDS)
    except _Unable as fault:
        raise InvalidInput(f"--key {key}: {fault}") from None
    if ended.returncode or not ended.stdout:
        raise InvalidInput(f"--key {key}: cannot be signed with: {_last_line(ended.stderr)}")
    return ended.stdout.decode("ascii", "replace")


def signer(content: bytes, signature: str, allowed: Path) -> str:
    """Who made a signature, by the name that stands in a file of allowed signers.

    Raises
    ------
    BadSignature
        It was made by nobody who is listed there, or of other bytes, or nothing can tell.
    """
    if not allowed.is_file():
        raise BadSignature(f"cannot be verified: there is no {ALLOWED} in the leaderboard")
    try:
        return _verified(content, signature, allowed.resolve())
    except _Unable as fault:
        raise BadSignature(f"cannot be verified: {fault}") from None


def _verified(content: bytes, signature: str, allowed: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="genbench-signature-") as scratch:
        armour = Path(scratch) / "signature"
        armour.write_text(signature, encoding="utf-8")
        given = ["-f", str(allowed), "-s", str(armour)]
        found = _run(["find-principals", *given], b"", VERIFYING_SECONDS)
        names = found.stdout.decode("utf-8", "replace").splitlines()
        if found.returncode or not names:
            raise BadSignature(f"is signed by no key of {ALLOWED}")
        verified = _run(["verify", *given, "-n", NAMESPACE, "-I", names[0]], content, VERIFYING_SECONDS)
    if verified.returncode:
        raise BadSignature("is signed, but not as it stands here, or not for this purpose")
    return names[0]


def _run(words: Sequence[str], content: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run((PROGRAM, "-Y", *words), input=content, capture_output=True, timeout=seconds)
    except FileNotFoundError:
        raise _Unable(MISSING) from None
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise _Unable(f"{PROGRAM} does not answer ({type(fault).__name__})") from None


def _last_line(said: bytes) -> str:
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"{PROGRAM} says nothing"
