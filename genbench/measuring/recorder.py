"""What measures want of a training, recorded in a loop of the user's own; and the same for Lightning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from genbench.base.errors import UsageError
from genbench.measuring.examples import read_examples
from genbench.measuring.given import require_network
from genbench.measuring.outcomes import loss_and_error
from genbench.networks.adapting import Selection
from genbench.networks.copying import copy_of
from genbench.networks.walk import Snapshots
from genbench.training.outcome import Milestone
from genbench.training.recording import HistoryKeeper, MilestoneKeeper, SnapshotKeeper, WalkKeeper

__all__ = ["Recorder", "lightning_recorder"]


class Recorder:
    """Records a training for `genbench.evaluate`: the network before it, its history, weights on the way.

    The training itself stays as it is to the bit: nothing is drawn at random, no weight, gradient or mode
    is touched. Each epoch costs one pass over the examples.

    Parameters
    ----------
    model : nn.Module
        As initialized; on it the training goes on.
    inputs, targets
        The training examples without augmentation, as `genbench.evaluate` takes them. A part of them makes
        each epoch cheaper, and the recorded losses those of that part.
    snapshots : int
        How many evenly spaced copies of the weights are kept at most; 0 for none.
    trajectory : int
        Between how many of the last steps distances are known; 0 for none.
    output : str, int or callable, optional
        As in `genbench.evaluate`.

    Attributes
    ----------
    history : dict of list
        Columns ``epoch, step, train_loss, train_error, batch_loss, learning_rate``, a row at initialization
        and one for each epoch.
    milestones : list of Milestone
        Weights at the first epochs with a training loss of 0.1, 0.05 ... 0.01 or less.

    Examples
    --------
    >>> import torch, genbench
    >>> inputs, targets = torch.randn(30, 4), torch.arange(30) % 3
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    >>> optimizer = torch.optim.SGD(model.parameters(), 0.1)
    >>> recorder = genbench.Recorder(model, inputs, targets)
    >>> for epoch in range(3):
    ...     for part in torch.randperm(30).split(10):
    ...         loss = torch.nn.functional.cross_entropy(model(inputs[part]), targets[part])
    ...         optimizer.zero_grad()
    ...         loss.backward()
    ...         optimizer.step()
    ...         recorder.step(loss, optimizer)
    ...     recorder.epoch()
    >>> measures = ["fro_dist", "traj_length"]
    >>> values = genbench.evaluate(model, inputs, targets, **recorder.roots(), measures=measures)
    >>> [str(each.status) for each in values.values()]
    ['ok', 'ok']
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Any,
        targets: Any = None,
        *,
        snapshots: int = 16,
        trajectory: int = 100,
        output: Selection | None = None,
    ):
        require_network("model", model)
        self._model, self._output = model, output
        self._examples = read_examples(inputs, targets)
        self._initial = copy_of(model)
        self._history = HistoryKeeper()
        self._milestones = MilestoneKeeper(model)
        self._snapshots, self._walk = SnapshotKeeper(model, snapshots), WalkKeeper(model, trajectory)
        self._step = self._epoch = self._begun = 0
        self._losses: Tensor | float = 0.0
        self._rate: float | None = None
        self._snapshots.offer(0)
        self._walk.offer()
        self._record(None)

    @property
    def history(self) -> Mapping[str, list[float | None]]:
        """The columns recorded so far."""
        return self._history.columns

    @property
    def milestones(self) -> list[Milestone]:
        """Those that have been reached."""
        return self._milestones.kept

    def step(
        self, loss: Tensor | float | None = None, optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        """The optimizer has made a step.

        Parameters
        ----------
        loss : Tensor or float, optional
            Of the batch.
        optimizer : Optimizer, optional
            Whose learning rate is recorded, that of its first group.
        """
        self._step += 1
        if loss is not None:
            # Asked for its value once an epoch, so that no step waits for the device.
            self._losses = self._losses + (loss.detach() if isinstance(loss, Tensor) else loss)
        if optimizer is not None:
            self._rate = float(optimizer.param_groups[0]["lr"])
        self._snapshots.offer(self._step)
        self._walk.offer()

    def epoch(self) -> None:
        """An epoch has ended."""
        self._epoch += 1
        if self._epoch == 1:
            self._snapshots.pin(self._step)
        steps = self._step - self._begun
        self._record(float(self._losses) / steps if steps else None)
        self._begun, self._losses = self._step, 0.0

    def roots(self) -> dict[str, Any]:
        """Arguments of `genbench.evaluate`: ``initial_model``, ``history``, and ``snapshots`` where kept."""
        found: dict[str, Any] = {"initial_model": self._initial, "history": self.history}
        if self._snapshots.kept:
            found["snapshots"] = Snapshots(self._snapshots.kept.items(), self._walk.walk())
        return found

    def _record(self, batch_loss: float | None) -> None:
        loss, error = loss_and_error(self._model, self._examples, self._output)
        self._milestones.offer(self._step, loss)
        self._history.add(
            epoch=self._epoch, step=self._step, train_loss=loss, train_error=error, batch_loss=batch_loss,
            learning_rate=self._rate,
        )  # fmt: skip


def lightning_recorder(inputs: Any, targets: Any = None, *, network: str = "", **settings: Any) -> Any:
    """A callback for a Lightning ``Trainer`` that has a `Recorder`.

    Parameters
    ----------
    inputs, targets, settings
        As `Recorder` takes them.
    network : str
        Name of the network within the LightningModule; the module itself where left out.

    Returns
    -------
    Callback
        Behind ``trainer.fit`` its ``recorder`` has the training.

    Raises
    ------
    UsageError
        Lightning is not installed, or the module has no network of that name.
    """
    callback = _lightning().Callback

    class RecorderCallback(callback):  # type: ignore[misc, valid-type]
        """Tells a `Recorder` of each step and each epoch."""

        recorder: Recorder

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            try:
                model = pl_module.get_submodule(network)
            except AttributeError as fault:
                raise UsageError(f"network: {fault}") from None
            self.recorder = Recorder(model, inputs, targets, **settings)
            self._steps = trainer.global_step

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            if trainer.global_step == self._steps:  # gradients are gathered over several batches
                return
            self._steps = trainer.global_step
            loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
            self.recorder.step(loss, trainer.optimizers[0])

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            self.recorder.epoch()

    return RecorderCallback()


def _lightning() -> Any:
    """Lightning under either of its names; the one that is imported already counts."""
    import importlib
    import sys

    names = ("lightning.pytorch", "pytorch_lightning")
    for name in sorted(names, key=lambda each: each not in sys.modules):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise UsageError("Lightning is not installed: pip install lightning")
