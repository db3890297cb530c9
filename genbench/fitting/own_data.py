"""Data that the user names for a network of their own: a data set, a folder of pictures, a file of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.data import SplitSettings, Task
from genbench.base.errors import InvalidInput, UsageError, first_line
from genbench.contract.components import Component, Kind
from genbench.host import Host
from genbench.host.settings import complete, parse_variant
from genbench.host.signatures import field_settings

if TYPE_CHECKING:
    from genbench.measuring.examples import Examples

__all__ = ["ARRAYS", "OwnData", "named_dataset", "read_own_data"]

ARRAYS = (".npz", ".safetensors")
"""Endings of files of arrays."""

TEST = "test_"


@dataclass(frozen=True)
class OwnData:
    """What a network was trained on, and what it is tested on where that is known.

    Attributes
    ----------
    name : str
    train : Examples
    test : Examples or None
    task : Task
    """

    name: str
    train: Examples
    test: Examples | None
    task: Task


def named_dataset(word: str, host: Host) -> tuple[Component, dict[str, Any], dict[str, Any]]:
    """A data set with settings in brackets: the component, its own settings, and those of the splits.

    Raises
    ------
    InvalidInput
        There is no such data set, or it has no such settings.
    """
    name, given = parse_variant(word)
    component = host.find(Kind.DATASET, name)
    of_splits = field_settings(SplitSettings)
    settings = complete(replace(component, settings={**component.settings, **of_splits}), given)
    names = {each.name for each in fields(SplitSettings)}
    own = {key: value for key, value in settings.items() if key not in names}
    return component, own, {key: settings[key] for key in names}


def read_own_data(dataset: str | None, data: Path | None, host: Host) -> OwnData:
    """Read ``--dataset NAME`` and ``--data``: a data folder, a folder of pictures, or a file of arrays.

    Raises
    ------
    UsageError, InvalidInput
        Neither is given, there is no such thing, or it does not hold what it should.
    """
    if data is not None and data.suffix.lower() in ARRAYS:
        if dataset is not None:
            raise UsageError(f"--data {data}: a file of arrays goes without --dataset")
        return _read_arrays(data)
    if dataset is None and data is None:
        raise UsageError("say which data the network was trained on, with --dataset NAME or --data DIR")
    return _read_dataset(dataset or "images", data, host)


def _read_dataset(word: str, root: Path | None, host: Host) -> OwnData:
    from genbench.fitting.splits import load_test, load_training, prepare
    from genbench.measuring.examples import Examples

    component, own, splits = named_dataset(word, host)
    prepared = prepare(component, own, root)
    data = load_training(
        prepared,
        seed_index=splits["subset_seed"] or 0,
        train_size=splits["train_size"],
        validation_size=splits["validation_size"],
        normalize=splits["normalize"],
    )
    test = load_test(prepared, mean=data.mean, std=data.std, test_size=splits["test_size"])
    return OwnData(
        word, Examples(data.inputs, data.targets, None), Examples(test.inputs, test.targets, None), data.task
    )


def _read_arrays(path: Path) -> OwnData:
    from genbench.measuring.batches import TARGET_KEYS
    from genbench.measuring.examples import read_examples

    arrays = _arrays(path)
    parts = {
        "train": {key: each for key, each in arrays.items() if not key.startswith(TEST)},
        "test": {key.removeprefix(TEST): each for key, each in arrays.items() if key.startswith(TEST)},
    }
    read = {}
    for split, held in parts.items():
        target = next((key for key in TARGET_KEYS if key in held), None)
        inputs = {key: each for key, each in held.items() if key != target}
        if not held and split == "test":
            continue
        if target is None or not inputs:
            wanted = "inputs and targets" if split == "train" else "test_inputs and test_targets"
            raise InvalidInput(
                f"'{path}': expected arrays {wanted}, got {', '.join(sorted(arrays)) or 'none'}"
            )
        alone = next(iter(inputs.values())) if set(inputs) <= {"inputs", "x", "X"} else inputs
        try:
            read[split] = read_examples(alone, held[target])
        except UsageError as fault:
            raise InvalidInput(f"'{path}': {split}: {fault}") from None
    train = read["train"]
    whole = not train.targets.is_floating_point()
    outputs = int(train.targets.max()) + 1 if whole else int(train.targets[0].numel())
    task = Task("classification" if whole else "regression", tuple(train.inputs.shape[1:]), outputs)
    return OwnData(path.name, train, read.get("test"), task)


def _arrays(path: Path) -> Mapping[str, Any]:
    import numpy as np

    if not path.is_file():
        raise UsageError(f"--data {path}: there is no such file")
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        from safetensors.torch import load_file

        return load_file(path)
    except Exception as fault:  # the libraries raise many kinds for files that are damaged
        why = first_line(fault)
        if "allow_pickle" in why:
            why = "it holds objects, whose code would run; save arrays of numbers"
        raise InvalidInput(f"'{path}': cannot be read: {why}") from None
