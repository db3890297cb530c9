"""Laws of a data set: two disjoint splits of the types that training reads, the same every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from genbench.base.data import Data, Split
from genbench.base.errors import GenbenchError, first_line
from genbench.contract.components import Kind
from genbench.testing.laws import Broken, Laws, leave_out
from genbench.testing.witness import leaves_streams

__all__ = ["DatasetLaws"]


class DatasetLaws(Laws):
    """Laws of a data set.

    Attributes
    ----------
    root : path, optional
        The folder with its files. Without it, and where they are absent, the laws are left out.
    shared_examples : float
        Largest share of the test examples that may be training examples too, as happens in collected data.
    """

    kind = Kind.DATASET
    root: ClassVar[Path | str | None] = None
    shared_examples: ClassVar[float] = 0.01

    def load(self) -> Any:
        """What the component returns."""
        return self.subject.object(None if self.root is None else Path(self.root), **self.chosen)

    @property
    def data(self) -> Data:
        """What it returns, loaded once."""
        return self.once("data", self._loaded)

    def _loaded(self) -> Data:
        try:
            found = self.load()
        except GenbenchError as why:
            leave_out(f"its data are not here: {first_line(why)}")
        if not isinstance(found, Data):
            raise Broken(
                f"it returns a {type(found).__name__}, not genbench.Data(train, test, task, checksum)"
            )
        return found

    def splits(self) -> list[tuple[str, Split]]:
        """Both splits by name."""
        return [("train", self.data.train), ("test", self.data.test)]

    def test_it_returns_data(self) -> None:
        """It returns `genbench.Data` with two splits that have examples, as many inputs as targets."""
        for name, split in self.splits():
            if not len(split.targets) or len(split.inputs) != len(split.targets):
                raise Broken(f"{name}: {len(split.inputs)} inputs and {len(split.targets)} targets")

    def test_shapes_are_those_of_the_task(self) -> None:
        """Inputs have `task.input_shape`; targets are one class, or `task.outputs` numbers, an example."""
        task = self.data.task
        for name, split in self.splits():
            if tuple(split.inputs.shape[1:]) != tuple(task.input_shape):
                raise Broken(
                    f"{name}: inputs of shape {tuple(split.inputs.shape[1:])}, not {task.input_shape}"
                )
            wanted = (
                (len(split.inputs),) if task.kind == "classification" else (len(split.inputs), task.outputs)
            )
            if tuple(split.targets.shape) != wanted:
                raise Broken(f"{name}: targets of shape {tuple(split.targets.shape)}, not {wanted}")

    def test_types_are_those_that_training_reads(self) -> None:
        """Inputs are uint8 pixels or float32; targets int64 classes or float32 numbers."""
        wanted = torch.int64 if self.data.task.kind == "classification" else torch.float32
        for name, split in self.splits():
            for what, tensor in (("inputs", split.inputs), ("targets", split.targets)):
                if not isinstance(tensor, Tensor):
                    raise Broken(f"{name}: {what} are a {type(tensor).__name__}, not a torch tensor")
            if split.inputs.dtype not in (torch.uint8, torch.float32):
                raise Broken(f"{name}: inputs are {split.inputs.dtype}, not uint8 or float32")
            if split.targets.dtype != wanted:
                raise Broken(f"{name}: targets are {split.targets.dtype}, not {wanted}")

    def test_numbers_are_finite(self) -> None:
        """No input and no target is infinite or NaN."""
        for name, split in self.splits():
            for what, tensor in (("inputs", split.inputs), ("targets", split.targets)):
                if not torch.as_tensor(tensor).isfinite().all():
                    raise Broken(f"{name}: {what} hold a number that is not finite")

    def test_classes_are_counted_from_zero(self) -> None:
        """Classes are 0 to `task.outputs` − 1, and each has a training example."""
        task = self.data.task
        if task.kind != "classification":
            leave_out("there are no classes in regression")
        for name, split in self.splits():
            low, high = int(split.targets.min()), int(split.targets.max())
            if low < 0 or high >= task.outputs:
                raise Broken(f"{name}: classes from {low} to {high}, where the task has {task.outputs}")
        missing = set(range(task.outputs)) - set(self.data.train.targets.tolist())
        if missing:
            raise Broken(f"no training example has class {min(missing)}")

    def test_splits_are_disjoint(self) -> None:
        """No example is in both splits, but for a share of at most `shared_examples`."""
        train, test = frozenset(_rows(self.data.train)), _rows(self.data.test)
        shared = sum(each in train for each in test) / len(test)
        if shared > self.shared_examples:
            raise Broken(f"{100 * shared:.0f} % of the test examples are training examples")

    def test_it_is_the_same_every_time(self) -> None:
        """Loaded again, with other global seeds, it is the same to the last bit, and so is its checksum."""
        first = self.data
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(12345)
            np.random.seed(12345)  # noqa: NPY002 - the global stream is what it must not depend on
            again = self.load()
        for (name, one), other in zip(self.splits(), (again.train, again.test), strict=True):
            if not torch.equal(one.inputs, other.inputs) or not torch.equal(one.targets, other.targets):
                raise Broken(f"{name}: other numbers the second time; seed what is drawn")
        if first.checksum != again.checksum:
            raise Broken("the checksum is another one the second time")

    def test_global_random_streams_are_left_alone(self) -> None:
        """Loading draws from no global random stream."""
        self.once("data", self._loaded)
        if not leaves_streams(self.load):
            raise Broken("it draws from a global random stream; use a generator of its own")

    def test_what_is_declared_is_true(self) -> None:
        """The checksum, the task and the number of examples are those that it declares."""
        declared, data = self.subject.declared, self.data
        if not (isinstance(data.checksum, str) and data.checksum):
            raise Broken("it has no checksum: the key of every fit has it")
        if declared.checksum is not None and declared.checksum != data.checksum:
            raise Broken(f"it declares the checksum {declared.checksum}, and has {data.checksum}")
        task = declared.task(**self.chosen) if callable(declared.task) else declared.task
        if task is not None and task != data.task:
            raise Broken(f"it declares {task}, and has {data.task}")
        examples = declared.examples(**self.chosen) if callable(declared.examples) else declared.examples
        if examples is not None and examples != len(data.train):
            raise Broken(f"it declares {examples} training examples, and has {len(data.train)}")


def _rows(split: Split) -> list[bytes]:
    """Each example, its target included, as bytes."""
    inputs = split.inputs.flatten(1).contiguous().numpy()
    targets = split.targets.contiguous().numpy()
    return [inputs[place].tobytes() + targets[place].tobytes() for place in range(len(inputs))]
