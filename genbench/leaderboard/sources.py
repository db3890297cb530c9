"""Where the measures that come with genbench are from, as this version says; entries do not say it."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from genbench.base.names import CORE

__all__ = ["sources"]


@functools.cache
def sources() -> Mapping[str, str]:
    """By name the source of each measure of the installed genbench."""
    from genbench.report.catalog import rows
    from genbench.report.catalog_cache import host_for_cards

    found = rows(host_for_cards(), "measures")
    return {row["name"]: row["source"] for row in found if row["plugin"] == CORE}
