"""Folders that a process can read and not change, whatever else it may write: mounts of its own.

Landlock alone cannot say this: it allows, and what it allows in a folder holds for all below it, so that
nothing new could be made beside what is kept. In a namespace of mounts the kept folders are read-only, and
Landlock then leaves no way to mount anything else. See mount_namespaces(7) and mount_setattr(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Sequence
from pathlib import Path

from genbench.base.confinement import (
    NEW_USER,
    as_the_same_user,
    is_off,
    keep_mounts,
    keep_signals_inside,
    library,
    offered,
)

__all__ = ["hold_read_only"]

_NEW_MOUNTS = 0x20000
_RECURSIVE, _PRIVATE, _BIND = 1 << 14, 1 << 18, 1 << 12
_SET_ATTRIBUTES = 442  # on every architecture
_HERE, _AND_BELOW = -100, 0x8000
_READ_ONLY = 1
_SINCE = 2  # the first Landlock that lets files be moved from folder to folder


def hold_read_only(kept: Sequence[Path]) -> bool:
    """Let this process, and all that it starts, change nothing in these folders, nor signal others.

    They can be neither moved nor replaced, with the folders that they lie in; files can be linked from there
    to nowhere else. To be called before there is a second thread.

    Returns
    -------
    bool
        Whether this system has the means, Landlock and a namespace of mounts, and nobody switched them off;
        signals are kept inside in any case where they can be.
    """
    there = [each.resolve() for each in kept if each.exists()]
    if not there or is_off() or offered() < _SINCE or not _own_mounts():
        keep_signals_inside()
        return False
    try:
        _mount(None, Path("/"), _RECURSIVE | _PRIVATE)
        # Where something is mounted nothing can be renamed: the folders above are mounted on themselves.
        above = {parent for each in there for parent in each.parents if parent != parent.parent}
        for folder in sorted(above, key=lambda each: len(each.parts)):
            _mount(folder, folder, _BIND | _RECURSIVE)
        for folder in there:
            _mount(folder, folder, _BIND | _RECURSIVE)
            _make_read_only(folder)
        held = True
    except OSError:  # some systems allow the namespace and no mounts in it
        held = False
    with contextlib.suppress(OSError):
        os.chdir(Path.cwd())  # through the mounts, not below them
    keep_mounts()
    return held


def _own_mounts() -> bool:
    if not library().unshare(_NEW_MOUNTS):
        return True
    user, group = os.getuid(), os.getgid()
    # In a namespace of users root would lose its right to read what others own.
    if not user or library().unshare(NEW_USER | _NEW_MOUNTS):
        return False
    as_the_same_user(user, group)
    return True


def _mount(source: Path | None, target: Path, flags: int) -> None:
    named = os.fsencode(source) if source else b"none"
    if library().mount(named, os.fsencode(target), None, ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _make_read_only(folder: Path) -> None:
    attributes = struct.pack("QQQQ", _READ_ONLY, 0, 0, 0)
    given = (_HERE, os.fsencode(folder), _AND_BELOW, attributes, len(attributes))
    if library().syscall(_SET_ATTRIBUTES, *given) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
