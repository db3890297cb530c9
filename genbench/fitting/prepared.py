"""What a data set returned, kept in the cache: one call per machine, mapped reads ever after.

Each prepared data set is a folder with ``train.safetensors``, ``test.safetensors`` and ``data.json``. The
splits are files of their own so that the process that measures can load the one without opening the other.
``data.json`` is written last: a folder without a valid one is not there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from genbench.base.canonical import canonical_json, digest
from genbench.base.data import Data, Split, Task
from genbench.base.errors import InvalidInput
from genbench.base.files import cache_folder, copy_atomically, file_hash, is_handed_over, replacing
from genbench.contract.components import Component

__all__ = [
    "SPLITS",
    "PreparedData",
    "SplitName",
    "adopt",
    "data_folder",
    "is_kept_as_bytes",
    "is_prepared",
    "prepare",
    "read_split",
]

SplitName = Literal["train", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "test")
FORMAT = 1

# Below this, reading a file once more to compare its hash costs a fraction of a second.
BYTES_HASHED_AT_ONCE = 64 * 2**20


@dataclass(frozen=True)
class PreparedData:
    """A data set in the cache.

    Attributes
    ----------
    name : str
        Full name of the component.
    settings : Mapping
        All of its own settings, defaults included.
    task : Task
    checksum : str
        Identifies the content; enters the key of every fit.
    examples : Mapping from "train" and "test" to int
        Sizes of the whole splits.
    folder : Path
        Where the files are.
    """

    name: str
    settings: Mapping[str, Any]
    task: Task
    checksum: str
    examples: Mapping[str, int]
    folder: Path

    @property
    def stream_key(self) -> list[Any]:
        """What the seeds of sub-sampling and label noise depend on: the data set, never sizes of subsets."""
        return [self.name, dict(self.settings)]

    def path(self, split: SplitName) -> Path:
        """The file of a split, whether it is there or not."""
        return self.folder / f"{split}.safetensors"


def data_folder(given: Path | None) -> Path | None:
    """The user's data folder: the one given, else ``$GENBENCH_DATA``, else none.

    Raises
    ------
    InvalidInput
        There is nothing of that name.
    """
    named = given if given is not None else os.environ.get("GENBENCH_DATA") or None
    if named is None:
        return None
    folder = Path(named).expanduser()
    if not folder.exists():
        raise InvalidInput(f"data folder {folder} does not exist")
    return folder


def prepare(
    component: Component,
    settings: Mapping[str, Any],
    root: Path | None,
    *,
    checksum: str | None = None,
    splits: Collection[SplitName] = SPLITS,
) -> PreparedData:
    """Have a data set in the cache, calling its function only where it is not there yet.

    Several processes may prepare the same data at once: they write the same bytes, each file whole.

    Parameters
    ----------
    component : Component
        The data set.
    settings : Mapping
        The component's own settings; those left out have their defaults.
    root : Path or None
        The user's data folder, ``$GENBENCH_DATA`` where None.
    checksum : str, optional
        The checksum that is known from planning, for a data set that declares none. Without either, the
        function is called to learn the checksum.
    splits : collection of {"train", "test"}
        The splits that will be read and are therefore verified; the file of another one is not opened.

    Raises
    ------
    InvalidInput
        The data are missing, damaged or not what they should be, or the cache cannot be written.
    """
    name = component.full_name
    resolved = {**component.defaults(), **settings}
    expected = checksum or component.declared.checksum
    if expected is not None and (found := is_prepared(component, settings, expected, splits)):
        return found
    data = component.object(data_folder(root), **resolved)
    _validate(data, name)
    declared = component.declared.task
    planned = declared(**resolved) if callable(declared) else declared
    if planned is not None and planned != data.task:
        raise InvalidInput(f"dataset '{name}': declares {planned}, its data are for {data.task}")
    if expected is not None and data.checksum != expected:
        raise InvalidInput(
            f"dataset '{name}': the data are not those that were planned with "
            f"(checksum {data.checksum}, expected {expected}); data folder: {data_folder(root)}"
        )
    folder = _folder(component, resolved, data.checksum)
    if expected is None and (found := _open(folder, name, resolved, data.checksum, splits)):
        return found
    try:
        _write(folder, data, name)
    except OSError as error:
        raise _unwritable(folder, error) from error
    written = _open(folder, name, resolved, data.checksum, splits)
    if written is None:
        raise InvalidInput(f"prepared data in {folder} do not read back as they were written")
    return written


def _unwritable(folder: Path, error: OSError) -> InvalidInput:
    return InvalidInput(
        f"cannot write prepared data to {folder}: {error.strerror or error} ($GENBENCH_CACHE moves it)"
    )


def is_prepared(
    component: Component, settings: Mapping[str, Any], checksum: str, splits: Collection[SplitName]
) -> PreparedData | None:
    """The data set, if it is in the cache; its code is not called."""
    resolved = {**component.defaults(), **settings}
    folder = _folder(component, resolved, checksum)
    return _open(folder, component.full_name, resolved, checksum, splits)


def is_kept_as_bytes(component: Component, settings: Mapping[str, Any], checksum: str) -> bool:
    """Whether a data set is in the cache and its inputs are pictures of eight bits; no numbers are read."""
    resolved = {**component.defaults(), **settings}
    path = _folder(component, resolved, checksum) / "train.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_slice("inputs").get_dtype() == "U8"
    except (OSError, SafetensorError):
        return False


def adopt(component: Component, settings: Mapping[str, Any], checksum: str, cache: Path) -> None:
    """Take prepared data over from the cache of another process, if they are whole there.

    Raises
    ------
    InvalidInput
        This cache cannot be written.
    """
    resolved = {**component.defaults(), **settings}
    folder = _folder(component, resolved, checksum)
    there = cache / folder.parent.name / folder.name
    named = (*(f"{split}.safetensors" for split in SPLITS), "data.json")  # the last one vouches for all
    if not all(is_handed_over(there / each) for each in named):
        return
    if _open(there, component.full_name, resolved, checksum, SPLITS) is None:
        return
    try:
        for name in named:
            copy_atomically(there / name, folder / name)
    except OSError as error:
        raise _unwritable(folder, error) from error


def read_split(prepared: PreparedData, split: SplitName) -> Split:
    """One whole split, mapped from its file; the bytes are read as they are used."""
    try:
        tensors = load_file(prepared.path(split))
        return Split(tensors["inputs"], tensors["targets"])
    except (OSError, SafetensorError, KeyError) as error:
        raise InvalidInput(
            f"prepared data {prepared.path(split)} cannot be read ({error}); remove {prepared.folder}"
        ) from error


def _folder(component: Component, settings: Mapping[str, Any], checksum: str) -> Path:
    source = component.source_hash if component.keyed_by_source else ""
    key = digest([component.full_name, component.version, source, dict(settings), checksum])
    return cache_folder() / "prepared" / key


def _open(
    folder: Path, name: str, settings: Mapping[str, Any], checksum: str, splits: Collection[SplitName]
) -> PreparedData | None:
    """The prepared data if they are there and whole, else None."""
    try:
        record = json.loads((folder / "data.json").read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["checksum"] != checksum:
            return None
        examples: dict[str, int] = {}
        for split in SPLITS:
            written = record["files"][split]
            examples[split] = int(written["examples"])
            if split not in splits:
                continue
            path = folder / f"{split}.safetensors"
            size = path.stat().st_size
            if size != written["bytes"]:
                return None
            if size <= BYTES_HASHED_AT_ONCE and file_hash(path, "sha256") != written["sha256"]:
                return None
        task = record["task"]
        task = Task(task["kind"], tuple(task["input_shape"]), task["outputs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return PreparedData(name, dict(settings), task, checksum, examples, folder)


def _write(folder: Path, data: Data, name: str) -> None:
    files = {}
    for split_name, split in zip(SPLITS, (data.train, data.test), strict=True):
        inputs = split.inputs if split.inputs.dtype == torch.uint8 else split.inputs.float()
        path = folder / f"{split_name}.safetensors"
        with replacing(path) as temporary:
            save_file({"inputs": inputs.contiguous(), "targets": split.targets.contiguous()}, temporary)
            files[split_name] = {
                "bytes": temporary.stat().st_size,
                "sha256": file_hash(temporary, "sha256"),
                "examples": len(split),
            }
    record = {
        "format": FORMAT, "name": name, "checksum": data.checksum, "task": asdict(data.task), "files": files,
    }  # fmt: skip
    with replacing(folder / "data.json") as temporary:
        temporary.write_text(canonical_json(record), encoding="utf-8")


def _validate(data: Any, name: str) -> None:
    """Check what a data set's function returned, since anybody can write one."""
    if not isinstance(data, Data):
        raise InvalidInput(f"dataset '{name}': returned {type(data).__name__}, not genbench.Data")
    problems = [
        f"dataset '{name}', {split_name} split: {problem}"
        for split_name, split in zip(SPLITS, (data.train, data.test), strict=True)
        for problem in _problems(split, data.task)
    ]
    if not isinstance(data.checksum, str) or not data.checksum:
        problems.append(f"dataset '{name}': its checksum is not a text")
    if problems:
        raise InvalidInput(problems)


def _problems(split: Split, task: Task) -> list[str]:
    inputs, targets = split.inputs, split.targets
    if not len(inputs) or len(inputs) != len(targets):
        return [f"{len(inputs)} inputs and {len(targets)} targets"]
    problems = []
    shown = f"{targets.dtype} of shape {tuple(targets.shape)}"
    if tuple(inputs.shape[1:]) != task.input_shape:
        problems.append(f"inputs of shape {tuple(inputs.shape[1:])}, the task says {task.input_shape}")
    if inputs.dtype != torch.uint8 and not inputs.dtype.is_floating_point:
        problems.append(f"inputs are {inputs.dtype}; uint8 and floating point are possible")
    if inputs.dtype.is_floating_point and not inputs.isfinite().all():
        problems.append("inputs that are infinite or not a number")
    if task.kind == "classification":
        if targets.dtype != torch.int64 or targets.ndim != 1:
            problems.append(
                f"targets are {targets.dtype} of shape {tuple(targets.shape)}; int64 (n,) is expected"
            )
        elif targets.min() < 0 or targets.max() >= task.outputs:
            problems.append(f"labels {targets.min()} to {targets.max()}, the task has {task.outputs} classes")
    elif targets.dtype != torch.float32 or tuple(targets.shape[1:]) != (task.outputs,):
        problems.append(f"targets are {shown}; float32 (n, {task.outputs}) is expected")
    elif not targets.isfinite().all():
        problems.append("targets that are infinite or not a number")
    return problems
