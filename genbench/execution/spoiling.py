"""What code of plugins must leave as it was while a trial is trained with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from genbench.base.names import CORE
from genbench.host import Host
from genbench.host.surroundings import Surroundings

__all__ = ["Spoilt", "unchanged_surroundings"]


class Spoilt(Exception):
    """What all share in this process is another thing now; the text says what."""


@contextlib.contextmanager
def unchanged_surroundings(host: Host) -> Iterator[None]:
    """Run a block, and see behind it that code of plugins, where there is any, changed nothing of the core's.

    Raises
    ------
    Spoilt
        It did; what it changed is put back.
    """
    names = [each.name for each in host.plugins if each.source.namespace != CORE]
    if not names:
        yield
        return
    before = Surroundings()
    try:
        yield
    except Exception as fault:
        if changed := before.put_back():
            raise Spoilt(_said(names, changed)) from fault
        raise
    if changed := before.put_back():
        raise Spoilt(_said(names, changed))


def _said(names: list[str], changed: list[str]) -> str:
    named = " and ".join(f"'{each}'" for each in names)
    return f"code of plugin {named} changed {', '.join(changed)}, which all share"
