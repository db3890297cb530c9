"""Networks of the user's own as files: handed to a process that may see nothing else of the user's.

The files hold the weights and the training set; nothing of the test split. The code of the network is read
where it lies.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from genbench.base.data import Task
from genbench.base.files import write_atomically
from genbench.fitting.factories import find_factory
from genbench.fitting.own_networks import Measurable
from genbench.host import Host
from genbench.measuring.examples import Examples
from genbench.networks.adapting import Field, Packing

__all__ = ["HANDED_OVER", "hand_over_networks", "handed_network"]

HANDED_OVER = "networks"
"""The folder of a process's cache where it hands over what it read."""

_ABOUT, _DATA = "networks.json", "data.pt"


def hand_over_networks(networks: Sequence[Measurable], word: str, task: Task, folder: Path) -> None:
    """Write into a folder what the measures of networks start from, which share examples, output and seed.

    Parameters
    ----------
    word : str
        The factory that makes them, as `find_factory` takes it.
    """
    for place, each in enumerate(networks):
        states = {"final": each.model, **({} if each.initial is None else {"initial": each.initial})}
        held = {name: _at_home(model.state_dict()) for name, model in states.items()}
        torch.save(held, folder / f"{place}.pt")
    first = networks[0]
    examples, packing = first.examples, first.examples.packing
    torch.save(_at_home({"inputs": examples.inputs, "targets": examples.targets}), folder / _DATA)
    about = {
        "word": word,
        "folder": str(Path.cwd()),
        "task": dataclasses.asdict(task),
        "fields": packing and [[each.key, each.shape, _name(each.dtype)] for each in packing.fields],
        "output": first.output,
        "seed": first.seed,
    }
    write_atomically(folder / _ABOUT, json.dumps(about).encode())


def handed_network(folder: Path, place: int, host: Host, device: str) -> Measurable:
    """One of the networks that were handed over.

    Raises
    ------
    UsageError, InvalidInput
        What makes it does not do so here.
    """
    about = json.loads((folder / _ABOUT).read_bytes())
    task = Task(**{**about["task"], "input_shape": tuple(about["task"]["input_shape"])})
    factory = find_factory(about["word"], host, Path(about["folder"]))
    models = {}
    for name, state in _read(folder / f"{place}.pt").items():
        models[name] = factory.network(task).eval()
        models[name].load_state_dict(state)
        models[name].to(device)
    examples = Examples(**_read(folder / _DATA), packing=_packing(about["fields"]))
    return Measurable(models["final"], models.get("initial"), examples, about["output"], about["seed"])


def _packing(fields: Sequence[tuple[Any, Sequence[int], str]] | None) -> Packing | None:
    if fields is None:
        return None
    return Packing(tuple(Field(key, tuple(shape), getattr(torch, dtype)) for key, shape, dtype in fields))


def _at_home(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each.cpu() if isinstance(each, torch.Tensor) else each for name, each in tensors.items()}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found
