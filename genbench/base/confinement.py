"""What Linux offers to shut a process in: Landlock for its files, a network of its own without an outside.

Called through the C library, because no library for it is kept well enough to be depended on. Whoever is shut
in stays so, with all that it starts; nothing here needs any right. See landlock(7) and user_namespaces(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = [
    "NEW_USER",
    "SWITCH",
    "as_the_same_user",
    "confine",
    "is_off",
    "keep_mounts",
    "keep_signals_inside",
    "keep_whole",
    "library",
    "offered",
]

SWITCH = "GENBENCH_CONFINE"
"""Environment variable that lets the code of plugins open what it likes where it is ``off``."""

# System calls have these numbers on every architecture that has them.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_TELL_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE = 1 << 14
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
# What each version knows of files: linking across folders came with the second, truncating with the third.
_KNOWN_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_ALL_OF_TCP = 3  # since the fourth
_SIGNALS, _SOCKETS_AND_SIGNALS, _SCOPES_SINCE = 2, 3, 6

_SET_NO_NEW_PRIVILEGES = 38
NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000


def offered() -> int:
    """The version of Landlock that this system has; 0 where it has none."""
    if sys.platform != "linux":
        return 0
    return max(0, library().syscall(_CREATE_RULESET, None, 0, _TELL_VERSION))


def is_off() -> bool:
    """Whether whoever runs this wants no bounds."""
    return os.environ.get(SWITCH) == "off"


def confine(
    readable: Iterable[Path], writable: Iterable[Path], denied: Sequence[Path] = (),
    kept: Sequence[Path] = (), *, network: bool = False,
) -> dict[str, str]:  # fmt: skip
    """Leave this process these files alone, and no network; to be called before it has a second thread.

    Parameters
    ----------
    readable, writable : iterable of Path
        Files and folders with all that is in them; what is not there is passed over.
    denied : sequence of Path
        What is not to be opened although a readable folder holds it. Its name can still be seen there.
    kept : sequence of Path
        What is not to be written although a writable folder holds it. In the folders on the way to it nothing
        can be made that is not there.
    network : bool
        Leave it the network after all.

    Returns
    -------
    dict
        ``files`` and ``network``, each to what keeps them; empty where this system has no means.
    """
    held = {"files": "", "network": ""}
    version = offered()
    if not version:
        return held
    held["files"] = f"Landlock {version}"
    if not network:
        held["network"] = _leave_network() or ("Landlock (TCP alone)" if version >= 4 else "")
    rights = _KNOWN_RIGHTS[min(version, max(_KNOWN_RIGHTS))]
    ruleset = _ruleset(version, rights, 0 if network else _ALL_OF_TCP, _SOCKETS_AND_SIGNALS)
    try:
        shut = [each.resolve() for each in denied]
        for path in readable:
            _allow_all_but(ruleset, path, shut, _READ & rights)
        whole = [each.resolve() for each in kept]
        for path in writable:
            _allow_all_but(ruleset, path, whole, rights)
        _restrict(ruleset)
    finally:
        os.close(ruleset)
    return held


def keep_signals_inside() -> bool:
    """Let this process, with all that it starts, signal, trace and look into no process outside.

    Returns
    -------
    bool
        Whether this system has the means; what it had for it before stays.
    """
    if offered() < _SCOPES_SINCE:
        return False
    ruleset = _ruleset(_SCOPES_SINCE, 0, 0, _SIGNALS)
    try:
        _restrict(ruleset)
    finally:
        os.close(ruleset)
    return True


def keep_mounts() -> None:
    """Let this process mount nothing and unmount nothing; for the rest as `keep_signals_inside`."""
    version = offered()
    rights = _KNOWN_RIGHTS[min(version, max(_KNOWN_RIGHTS))]
    ruleset = _ruleset(version, rights, 0, _SIGNALS)
    try:
        _allow(ruleset, Path("/"), rights)
        _restrict(ruleset)
    finally:
        os.close(ruleset)


def keep_whole(kept: Sequence[Path], writable: Iterable[Path] = ()) -> None:
    """Let this process change none of these files and folders, and signal no process outside.

    Parameters
    ----------
    kept : sequence of Path
        As for `confine`.
    writable : iterable of Path
        Folders within them that may be written.
    """
    if kept and not is_off():
        confine([Path("/")], [Path("/"), *writable], kept=kept, network=True)
    else:
        keep_signals_inside()


def _ruleset(version: int, files: int, network: int, scopes: int) -> int:
    """What is to be allowed one by one, as far as this version knows of it."""
    size = 8 if version < 4 else 16 if version < _SCOPES_SINCE else 24
    return _called(_CREATE_RULESET, struct.pack("QQQ", files, network, scopes), size, 0)


def _restrict(ruleset: int) -> None:
    if library().prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    _called(_RESTRICT_SELF, ruleset, 0)


def _allow_all_but(ruleset: int, path: Path, excepted: Sequence[Path], rights: int) -> None:
    """All below a path but the exceptions: Landlock can only allow, so their neighbours are, one by one."""
    try:
        path = path.resolve()
        if any(path.is_relative_to(each) for each in excepted):
            return
        if not any(each.is_relative_to(path) for each in excepted):
            _allow(ruleset, path, rights)
            return
        _allow(ruleset, path, _READ_DIR)
        for each in path.iterdir():
            if not each.is_symlink():
                _allow_all_but(ruleset, each, excepted, rights)
    except OSError:
        return


def _allow(ruleset: int, path: Path, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(opened).st_mode):
                rights &= _OF_FILES
            _called(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
        finally:
            os.close(opened)


def _leave_network() -> str:
    """Go where there is no network, as the same user; empty where the system does not let one."""
    user, group = os.getuid(), os.getgid()
    if not library().unshare(_NEW_NETWORK):
        return "network namespace"
    # In a namespace of users root would lose its right to read what others own, such as a mounted project.
    if not user or library().unshare(NEW_USER | _NEW_NETWORK):
        return ""
    as_the_same_user(user, group)
    return "network namespace"


def as_the_same_user(user: int, group: int) -> None:
    """Be in a new namespace of users who one was before."""
    for name, text in (
        ("setgroups", "deny"),
        ("gid_map", f"{group} {group} 1"),
        ("uid_map", f"{user} {user} 1"),
    ):
        with contextlib.suppress(OSError):  # its own files stay its own without
            Path(f"/proc/self/{name}").write_text(text)


def _called(number: int, *arguments: object) -> int:
    found = library().syscall(number, *arguments)
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(found)


def library() -> ctypes.CDLL:
    """The C library, which tells the number of an error."""
    return ctypes.CDLL(None, use_errno=True)
