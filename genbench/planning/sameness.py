"""When two suites are the same: what resuming, publishing and pooling go by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genbench.base.canonical import canonical_json, digest

__all__ = ["differences", "suite_digest"]

WORDING = frozenset({"name", "title", "notes", "predicted_gpu_hours", "claim", "claims"})
"""Keys of a suite that change nothing of what is run. What papers claim is judged from the results; claims
that a suite takes over from another one stand written out in its frozen copy."""


def suite_digest(content: Mapping[str, Any]) -> str:
    """Hash of what a suite runs, the same for two files that differ in wording alone.

    Parameters
    ----------
    content : mapping
        Of the TOML file, before or after the claims of other suites are written out.
    """
    return digest({key: value for key, value in content.items() if key not in WORDING})


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys, in order of the alphabet, in which two suites run different things."""
    return [
        key
        for key in sorted({*one, *other} - WORDING)
        if canonical_json([one.get(key)]) != canonical_json([other.get(key)])
    ]
