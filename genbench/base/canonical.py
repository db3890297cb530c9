"""One text for one content: canonical JSON, its hash, and the seeds of the random streams made from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

__all__ = ["canonical_json", "digest", "joined", "stream_seed"]


# Made once: most of what is made canonical is short, and making the encoder takes as long.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(content: Any) -> str:
    """JSON with sorted keys and no spaces, in which 1.0 is written 1 and a tuple is a list.

    Raises
    ------
    ValueError
        For NaN and infinities, which JSON does not have.
    """
    return _ENCODER.encode(_normal(content))


def joined(texts: Mapping[str, str]) -> str:
    """The canonical JSON of a mapping, from that of each of its values."""
    return "{" + ",".join(f"{json.dumps(name)}:{texts[name]}" for name in sorted(texts)) + "}"


_AS_THEY_ARE = frozenset((str, int, bool, type(None)))


def _normal(content: Any) -> Any:
    # The plain types first, and without a call for each: records are large, and each is sealed by this.
    kind = type(content)
    if kind in _AS_THEY_ARE:
        return content
    if kind is float:
        return int(content) if content.is_integer() else content
    if kind is dict:
        return {
            str(key): value if type(value) in _AS_THEY_ARE else _normal(value)
            for key, value in content.items()
        }
    if kind is list:
        return [each if type(each) in _AS_THEY_ARE else _normal(each) for each in content]
    if isinstance(content, Enum):
        return content.value
    if isinstance(content, float) and content.is_integer():
        return int(content)
    if isinstance(content, Mapping):
        return {str(key): _normal(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_normal(each) for each in content]
    return content


def digest(content: Any) -> str:
    """SHA-256 of the canonical JSON, the first 32 hexadecimal digits."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:32]


def stream_seed(stream: str, index: int, *depends_on: Any) -> int:
    """Seed of one random stream, from 0 to 2**64 - 1: the first 8 bytes of the SHA-256 of the canonical JSON.

    Parameters
    ----------
    stream : str
        ``subset``, ``noise``, ``initialization``, ``order``, ``augmentation``, ``dropout``, ``regularizer``
        or ``measure``.
    index : int
        The seed index of the trial.
    *depends_on
        What else the stream depends on. Learning rate and the like are left out on purpose: configurations
        that differ in them alone see the same data in the same order, and are compared in pairs.
    """
    text = canonical_json([stream, index, *depends_on])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
