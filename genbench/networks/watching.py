"""Calls of modules, seen or changed by functions that stay on the modules for as long as a block runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from torch import nn

__all__ = ["counted", "watched"]

Key = TypeVar("Key")


@contextmanager
def watched(
    modules: Mapping[Key, nn.Module],
    *,
    before: Callable[[Key, tuple[Any, ...]], Any] | None = None,
    after: Callable[[Key, tuple[Any, ...], Any], Any] | None = None,
    keywords: bool = False,
) -> Iterator[None]:
    """Have functions called at each call of modules; they are gone however the block ends.

    Parameters
    ----------
    modules : mapping from key to Module
        The functions are told the key. A module under several keys is watched under each.
    before : callable (key, given), optional
        What it returns, if not None, enters instead of the positional arguments `given`.
    after : callable (key, given, output), optional
        What it returns, if not None, the network goes on with instead of the output.
    keywords : bool
        Of `after`, let `given` hold what the module was given by keywords too, behind the positional ones.
    """

    def entering(key: Key) -> Callable[..., Any]:
        assert before is not None
        return lambda _, given: before(key, given)

    def leaving(key: Key) -> Callable[..., Any]:
        assert after is not None
        if keywords:
            return lambda _, given, named, output: after(key, (*given, *named.values()), output)
        return lambda _, given, output: after(key, given, output)

    with ExitStack() as hooks:
        for key, module in modules.items():
            if before is not None:
                hooks.callback(module.register_forward_pre_hook(entering(key)).remove)
            if after is not None:
                handle = module.register_forward_hook(leaving(key), with_kwargs=keywords)
                hooks.callback(handle.remove)
        yield


@contextmanager
def counted(modules: Mapping[Key, nn.Module]) -> Iterator[Counter[Key]]:
    """How often each of the modules has been called inside the block, in the order of their first calls."""
    calls: Counter[Key] = Counter()
    with watched(modules, before=lambda key, _: calls.update([key])):
        yield calls
