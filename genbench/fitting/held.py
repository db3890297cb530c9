"""The examples that the trainings of a process have in common: read once, and once on the device."""

from __future__ import annotations

import collections
import weakref
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from genbench.base.canonical import canonical_json
from genbench.base.data import Split
from genbench.fitting import splits
from genbench.fitting.building import BuiltTrial
from genbench.training.pixels import Inputs, Pixels

__all__ = ["Held", "SharedData"]


@dataclass(frozen=True)
class Held:
    """A training set and the test split beside it, on the device.

    Attributes
    ----------
    inputs, test_inputs : Tensor or Pixels
    targets, clean_targets, test_targets : Tensor
    validation : Split or None
        Floats, since regularizers look at it.
    """

    inputs: Inputs
    targets: Tensor
    clean_targets: Tensor
    validation: Split | None
    test_inputs: Inputs
    test_targets: Tensor


class SharedData:
    """Examples that trials of one process have in common: read once, and once on the device.

    Pictures of eight bits are held as `Pixels` on CUDA, where all training sets of a data set share one copy
    of it. Whatever a data set returns as floats stays floats: they are no function of few levels. On other
    devices, which have one training at a time, floats that are made once cost less than those of each batch.

    Parameters
    ----------
    root : Path or None
        The user's data folder.
    device : torch.device
    most : int
        Training sets held; the one that was not asked for longest goes first.
    """

    def __init__(self, root: Path | None, device: torch.device, most: int = 4):
        self._root, self._device, self._most = root, device, most
        self._held: collections.OrderedDict[str, Held] = collections.OrderedDict()
        # Of a whole split, for as long as a training set of it is held.
        self._wholes: weakref.WeakValueDictionary[Path, Tensor] = weakref.WeakValueDictionary()

    def of(self, built: BuiltTrial) -> Held:
        """The examples of a trial."""
        trial, protocol = built.trial, built.protocol
        noise = [protocol.label_noise, protocol.label_noise_kind]
        name = canonical_json(
            [trial.dataset.name, dict(trial.dataset.settings), trial.checksum, dict(trial.splits), noise,
             trial.data_seed]
        )  # fmt: skip
        if name not in self._held:
            while len(self._held) >= self._most:
                self._held.popitem(last=False)
            self._held[name] = self._read(built)
        self._held.move_to_end(name)
        return self._held[name]

    def _read(self, built: BuiltTrial) -> Held:
        prepared, chosen = built.training_choice(self._root, opened=("train", "test"))
        test_size = built.trial.splits["test_size"]
        if keeps_bytes(self._device) and chosen.whole.inputs.dtype == torch.uint8:
            return self._as_bytes(prepared, chosen, test_size)
        data = chosen.loaded()
        test = splits.load_test(prepared, mean=data.mean, std=data.std, test_size=test_size)
        if self._device.type != "cpu":
            data = splits.on_device(data, self._device)
            test = splits.split_on_device(test, self._device)
        return Held(data.inputs, data.targets, data.clean_targets, data.validation, test.inputs, test.targets)

    def _as_bytes(
        self, prepared: splits.PreparedData, chosen: splits.TrainingChoice, test_size: int | None
    ) -> Held:
        whole_test, tested = splits.choose_test(prepared, test_size)
        if tested is None:
            tested = torch.arange(len(whole_test))
        held_out, device = chosen.validation(), self._device

        def pixels(split: splits.SplitName, whole: Split, rows: Tensor) -> Pixels:
            path = prepared.path(split)
            there = self._wholes.get(path)
            if there is None:
                there = self._wholes[path] = splits.placed(whole.inputs, device)
            return Pixels(whole.inputs, rows, chosen.mean, chosen.std).to(device, there)

        return Held(
            inputs=pixels("train", chosen.whole, chosen.rows),
            targets=chosen.noisy_targets[chosen.rows].to(device),
            clean_targets=chosen.whole.targets[chosen.rows].to(device),
            validation=held_out and splits.split_on_device(held_out, device),
            test_inputs=pixels("test", whole_test, tested),
            test_targets=whole_test.targets[tested].to(device),
        )


def keeps_bytes(device: torch.device) -> bool:
    """Whether pictures of eight bits are held as bytes there."""
    return device.type == "cuda"
