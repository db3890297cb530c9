"""The file of weights of a fit: state dictionaries to bytes and back, and what may be wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["read_states", "states_as_bytes", "weights_fault"]


def states_as_bytes(states: Mapping[str, Mapping[str, Any]]) -> bytes:
    """State dictionaries by name as one safetensors file."""
    from safetensors.torch import save

    flat = {
        f"{name}/{parameter}": tensor.contiguous()
        for name, state in states.items()
        for parameter, tensor in state.items()
    }
    return save(_unshared(flat))


def read_states(path: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The state dictionaries in a file; `names` are there even where they hold no tensor."""
    from safetensors.torch import load_file

    states: dict[str, dict[str, Any]] = {name: {} for name in names}
    for name, tensor in load_file(path).items():
        state, _, parameter = name.partition("/")
        states.setdefault(state, {})[parameter] = tensor
    return states


def weights_fault(path: Path, recorded: Mapping[str, Any], *, whole: bool) -> str:
    """What is wrong with a file of weights, read whole or judged by its size; empty where nothing is.

    Raises
    ------
    OSError
        It cannot be read, for another reason than that it is not there.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return "it is not there"
    if size != recorded["bytes"]:
        return "its size is not the one recorded"
    if whole and hashlib.sha256(path.read_bytes()).hexdigest() != recorded["sha256"]:
        return "its content is not what was recorded"
    return ""


def _unshared(tensors: dict[str, Any]) -> dict[str, Any]:
    """Copies of tensors that share memory, which safetensors refuses: frozen layers, tied weights, views."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return separate
