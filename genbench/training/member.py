"""One training as a member of a company: a state machine that shares the device, and no bit, with others."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum, auto

import torch
from torch import Tensor, nn

from genbench.base.data import Split, Task
from genbench.contract.protocol import Protocol
from genbench.contract.regularizer import Regularizer
from genbench.training.batches import batch_sizes
from genbench.training.cuda_graphs import CudaCapture
from genbench.training.determinism import GlobalStream, cuda_algorithms
from genbench.training.device_steps import Capture, DeviceSteps
from genbench.training.evaluation import evaluate
from genbench.training.outcome import MILESTONES, Outcome
from genbench.training.phase import Keepers, Phase
from genbench.training.pixels import HeldTraining, Inputs, in_channels_last
from genbench.training.pretraining import pretraining_labels, pretraining_protocol, pretraining_seeds
from genbench.training.recording import (
    HistoryKeeper,
    MilestoneKeeper,
    SnapshotKeeper,
    WalkKeeper,
    cpu_state,
)
from genbench.training.steps import Mover, PlainSteps, Steps

__all__ = ["Assignment", "Member", "Stage"]


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What one training is given; see `genbench.training.loop.train`.

    Attributes
    ----------
    capturable : bool, str or None
        What the model component declares, as `Regularizer.capturable` does for regularizers.
    """

    model: nn.Module
    task: Task
    inputs: Inputs
    targets: Tensor
    clean_targets: Tensor
    protocol: Protocol
    regularizers: Sequence[Regularizer]
    seeds: Mapping[str, int]
    validation: Split | None = None
    max_seconds: float | None = None
    snapshots: int = 0
    trajectory: int = 0
    milestones: bool = True
    on_epoch: Callable[[Mapping[str, float | None]], object] | None = None
    capturable: bool | str | None = None


PARTS_AHEAD = 2
"""So many parts of steps a member may be ahead of the device: enough to keep it busy, few enough to stop in
time and to let others have their turn."""


class Stage(Enum):
    """What a member does next."""

    STEP = auto()
    JUDGE = auto()
    OVER = auto()


class Member:
    """A training that is done in small parts, between which others may do theirs.

    `advance` does the next part. All that it draws at random belongs to it, and so does what it puts on the
    network until `close`; hence company changes no bit. Torch's global random state is left as it was.

    Parameters
    ----------
    given : Assignment
        The network is moved to `device` and left there.
    device : torch.device
    capture : callable, optional
        Captures the steps; CUDA graphs where left out on CUDA. On the CPU steps are calls without it.
    why_eager : str
        Why steps are not to be captured; empty where they may be.
    make_steps : callable, optional
        Makes the steps; those of the device where left out.

    Attributes
    ----------
    given : Assignment
    stage : Stage
        Where it is `Stage.OVER`, `outcome` may be asked for.

    Raises
    ------
    InvalidInput
        The regularizers do not go together or with this network, or the augmentation not with these inputs.
    """

    def __init__(
        self, given: Assignment, device: torch.device, *, capture: Capture | None = None, why_eager: str = "",
        make_steps: Callable[[Mover], Steps] | None = None,
    ):  # fmt: skip
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        self.given = given
        self._device = device
        self._why_eager = why_eager
        self._make_steps = make_steps
        self._stream = _new_stream(device)
        self._capture = capture
        self._marks: deque[torch.cuda.Event] = deque()
        self._global_stream = GlobalStream(device, given.seeds["dropout"])
        self._deadline = math.inf
        with self.turn():
            self._take_in()
            if given.max_seconds is not None:
                self._deadline = time.monotonic() + given.max_seconds
            self._pretrains = given.protocol.pretrain_epochs > 0
            self._phase = self._pretraining() if self._pretrains else self._training()
            self._phase.measure()
        self.stage = Stage.JUDGE

    def advance(self, steps: float = 1) -> int:
        """Do the next part, inside `turn`: so many steps and, where they end an epoch, its evaluation; or
        what follows of that. Returns how many steps were made."""
        made = 0
        if self.stage is Stage.STEP:
            step = self._phase.step
            while made < steps:
                if not step():
                    self.end_epoch()
                    return made
                made += 1
            self._mark()
        elif self._phase.judge():
            self.stage = Stage.STEP
        elif self._pretrains:
            self._pretrains = False
            self._phase.close()
            self._phase = self._training()
            self._phase.measure()
        else:
            self.stage = Stage.OVER
        return made

    def end_epoch(self) -> None:
        """Have the weights measured where they are; `advance` judges what comes out."""
        self._phase.measure()
        self.stage = Stage.JUDGE

    @property
    def phase(self) -> Phase:
        """Where it is."""
        return self._phase

    @property
    def waiting(self) -> bool:
        """Whether `advance` would wait for the device, or run far ahead of it."""
        if self.stage is Stage.JUDGE:
            return not self._phase.measured
        while self._marks and self._marks[0].query():
            self._marks.popleft()
        return len(self._marks) >= PARTS_AHEAD

    @property
    def why_not_captured(self) -> str:
        """Why its steps are calls on a device where others are captured; empty where they are not."""
        return self._phase.steps.why_not_captured

    def outcome(self) -> Outcome:
        """What the training leaves, once it is over; not inside `turn`."""
        phase, keepers = self._phase, self._keepers
        assert phase.stop is not None
        with self.turn():
            phase.finish()
            phase.close()
            return Outcome(
                history=keepers.history.columns,
                stop_reason=phase.stop.reason,
                stop_note=phase.stop.note,
                steps=phase.index,
                epochs=phase.epoch,
                initial_state=self._initial_state,
                final_state=cpu_state(self._model),
                milestones=tuple(keepers.milestones.kept),
                snapshots=tuple(keepers.snapshots.kept.items()),
                walk=keepers.walk.walk(),
                train_loss=phase.train_loss,
                train_error=phase.train_error,
                train_error_clean=self._clean_error(phase.train_error),
            )

    def run(self) -> None:
        """Train until the training is over, with nobody else."""
        with self.turn():
            while self.stage is not Stage.OVER:
                self.advance(math.inf)

    def train(self) -> Outcome:
        """`run`, and the outcome."""
        try:
            self.run()
            return self.outcome()
        finally:
            self.close()

    def close(self) -> None:
        """Take off the network what the training put on it, wherever it is."""
        self._phase.close()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Inside the block torch's settings and its global random streams are this member's."""
        with ExitStack() as settings:
            if self._stream is not None:
                settings.enter_context(torch.cuda.device(self._device))
                settings.enter_context(torch.cuda.stream(self._stream))
            protocol = self.given.protocol
            settings.enter_context(cuda_algorithms(self._device, protocol.deterministic, protocol.precision))
            settings.enter_context(self._global_stream.in_place())
            yield

    def _mark(self) -> None:
        """Note where the device will be when it has done what it was given so far."""
        if self._stream is not None:
            mark = torch.cuda.Event()
            mark.record(self._stream)
            self._marks.append(mark)

    def _take_in(self) -> None:
        """Have network and data on the device, and the keepers ready."""
        given, device = self.given, self._device
        inputs, self._targets = given.inputs.to(device), given.targets.to(device)
        model = given.model.to(device)
        if device.type == "cuda" and len(inputs.shape) == 4:
            inputs = in_channels_last(inputs)
            model = model.to(memory_format=torch.channels_last)
        self._inputs, self._model = inputs, model
        self._keepers = Keepers(
            history=HistoryKeeper(given.on_epoch),
            milestones=MilestoneKeeper(model, MILESTONES if given.milestones else ()),
            snapshots=SnapshotKeeper(model, given.snapshots),
            walk=WalkKeeper(model, given.trajectory),
        )
        self._initial_state = cpu_state(model)

    def _pretraining(self) -> Phase:
        given = self.given
        labels = pretraining_labels(self._targets, given.task, given.protocol, given.seeds)
        keepers = Keepers(
            history=HistoryKeeper(), milestones=MilestoneKeeper(self._model, ()),
            snapshots=SnapshotKeeper(self._model, 0), walk=WalkKeeper(self._model, 0),
        )  # fmt: skip
        return self._opened(
            pretraining_protocol(given.protocol), labels, (), pretraining_seeds(given.seeds), keepers
        )

    def _training(self) -> Phase:
        given = self.given
        return self._opened(given.protocol, self._targets, given.regularizers, given.seeds, self._keepers)

    def _opened(
        self, protocol: Protocol, targets: Tensor, regularizers: Sequence[Regularizer],
        seeds: Mapping[str, int], keepers: Keepers,
    ) -> Phase:  # fmt: skip
        self._global_stream.restart(seeds["dropout"])
        validation = self.given.validation
        training = HeldTraining(
            model=self._model,
            task=self.given.task,
            held=self._inputs,
            targets=targets,
            protocol=protocol,
            device=self._device,
            steps_per_epoch=len(batch_sizes(len(targets), protocol.batch_size)),
            generator=torch.Generator(self._device),
            validation=validation
            and Split(validation.inputs.to(self._device), validation.targets.to(self._device)),
        )
        compiled = torch.compile(self._model, dynamic=False) if protocol.compile else None
        make_steps = self._make_steps or self._steps
        return Phase(training, regularizers, seeds, keepers, self._deadline, make_steps, compiled)

    def _steps(self, mover: Mover) -> Steps:
        capture = self._capture
        if capture is None and self._stream is not None and not self._why_eager:
            capture = CudaCapture(self._stream)  # of this phase: when its graphs are gone, so is their pool
        if self._device.type in ("cpu", "mps") and capture is None:
            return PlainSteps(mover, replays=self._device.type == "cpu" and self.given.capturable is True)
        return DeviceSteps(mover, capture, self._why_eager)

    def _clean_error(self, error: float) -> float:
        """The error by the labels before noise, where these are others."""
        clean_targets = self.given.clean_targets.to(self._device)
        if torch.equal(clean_targets, self._targets):
            return error
        return evaluate(self._model, self._inputs, clean_targets, self.given.task, device=self._device)[1]


def _new_stream(device: torch.device) -> torch.cuda.Stream | None:
    """A stream of its own on CUDA, on which whatever was begun before on the present one is done."""
    if device.type != "cuda":
        return None
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    return stream
