"""What a user hands over in the place of two tensors: a DataLoader, a data set, batches of dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
)

from genbench.base.errors import UsageError, first_line, nearest
from genbench.measuring.given import as_tensor

__all__ = ["TARGET_KEYS", "read_batches"]

TARGET_KEYS = ("labels", "label", "targets", "target", "y")
"""Under which of these keys a batch that is a dictionary holds its targets; the first that is there."""

EXAMPLES_AT_ONCE = 256


def read_batches(batches: Iterable[Any] | Dataset[Any], target_key: str | None = None) -> tuple[Any, Tensor]:
    """All examples of a loader: inputs, a tensor or a dictionary of them, and targets, on the CPU.

    A loader that shuffles is read in the order of its data set, and whole: what a measure draws depends on
    the order, and a training set is not missing its last batch.

    Parameters
    ----------
    batches : DataLoader, Dataset, or iterable of batches
        A batch is ``(inputs, targets)``, where inputs may be a dictionary or a tuple of several, or one
        dictionary that holds the targets too.
    target_key : str, optional
        The key of the targets in a batch that is a dictionary; else one of `TARGET_KEYS`.

    Raises
    ------
    UsageError
        No batch, or one that is nothing of the kind, or batches that do not fit together.
    """
    columns: dict[Any, list[Tensor]] = {}
    targets: list[Tensor] = []
    nested = None
    for batch in _in_order(batches):
        inputs, wanted = _split(batch, target_key)
        several = isinstance(inputs, Mapping | tuple | list)
        named = (
            dict(inputs) if isinstance(inputs, Mapping) else dict(enumerate(inputs if several else [inputs]))
        )
        if targets and set(named) != set(columns):
            raise UsageError(
                f"inputs: batches hold {sorted(map(str, columns))} and {sorted(map(str, named))}"
            )
        nested = type(inputs) if several else None
        for key, part in named.items():
            columns.setdefault(key, []).append(as_tensor("inputs", part).cpu())
        targets.append(as_tensor("targets", wanted).cpu())
    if not targets:
        raise UsageError("inputs: the loader yields no batch")
    single = targets[0].ndim == 0  # a loader without batches yields example by example
    whole = {key: _joined("inputs", parts, single) for key, parts in columns.items()}
    return whole[0] if nested is None else whole, _joined("targets", targets, single)


def _in_order(batches: Any) -> Iterator[Any]:
    if isinstance(batches, Dataset):
        batches = DataLoader(batches, EXAMPLES_AT_ONCE)
    elif isinstance(batches, DataLoader) and (order := _order(batches)) is not None:
        batches = DataLoader(
            batches.dataset, batches.batch_size or EXAMPLES_AT_ONCE, sampler=order,
            collate_fn=batches.collate_fn, num_workers=batches.num_workers,
        )  # fmt: skip
    try:
        yield from batches
    except UsageError:
        raise
    except Exception as fault:  # the user's own data set runs here
        raise UsageError(
            f"inputs: the {type(batches).__name__} fails: {type(fault).__name__}: {first_line(fault)}"
        ) from fault


def _order(loader: DataLoader[Any]) -> Any:
    """The places of all examples of a loader that shuffles or drops some; None where it does neither."""
    if isinstance(loader.dataset, IterableDataset):
        return None
    batches = loader.batch_sampler  # of the loader's own making, or handed to it
    if type(batches) is not BatchSampler:
        return None
    order = batches.sampler
    if isinstance(order, RandomSampler) and not order.replacement:
        return range(len(loader.dataset))  # type: ignore[arg-type]
    if isinstance(order, SubsetRandomSampler):
        return sorted(order.indices)
    return order if batches.drop_last else None


def _split(batch: Any, target_key: str | None) -> tuple[Any, Any]:
    if isinstance(batch, Mapping):
        keys = TARGET_KEYS if target_key is None else (target_key,)
        found = next((key for key in keys if key in batch), None)
        if found is None:
            wanted = (
                f"no '{target_key}'{nearest(target_key, map(str, batch))}" if target_key else "no targets"
            )
            raise UsageError(
                f"targets: a batch with {', '.join(map(str, batch))} has {wanted}; "
                "targets='KEY' names the key that holds them"
            )
        return {key: part for key, part in batch.items() if key != found}, batch[found]
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    held = f"{len(batch)} parts" if isinstance(batch, tuple | list) else f"a {type(batch).__name__}"
    raise UsageError(f"inputs: expected batches of (inputs, targets) or dictionaries, got {held}")


def _joined(what: str, parts: list[Tensor], single: bool) -> Tensor:
    parts = [each.unsqueeze(0) for each in parts] if single else parts
    shapes = dict.fromkeys(tuple(each.shape[1:]) for each in parts)
    if len(shapes) > 1:
        first, second, *_ = shapes
        raise UsageError(
            f"{what}: batches of different shapes, {first} and {second}; bring them to one, as by padding"
        )
    return torch.cat(parts)
