"""What measures start from, as files: handed to a process that may see nothing else of the run.

The files hold the weights, the training set and the history of the training; no figure of the test split.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from genbench.base.data import Split
from genbench.base.files import replacing, write_atomically
from genbench.fitting.roots import Sibling, Start
from genbench.planning.plan import Trial

__all__ = ["hand_over", "handed"]

_RECORD, _WEIGHTS, _DATA, _SIBLINGS = (
    "start.json", "weights.safetensors", "data.safetensors", "siblings.safetensors",
)  # fmt: skip


def hand_over(start: Start, environment: Mapping[str, Any], folder: Path) -> None:
    """Write into a folder what the measures of a fit start from, and what describes this machine."""
    # The very bytes: tensors that lie elsewhere in a file may be summed in another order.
    shutil.copyfile(start.weights, folder / _WEIGHTS)
    splits = {"train": start.train, "validation": start.validation}
    data = {
        f"{name}/{part}": getattr(split, part).contiguous()
        for name, split in splits.items()
        if split is not None
        for part in ("inputs", "targets")
    }
    siblings = {
        f"{number}/{name}": tensor.contiguous()
        for number, each in enumerate(start.siblings)
        for name, tensor in _tensors(each).items()
    }
    for name, tensors in ((_DATA, data), (_SIBLINGS, siblings)):
        with replacing(folder / name) as temporary:
            save_file({each: tensor.clone() for each, tensor in tensors.items()}, temporary)
    record = {
        "trial": start.trial.as_dict(),
        "history": start.history,
        "steps": start.steps,
        "states": list(start.states),
        "siblings": len(start.siblings),
        "environment": environment,
    }
    write_atomically(folder / _RECORD, json.dumps(record).encode())


def handed(folder: Path) -> tuple[Start, dict[str, Any]]:
    """What was handed over, and what describes the machine."""
    record = json.loads((folder / _RECORD).read_bytes())
    # In memory of its own, where it lies as if it had been computed here.
    data = {name: tensor.clone() for name, tensor in load_file(folder / _DATA).items()}
    siblings: list[dict[str, Any]] = [{} for _ in range(record["siblings"])]
    for name, tensor in load_file(folder / _SIBLINGS).items():
        number, _, own = name.partition("/")
        siblings[int(number)][own] = tensor
    start = Start(
        trial=Trial.from_dict(record["trial"]),
        history=record["history"],
        steps=record["steps"],
        weights=folder / _WEIGHTS,
        states=record["states"],
        train=_split(data, "train"),
        validation=_split(data, "validation"),
        siblings=[_sibling(each) for each in siblings],
    )
    return start, record["environment"]


def _split(data: Mapping[str, Any], name: str) -> Split | None:
    inputs = data.get(f"{name}/inputs")
    return None if inputs is None else Split(inputs, data[f"{name}/targets"])


def _tensors(sibling: Sibling) -> dict[str, Any]:
    extra = {"scale": sibling.scale, "shift": sibling.shift}
    state = {f"state/{name}": tensor for name, tensor in sibling.state.items()}
    return state | {name: each for name, each in extra.items() if each is not None}


def _sibling(tensors: Mapping[str, Any]) -> Sibling:
    state = {name.removeprefix("state/"): each for name, each in tensors.items() if name.startswith("state/")}
    return Sibling(state, tensors.get("scale"), tensors.get("shift"))
