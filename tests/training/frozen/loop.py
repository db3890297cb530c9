"""The training loop as it was before members, kept as what they are compared with, bit by bit.

Nobody mends it: a difference is a difference of the members.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from training.frozen.composition import Composition

from genbench.base.data import Split, Task
from genbench.base.values import StopReason
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer, Training
from genbench.networks.ambient import ordinary_torch, with_own_inputs
from genbench.training.augmentation import draw
from genbench.training.batches import batch_sizes, batches
from genbench.training.determinism import cuda_algorithms, global_stream
from genbench.training.evaluation import evaluate
from genbench.training.optimizer import LearningRates, make_optimizer
from genbench.training.outcome import MILESTONES, Outcome
from genbench.training.pretraining import pretraining_labels, pretraining_protocol, pretraining_seeds
from genbench.training.recording import (
    ClosestKeeper,
    HistoryKeeper,
    MilestoneKeeper,
    SnapshotKeeper,
    WalkKeeper,
    cpu_state,
)

__all__ = ["train"]


@ordinary_torch()
def train(
    model: nn.Module,
    task: Task,
    inputs: Tensor,
    targets: Tensor,
    clean_targets: Tensor,
    protocol: Protocol,
    regularizers: Sequence[Regularizer],
    seeds: Mapping[str, int],
    *,
    device: torch.device | str,
    validation: Split | None = None,
    max_seconds: float | None = None,
    snapshots: int = 0,
    trajectory: int = 0,
    milestones: bool = True,
    on_epoch: Callable[[Mapping[str, float | None]], object] | None = None,
) -> Outcome:
    """Train a network in place as its protocol and regularizers say.

    The same arguments give the same bits: on the CPU for one number of threads, on CUDA unless the protocol
    gives up determinism. Torch's global random state is left as it was.

    Parameters
    ----------
    model : Module
        From `build_network`. It is moved to `device` and left there, in evaluation mode.
    task : Task
    inputs : Tensor, shape (n, *task.input_shape)
        Floating point, as the network reads them.
    targets : Tensor, shape (n,) int64, or (n, outputs) float32 in regression
        The labels to train on, noise included.
    clean_targets : Tensor, same shape
        The labels before noise.
    protocol : Protocol
    regularizers : sequence of Regularizer
        The first one is outermost.
    seeds : mapping from stream to int
        Of the streams ``order``, ``augmentation``, ``dropout`` and ``regularizer``, and ``noise`` where the
        protocol pretrains.
    device : torch.device or str
    validation : Split, optional
        Held out of the training split, for regularizers that look at it; never trained on.
    max_seconds : float, optional
        Looked at between steps; beyond it training ends with `StopReason.TIMEOUT`.
    snapshots : int
        Keep at most this many evenly spaced states, and those at the ends of the first epoch and the last.
    trajectory : int
        Record the length of every step, and the distances between this many of the last weights.
    milestones : bool
        Keep the states at the thresholds `MILESTONES`.
    on_epoch : callable, optional
        Called with each new row of the history, the first one included.

    Returns
    -------
    Outcome

    Raises
    ------
    InvalidInput
        The regularizers do not go together or with this network, or the augmentation not with these inputs.
    """
    device = torch.device(device)
    inputs, targets, model = inputs.to(device), targets.to(device), model.to(device)
    if device.type == "cuda" and inputs.dim() == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        model = model.to(memory_format=torch.channels_last)
    history = HistoryKeeper(on_epoch)
    milestone_keeper = MilestoneKeeper(model, MILESTONES if milestones else ())
    snapshot_keeper = SnapshotKeeper(model, snapshots)
    walk_keeper = WalkKeeper(model, trajectory)
    initial_state = cpu_state(model)
    deadline = time.monotonic() + (math.inf if max_seconds is None else max_seconds)
    if protocol.pretrain_epochs:
        labels = pretraining_labels(targets, task, protocol, seeds)
        train(
            model, task, inputs, labels, labels, pretraining_protocol(protocol), (), pretraining_seeds(seeds),
            device=device, max_seconds=max_seconds, milestones=False,
        )  # fmt: skip
    training = Training(
        model=model, task=task, inputs=inputs, targets=targets, protocol=protocol, device=device,
        steps_per_epoch=len(batch_sizes(len(targets), protocol.batch_size)),
        generator=torch.Generator(device), validation=_on_device(validation, device),
    )  # fmt: skip
    compiled = torch.compile(model, dynamic=False) if protocol.compile else None
    with (
        cuda_algorithms(device, protocol.deterministic, protocol.precision),
        global_stream(device, seeds["dropout"]),
        # Before regularizers look at the network: each of its passes may see the same batch.
        with_own_inputs(model),
        Composition(regularizers, seeds["regularizer"], training, compiled) as composition,
    ):
        loop = _Loop(
            training, composition, regularizers, seeds, history, milestone_keeper, snapshot_keeper,
            walk_keeper,
        )  # fmt: skip
        stop_reason, stop_note = loop.run(deadline)
        snapshot_keeper.pin(loop.index)
        loop.finish(stop_reason)

    clean_targets = clean_targets.to(device)
    if torch.equal(clean_targets, targets):
        train_error_clean = loop.train_error
    else:
        _, train_error_clean = evaluate(model, inputs, clean_targets, task, device=device)
    return Outcome(
        history=history.columns,
        stop_reason=stop_reason,
        stop_note=stop_note,
        steps=loop.index,
        epochs=loop.epoch,
        initial_state=initial_state,
        final_state=cpu_state(model),
        milestones=tuple(milestone_keeper.kept),
        snapshots=tuple(snapshot_keeper.kept.items()),
        walk=walk_keeper.walk(),
        train_loss=loop.train_loss,
        train_error=loop.train_error,
        train_error_clean=train_error_clean,
    )


def _on_device(split: Split | None, device: torch.device) -> Split | None:
    return split and Split(split.inputs.to(device), split.targets.to(device))


class _Loop:
    """The state of one training between its steps: where it is and what it draws from.

    Attributes
    ----------
    index : int
        Updates made.
    epoch : int
        Whole epochs trained.
    train_loss, train_error : float
        Of the present weights.
    """

    def __init__(
        self,
        training: Training,
        composition: Composition,
        regularizers: Sequence[Regularizer],
        seeds: Mapping[str, int],
        history: HistoryKeeper,
        milestones: MilestoneKeeper,
        snapshots: SnapshotKeeper,
        walk: WalkKeeper,
    ):
        self._training = training
        self._composition = composition
        self._history = history
        self._milestones = milestones
        self._snapshots = snapshots
        self._walk = walk
        protocol = training.protocol
        self._closest = ClosestKeeper(
            training.model, protocol.target_loss if protocol.target_rule == "closest" else None
        )
        self._order_stream = torch.Generator().manual_seed(seeds["order"])
        self._augmentation_stream = torch.Generator().manual_seed(seeds["augmentation"])
        self._optimizer = make_optimizer(training.model, training.protocol, regularizers)
        self._rates = LearningRates(self._optimizer, training.protocol, training.steps_per_epoch)
        self._last_step = training.protocol.max_epochs * training.steps_per_epoch
        self.index = 0
        self.epoch = 0
        self.train_loss = self.train_error = math.nan

    def run(self, deadline: float) -> tuple[StopReason, str]:
        """Train until there is a reason to stop; return it with its note."""
        self._snapshots.offer(0)
        self._walk.offer()
        self._record(None)
        while True:
            first = self.index
            self._training.model.train()
            stop, loss_sum = self._run_epoch(deadline)
            self._training.model.eval()
            batch_loss = float(loss_sum) / (self.index - first) if self.index > first else None
            self._record(batch_loss)
            if stop is not None:
                return stop
            self.epoch += 1
            if self.epoch == 1:
                self._snapshots.pin(self.index)
            self._closest.offer(self.epoch, self.train_loss)
            if stop := self._stop_after_epoch(batch_loss):
                return stop

    def _run_epoch(self, deadline: float) -> tuple[tuple[StopReason, str] | None, float | Tensor]:
        """Train for one epoch; return why it ended early, if so, and the sum of the batches' losses."""
        on_cpu = self._training.device.type == "cpu"
        clip = self._training.protocol.gradient_clip
        parameters = [each for group in self._optimizer.param_groups for each in group["params"]]
        # On CUDA it becomes a tensor: asking for its value would make every step wait for the device.
        loss_sum: float | Tensor = 0.0
        for inputs, targets in self._epoch_batches():
            if time.monotonic() >= deadline:
                return (StopReason.TIMEOUT, ""), loss_sum
            if self._rates.changing:
                self._rates.set(self.index)
            progress = self.index / self._last_step
            loss = self._composition.gradient(inputs, targets, self.epoch, self.index, progress)
            if on_cpu:
                loss = float(loss)
                if not math.isfinite(loss):
                    return (StopReason.DIVERGED, "the loss of a batch was not finite"), loss_sum
            if clip is not None:
                nn.utils.clip_grad_norm_(parameters, clip)
            self._optimizer.step()
            self._composition.after_update()
            self.index += 1
            loss_sum = loss_sum + loss
            self._snapshots.offer(self.index)
            self._walk.offer()
        return None, loss_sum

    def _epoch_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        training, protocol = self._training, self._training.protocol
        examples = len(training.targets)
        order = torch.randperm(examples, generator=self._order_stream).to(training.device)
        draws = draw(
            protocol.augmentation, examples, training.task.input_shape, self._augmentation_stream,
            training.device,
        )  # fmt: skip
        sizes = batch_sizes(examples, protocol.batch_size)
        return batches(training.inputs, training.targets, order, sizes, draws)

    def finish(self, stop_reason: StopReason) -> None:
        """Put the weights back that were closest to the target, where these are wanted, and let the
        regularizers have the last word; what is put in place is evaluated."""
        ended = stop_reason in (StopReason.TARGET, StopReason.MAX_EPOCHS)
        closest = self._closest.state if ended else None
        if closest is not None:
            self._training.model.load_state_dict(closest)
        if self._composition.finish(*self._place(), self._history.columns) or closest is not None:
            self._evaluate()

    def _place(self) -> tuple[int, int, float]:
        return self.epoch, self.index, self.index / self._last_step

    def _evaluate(self) -> None:
        training = self._training
        self.train_loss, self.train_error = evaluate(
            training.model, training.inputs, training.targets, training.task, device=training.device
        )

    def _record(self, batch_loss: float | None) -> None:
        """Evaluate the training set and add a row to the history."""
        training = self._training
        self._evaluate()
        self._milestones.offer(self.index, self.train_loss)
        self._history.add(
            epoch=self.index / training.steps_per_epoch, step=self.index, train_loss=self.train_loss,
            train_error=self.train_error, batch_loss=batch_loss, learning_rate=self._rates.base,
        )  # fmt: skip

    def _stop_after_epoch(self, batch_loss: float | None) -> tuple[StopReason, str] | None:
        protocol = self._training.protocol
        if not math.isfinite(self.train_loss) or not math.isfinite(batch_loss or 0.0):
            return StopReason.DIVERGED, "the training loss was not finite"
        request = self._composition.after_epoch(*self._place(), self._history.columns)
        reached = protocol.target_loss is not None and self.train_loss <= protocol.target_loss
        if reached and protocol.target_rule == "reached":
            return StopReason.TARGET, ""
        if request:
            return StopReason.REQUESTED, request
        if self.epoch == protocol.max_epochs:
            return self._after_all_epochs()
        return None

    def _after_all_epochs(self) -> tuple[StopReason, str]:
        target = self._training.protocol.target_loss
        if target is None or self._closest.state is None:
            return StopReason.MAX_EPOCHS, ""
        reached = any(loss is not None and loss <= target for loss in self._history.columns["train_loss"])
        return (
            StopReason.TARGET if reached else StopReason.MAX_EPOCHS,
            f"the weights are those after epoch {self._closest.epoch}",
        )
