"""What code of a plugin's must leave as it was, looked at before and behind each of its components.

The counters of `genbench.measuring.guard` see what torch notices. Code from outside may write through NumPy
or ``.data``, patch a function or set a flag, which nothing counts: here contents are compared.
"""

from __future__ import annotations

import dataclasses
import threading
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genbench.host.surroundings import Surroundings

__all__ = ["Watch", "checksum"]


class Watch:
    """Shared objects by name, and everything around them, looked at before and behind each component.

    Networks are left out: `ModelGuard` compares and restores them.

    Parameters
    ----------
    lasting : mapping
        Objects that are there for all of the components. What was seen of them behind one counts before the
        next.
    alone : bool
        Whether this process does nothing else, so that a thread that runs on is the component's.
    """

    def __init__(self, lasting: Mapping[str, Any], alone: bool = False):
        self._lasting = lasting
        self._alone = alone
        self._threads: frozenset[int | None] = frozenset()
        self._seen: dict[str, int] = {}
        self._passing: dict[str, tuple[Any, int]] = {}
        self._surroundings: Surroundings | None = None

    def look(self, passing: Mapping[str, Any]) -> None:
        """See how everything is now, these objects that the next component is given included."""
        for name, each in self._lasting.items():
            if name not in self._seen:
                self._seen[name] = checksum(each)
        self._passing = {name: (each, checksum(each)) for name, each in passing.items()}
        self._threads = _threads()
        if self._surroundings is None:
            self._surroundings = Surroundings()
        else:
            self._surroundings.refresh()

    def changed_objects(self) -> list[str]:
        """Names of those whose content is another one now."""
        changed = [name for name, (each, before) in self._passing.items() if checksum(each) != before]
        self._passing = {}  # others may have the memory
        for name, each in self._lasting.items():
            before, self._seen[name] = self._seen[name], checksum(each)
            if self._seen[name] != before:
                changed.append(name)
        return changed

    def changed_surroundings(self) -> list[str]:
        """Functions, flags and modes that were changed; they are put back."""
        changed = [] if self._surroundings is None else self._surroundings.put_back()
        if self._alone and _threads() - self._threads:
            changed.append("the threads: one runs on")
        return changed


def _threads() -> frozenset[int | None]:
    return frozenset(each.ident for each in threading.enumerate())


def checksum(content: Any) -> int:
    """CRC-32 of all numbers in tensors and arrays, also within containers and data classes."""
    total = 0
    for numbers in _arrays(content, 0):
        total = zlib.crc32(numbers, total)
    return total


# Deeper than any probe's result; a container may hold itself.
_DEEPEST = 20


def _arrays(content: Any, depth: int) -> Iterator[memoryview]:
    if depth > _DEEPEST or isinstance(content, nn.Module | str | bytes):
        return
    if isinstance(content, Tensor):
        yield from _bytes_of(content)
    elif isinstance(content, np.ndarray):
        if content.dtype != object:
            yield np.ascontiguousarray(content).reshape(-1).view(np.uint8).data
    elif isinstance(content, Mapping):
        for each in content.values():
            yield from _arrays(each, depth + 1)
    elif isinstance(content, list | tuple):
        for each in content:
            yield from _arrays(each, depth + 1)
    elif dataclasses.is_dataclass(content) and not isinstance(content, type):
        for field in dataclasses.fields(content):
            yield from _arrays(getattr(content, field.name, None), depth + 1)


def _bytes_of(tensor: Tensor) -> Iterator[memoryview]:
    if tensor.layout != torch.strided or tensor.is_quantized or not tensor.numel():
        return
    plain = torch.view_as_real(tensor.detach().resolve_conj()) if tensor.is_complex() else tensor.detach()
    flat = plain.resolve_neg().cpu().contiguous().reshape(-1).view(torch.uint8)
    yield flat.numpy().data
