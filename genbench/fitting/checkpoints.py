"""Files of weights that somebody else wrote, read without running code of theirs, and put into networks."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import InvalidInput, UsageError, first_line, nearest, nearest_beside
from genbench.base.names import fold

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ENDINGS", "put_into", "read_weights"]

ENDINGS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
"""Of files of weights."""

HOLDERS = ("state_dict", "model_state_dict", "model", "network", "net", "weights", "params", "ema")
"""Under which of these keys a checkpoint holds the state dictionary beside other things."""

PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
"""What wrappers put before the names of parameters."""

AVERAGED = "n_averaged"
"""Beside the weights of torch's ``AveragedModel``: of how many they are the mean."""

SHOWN = 5
"""Names that a message shows."""

ZIP, PICKLE = b"PK\x03\x04", b"\x80"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dictionary in a file, on the CPU.

    Parameters
    ----------
    path : Path
        Of the safetensors format, or written by ``torch.save``: then tensors alone are read, never objects
        whose code would run. A checkpoint that holds the state dictionary beside other things is understood.

    Raises
    ------
    UsageError
        There is no such file, or it has another ending.
    InvalidInput
        It is damaged, holds code, or no state dictionary.
    """
    if not path.is_file():
        raise UsageError(f"weights '{path}': there is no such file{nearest_beside(path)}")
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"weights '{path}': the ending must be {', '.join(ENDINGS)}")
    try:
        with path.open("rb") as file:
            begin = file.read(9)
        found = _read_safely(path, begin)
    except OSError as fault:
        raise InvalidInput(f"weights '{path}': cannot be read: {fault.strerror or fault}") from None
    return _state_of(found, path)


def _read_safely(path: Path, begin: bytes) -> Any:
    # Told by content: a file may have any name.
    if begin[8:9] == b"{":
        return _read_safetensors(path)
    if path.suffix.lower() == ".safetensors":
        if begin.startswith((ZIP, PICKLE)):
            raise InvalidInput(
                f"weights '{path}': is a pickle under the name of a safetensors file; "
                "if you trust who made it, name it .pt: its tensors are read, its code is not run"
            )
        return _read_safetensors(path)
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as fault:
        named = re.search(r"GLOBAL ([\w.]+)", str(fault))
        held = f", {named.group(1)}," if named else ""
        raise InvalidInput(
            f"weights '{path}': holds code{held} beside tensors, which is not run; "
            "save network.state_dict() instead of the network"
        ) from None
    except Exception as fault:  # torch raises many kinds for files that are damaged or none of its own
        if isinstance(fault, OSError):
            raise
        raise InvalidInput(
            f"weights '{path}': is damaged, or not written by torch.save: {first_line(fault)}"
        ) from None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as fault:
        raise InvalidInput(
            f"weights '{path}': is no safetensors file, or damaged: {first_line(fault)}"
        ) from None


def _state_of(found: Any, path: Path) -> dict[str, Tensor]:
    if state := _tensors_in(found):
        return state
    held = f"a {type(found).__name__}"
    if isinstance(found, Mapping):
        held = f"a dictionary with {', '.join(map(str, list(found)[:SHOWN])) or 'nothing'}"
    raise InvalidInput(f"weights '{path}': holds {held}, no state dictionary")


def _tensors_in(found: Any) -> dict[str, Tensor]:
    """The state dictionary in what was read; empty where there is none."""
    from torch import Tensor

    if not isinstance(found, Mapping):
        return {}
    # Before the tensors beside them, such as the loss or a count of steps.
    for holder in HOLDERS:
        if state := _tensors_in(found.get(holder)):
            return state
    return {str(name): each for name, each in found.items() if isinstance(each, Tensor)}


def put_into(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load weights into a network, which keeps its precision.

    Raises
    ------
    InvalidInput
        Names or shapes do not fit, a line each.
    """
    wanted = network.state_dict()
    state = _named_as(state, wanted)
    # Networks that were saved by old versions of torch do not have these counts, which no measure reads.
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in wanted]
    problems = []
    if missing:
        problems.append(_listed("missing", missing, unexpected, "the file has"))
    if unexpected:
        problems.append(_listed("unexpected", unexpected, missing, "the network has"))
    shapes = [
        f"'{name}' is {_shape(each)} in the file, {_shape(wanted[name])} in the network"
        for name, each in state.items()
        if name in wanted and each.shape != wanted[name].shape
    ]
    problems += [
        f"'{name}' is {_kind(each)} in the file, {_kind(wanted[name])} in the network"
        for name, each in state.items()
        if name in wanted and _kind(each) != _kind(wanted[name])
    ][:1]
    problems += shapes[:SHOWN] + ([f"and {len(shapes) - SHOWN} shapes more"] if len(shapes) > SHOWN else [])
    if problems:
        raise InvalidInput(f"weights '{path}' do not fit the network: {each}" for each in problems)
    network.load_state_dict({**wanted, **state})


def _named_as(state: Mapping[str, Tensor], wanted: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The state under the names that a network has, where all that is between is a wrapper's prefix."""
    found = list(_renamed(state))
    # Where none has more in common than another, the barest names are the easiest to compare.
    return max(reversed(found), key=lambda each: len(each.keys() & wanted.keys()))


def _renamed(state: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    yield state
    if AVERAGED in state:
        yield from _renamed({name: each for name, each in state.items() if name != AVERAGED})
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            yield from _renamed({name.removeprefix(prefix): each for name, each in state.items()})


def _listed(what: str, names: Sequence[str], others: Sequence[str], where: str) -> str:
    """Names with the nearest among the others."""
    spelled = {fold(each): each for each in others}
    shown = []
    for name in names[:SHOWN]:
        like = re.search(r"did you mean '(.+)'", nearest(name, spelled.values()))
        shown.append(f"'{name}'" + (f" ({where} '{like.group(1)}')" if like else ""))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{what} {', '.join(shown)}{more}"


def _shape(tensor: Any) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"


def _kind(tensor: Any) -> str:
    """What of a tensor cannot be put into one of another kind."""
    layout = str(tensor.layout).removeprefix("torch.").replace("strided", "dense")
    layout = "quantized" if tensor.is_quantized else "empty" if tensor.is_meta else layout
    return f"{layout}, {'complex' if tensor.is_complex() else 'real'}"
