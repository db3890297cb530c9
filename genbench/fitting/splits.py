"""From a data set to what a network is trained on and tested on: subsets, label noise, normalization.

Who is in a training set, and which labels are wrong, depends on the seed index and on the data set, and is
nested: a smaller training set is part of every larger one, lower label noise flips part of what higher flips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.base.canonical import stream_seed
from genbench.base.constraints import NoiseKind
from genbench.base.data import Split, Task
from genbench.base.errors import InvalidInput
from genbench.base.sampling import permutation, uniforms
from genbench.fitting.prepared import PreparedData, SplitName, prepare, read_split
from genbench.training.label_noise import corrupted
from genbench.training.pixels import normalized

__all__ = [
    "PreparedData",
    "SplitName",
    "TrainingChoice",
    "TrainingData",
    "check_sizes",
    "choose_test",
    "choose_training",
    "load_test",
    "load_training",
    "on_device",
    "placed",
    "prepare",
    "split_on_device",
]


@dataclass(frozen=True)
class TrainingData:
    """A training set as one fit sees it.

    Attributes
    ----------
    inputs : Tensor, shape (n, *input_shape), float32
        Normalized; pixels are divided by 255 before.
    targets : Tensor, shape (n,) int64 or (n, outputs) float32
        As trained on, noisy labels included.
    clean_targets : Tensor
        The targets before label noise.
    validation : Split or None
        Held out of the training split, the same examples for every seed, so that no fit was trained on what
        another one validates with. Normalized with the numbers of the training set; its labels are as noisy
        as those trained on, because whoever has noisy labels has no clean ones to validate with.
    task : Task
    mean, std : Tensor, float32, broadcastable to one input
        What the inputs were normalized with; 0 and 1 where they were not.
    """

    inputs: Tensor
    targets: Tensor
    clean_targets: Tensor
    validation: Split | None
    task: Task
    mean: Tensor
    std: Tensor

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class TrainingChoice:
    """Which examples a fit is trained on, and what they are normalized with; nothing is copied yet.

    Attributes
    ----------
    whole : Split
        The training split as the data set returned it.
    noisy_targets : Tensor
        Those of the whole split as trained on.
    rows : Tensor of int64
        The places of the training examples in it.
    held_out : Tensor of int64
        The places of those of the validation set, which may be none.
    task : Task
    mean, std : Tensor, float32, broadcastable to one input
    """

    whole: Split
    noisy_targets: Tensor
    rows: Tensor
    held_out: Tensor
    task: Task
    mean: Tensor
    std: Tensor

    def loaded(self) -> TrainingData:
        """The training set as floats."""
        return TrainingData(
            inputs=normalized(self.whole.inputs[self.rows], self.mean, self.std),
            targets=self.noisy_targets[self.rows],
            clean_targets=self.whole.targets[self.rows],
            validation=self.validation(),
            task=self.task,
            mean=self.mean,
            std=self.std,
        )

    def validation(self) -> Split | None:
        """The validation set as floats, where there is one."""
        if not len(self.held_out):
            return None
        inputs = normalized(self.whole.inputs[self.held_out], self.mean, self.std)
        return Split(inputs, self.noisy_targets[self.held_out])


def load_training(prepared: PreparedData, **chosen: Any) -> TrainingData:
    """The training set of one seed, by the parameters of `choose_training`."""
    return choose_training(prepared, **chosen).loaded()


def choose_training(
    prepared: PreparedData,
    *,
    seed_index: int,
    train_size: int | None = None,
    validation_size: int = 0,
    label_noise: float = 0.0,
    label_noise_kind: NoiseKind = "other",
    normalize: bool = True,
) -> TrainingChoice:
    """Choose the training set of one seed; the test split is not opened.

    Parameters
    ----------
    prepared : PreparedData
    seed_index : int
        The seed index of the trial; the streams ``subset`` and ``noise`` depend on it.
    train_size, validation_size, normalize
        See `genbench.base.data.SplitSettings`.
    label_noise : float
        Expected share of the labels that are replaced.
    label_noise_kind : {"other", "uniform", "permuted"}
        By what; see `genbench.base.constraints.NoiseKind`.

    Raises
    ------
    InvalidInput
        There are fewer examples than asked for, or label noise is asked for in regression.
    """
    examples = prepared.examples["train"]
    size = _training_size(prepared, train_size, validation_size)
    whole = read_split(prepared, "train")
    held_out = _order(prepared, 0)[examples - validation_size :]
    order = _order(prepared, seed_index)
    chosen = torch.from_numpy(order[~np.isin(order, held_out)][:size])
    targets = _with_noise(whole.targets, label_noise, label_noise_kind, seed_index, prepared)
    raw = whole.inputs[chosen]
    mean, std = _statistics(raw) if normalize else _identity(raw)
    return TrainingChoice(whole, targets, chosen, torch.from_numpy(held_out), prepared.task, mean, std)


def load_test(prepared: PreparedData, *, mean: Tensor, std: Tensor, test_size: int | None = None) -> Split:
    """The test split, normalized with the numbers of a training set; its labels are never noisy.

    Parameters
    ----------
    mean, std : Tensor
        `TrainingData.mean` and `TrainingData.std`.
    test_size : int, optional
        Take a subset, nested in larger ones and the same for every seed.
    """
    whole, rows = choose_test(prepared, test_size)
    if rows is None:
        return Split(normalized(whole.inputs, mean, std), whole.targets.clone())
    return Split(normalized(whole.inputs[rows], mean, std), whole.targets[rows])


def choose_test(prepared: PreparedData, test_size: int | None) -> tuple[Split, Tensor | None]:
    """The test split as the data set returned it, and the places of the examples chosen; None for all."""
    whole = read_split(prepared, "test")
    if test_size is None:
        return whole, None
    _check_test_size(prepared, test_size)
    order = permutation(stream_seed("subset", 0, prepared.stream_key, "test"), prepared.examples["test"])
    return whole, torch.from_numpy(order[:test_size])


def placed(inputs: Tensor, device: torch.device) -> Tensor:
    """Inputs on a device, pictures there as its convolutions read them."""
    layout = torch.channels_last if inputs.dim() == 4 and device.type == "cuda" else torch.preserve_format
    return inputs.to(device, memory_format=layout)


def split_on_device(split: Split, device: torch.device) -> Split:
    """A split whose examples are on a device."""
    return Split(placed(split.inputs, device), split.targets.to(device))


def on_device(data: TrainingData, device: torch.device) -> TrainingData:
    """A training set whose examples are on a device; what it was normalized with stays."""
    held_out = data.validation
    return replace(
        data,
        inputs=placed(data.inputs, device),
        targets=data.targets.to(device),
        clean_targets=data.clean_targets.to(device),
        validation=held_out and split_on_device(held_out, device),
    )


def check_sizes(
    prepared: PreparedData, *, train_size: int | None, validation_size: int, test_size: int | None
) -> None:
    """Find before anything trains what `load_training` and `load_test` would refuse.

    Raises
    ------
    InvalidInput
        A split has fewer examples than asked for.
    """
    _training_size(prepared, train_size, validation_size)
    _check_test_size(prepared, test_size)


def _order(prepared: PreparedData, seed_index: int) -> np.ndarray:
    """The training split in the order in which a seed takes examples."""
    return permutation(stream_seed("subset", seed_index, prepared.stream_key), prepared.examples["train"])


def _training_size(prepared: PreparedData, train_size: int | None, validation_size: int) -> int:
    examples = prepared.examples["train"]
    size = examples - validation_size if train_size is None else train_size
    if size < 1 or size + validation_size > examples:
        raise InvalidInput(
            f"dataset '{prepared.name}': the training split has {examples} examples, "
            f"too few for train_size {train_size or 'all'} and validation_size {validation_size}"
        )
    return size


def _check_test_size(prepared: PreparedData, test_size: int | None) -> None:
    examples = prepared.examples["test"]
    if test_size is not None and not 1 <= test_size <= examples:
        raise InvalidInput(
            f"dataset '{prepared.name}': the test split has {examples} examples, test_size is {test_size}"
        )


def _with_noise(
    targets: Tensor, rate: float, kind: NoiseKind, seed_index: int, prepared: PreparedData
) -> Tensor:
    """Replace each label where its own uniform number is below `rate`; both draws belong to the example."""
    if rate == 0:
        return targets
    classes = prepared.task.outputs
    if prepared.task.kind != "classification" or classes < 2:
        raise InvalidInput(
            f"dataset '{prepared.name}': label noise needs a classification task of two classes or more"
        )
    drawn = uniforms(stream_seed("noise", seed_index, prepared.stream_key), len(targets), columns=2)
    return corrupted(targets, classes, rate, kind, drawn)


def _statistics(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation for each channel (images) or each feature (last axis of all else).

    Whatever does not vary keeps its scale. The sums are those of NumPy, in float64, or of whole numbers: the
    same bits with any number of threads.
    """
    channels = 1 if inputs.ndim == 4 else inputs.ndim - 1
    values = inputs.movedim(channels, 0).flatten(1)
    if inputs.dtype == torch.uint8:
        counts = torch.stack([torch.bincount(channel, minlength=256) for channel in values]).numpy()
        levels = np.arange(256)
        total, squares, number = counts @ levels, counts @ levels**2, counts.sum(1)
        mean = total / number / 255
        std = np.sqrt(number * squares - total * total) / number / 255
    else:
        rows = values.double().numpy()
        mean, std = rows.mean(1), rows.std(1)
    std = np.where(std > 0, std, 1.0)
    return _shaped(inputs, mean), _shaped(inputs, std)


def _identity(inputs: Tensor) -> tuple[Tensor, Tensor]:
    count = inputs.shape[1] if inputs.ndim == 4 else inputs.shape[-1]
    return _shaped(inputs, np.zeros(count)), _shaped(inputs, np.ones(count))


def _shaped(inputs: Tensor, values: np.ndarray) -> Tensor:
    """One number for each channel in the shape that broadcasts to one input."""
    tensor = torch.from_numpy(values).float()
    return tensor[:, None, None] if inputs.ndim == 4 else tensor
