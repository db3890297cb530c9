"""Activation checkpointing, put off while a network is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from torch.utils import checkpoint

__all__ = ["without_recomputation"]


@contextmanager
def without_recomputation() -> Iterator[None]:
    """Inside the block networks keep what they would else compute again in the backward pass.

    A second computation calls hooks again, has the network's own weights where the first had others in their
    place, and cannot be differentiated twice. ``torch.utils.checkpoint.checkpoint`` is imported by its name
    everywhere, so what it calls is replaced: the function of its reentrant kind, the hooks of the other.
    """
    instead = {"CheckpointFunction": _Once, "_checkpoint_hook": _no_hook}
    before = {name: getattr(checkpoint, name) for name in instead if hasattr(checkpoint, name)}
    try:
        for name in before:
            setattr(checkpoint, name, instead[name])
        yield
    finally:
        for name, own in before.items():
            setattr(checkpoint, name, own)


class _Once:
    """In the place of a function that is computed again."""

    @staticmethod
    def apply(function: Any, preserve_random_state: bool, *arguments: Any) -> Any:
        return function(*arguments)


def _no_hook(frame: Any) -> AbstractContextManager[None]:
    return nullcontext()
