"""One trial as a work that a conductor does beside others: its member begun, its record made at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from genbench.base.canonical import canonical_json
from genbench.base.data import Split
from genbench.fitting.building import build
from genbench.fitting.held import SharedData
from genbench.fitting.record import TestHistory, kept_states, normalized_losses
from genbench.host import Host
from genbench.planning.plan import Trial
from genbench.planning.suite import Limits
from genbench.training.capturable import why_not_capturable
from genbench.training.evaluation import evaluate
from genbench.training.member import Assignment, Member
from genbench.training.stack import StackedSteps, why_not_stackable

__all__ = ["FitWork", "SharedData", "why_not_captured"]

Found = tuple[dict[str, Any], dict[str, dict[str, Tensor]]]


_VERDICTS: dict[str, str] = {}

MOST_RANDOM = 128
"""Random examples for finding out what can be captured, where a batch has more."""


class FitWork:
    """The training of one trial; a `genbench.training.conductor.Work`.

    Parameters
    ----------
    data : SharedData
    device : torch.device
    keep, limits
        As in the suite.
    on_epoch : callable, optional
        Called with each new row of the history.
    memory : float
        Bytes that it is predicted to take on the device.
    on_begin : callable, optional
        Called when its member is about to be made, the first time and again.
    stacks : bool
        Whether it is for a `StackingConductor`.
    """

    def __init__(
        self, trial: Trial, host: Host, data: SharedData, *, device: torch.device, keep: Sequence[Any],
        limits: Limits, on_epoch: Callable[[Mapping[str, Any]], None] | None = None, name: str = "",
        memory: float = 0.0, on_begin: Callable[[], None] | None = None, stacks: bool = False,
    ):  # fmt: skip
        self.name = name
        self.memory = memory
        self._trial, self._host, self._data, self._device = trial, host, data, device
        self._keep, self._limits = keep, limits
        self._on_epoch, self._on_begin, self._stacks = on_epoch, on_begin, stacks

    def begin(self) -> Member:
        """Build network and data anew, and the member that trains them."""
        if self._on_begin is not None:
            self._on_begin()
        self._began = time.perf_counter()
        built = build(self._trial, self._host)
        examples = self._data.of(built)
        model = built.network()
        on_epoch = self._on_epoch
        if "test_history" in self._keep:
            on_epoch = TestHistory(
                model, examples.test_inputs, examples.test_targets, self._trial.task, self._device, on_epoch
            )
        counts = {
            what: count for each in self._keep if isinstance(each, Mapping) for what, count in each.items()
        }
        given = Assignment(
            model=model,
            task=self._trial.task,
            inputs=examples.inputs,
            targets=examples.targets,
            clean_targets=examples.clean_targets,
            protocol=built.protocol,
            regularizers=built.regularizers,
            seeds=self._trial.seeds(),
            validation=examples.validation,
            max_seconds=self._limits.training_seconds,
            snapshots=counts.get("snapshots", 0),
            trajectory=counts.get("trajectory", 0),
            milestones="milestones" in self._keep,
            on_epoch=on_epoch,
            capturable=built.model.declared.capturable,
        )
        why_eager = self._why_eager(given) if self._device.type == "cuda" else ""
        stacks = self._stacks and built.protocol.stacked
        self._why_not_stacked = why_not_stackable(given) if stacks else "it was trained alone"
        make_steps = None if self._why_not_stacked else StackedSteps
        return Member(given, self._device, why_eager=why_eager, make_steps=make_steps)

    def end(self, member: Member) -> Found:
        """The record and the states of the fit, as `genbench.fitting.fit.fit` returns them."""
        outcome = member.outcome()
        trial, model, device = self._trial, member.given.model, self._device
        # Asked for again, and not held: a work that waits for its second start is to leave nothing here.
        examples = self._data.of(build(trial, self._host))
        watched = member.given.on_epoch
        both = {
            "train": (examples.inputs, examples.targets),
            "test": (examples.test_inputs, examples.test_targets),
        }
        with member.turn():  # as exactly as the training set was, whose figures stand beside
            test_loss, test_error = evaluate(model, *both["test"], trial.task, device=device)
        asked = member.given.protocol.stacked
        stacked = {"why_not_stacked": self._why_not_stacked} if asked else {}
        on_cuda = {"why_not_captured": member.why_not_captured} if device.type == "cuda" else {}
        record = {
            "trial": trial.as_dict(),
            "seeds": trial.seeds(),
            "stop_reason": str(outcome.stop_reason),
            "stop_note": outcome.stop_note,
            "steps": outcome.steps,
            "epochs": outcome.epochs,
            "history": outcome.history,
            "train_loss": outcome.train_loss,
            "train_error": outcome.train_error,
            "train_error_clean": outcome.train_error_clean,
            "test_loss": test_loss,
            "test_error": test_error,
            **normalized_losses(model, trial.task, both, device),
            "train_examples": len(examples.targets),
            "test_examples": len(examples.test_targets),
            "seconds": time.perf_counter() - self._began,
            **on_cuda,
            **stacked,
            **({"test_history": watched.columns} if isinstance(watched, TestHistory) else {}),
        }
        return record, kept_states(outcome, self._keep)

    def _why_eager(self, given: Assignment) -> str:
        """Why its steps cannot be captured; found out once for all trials that differ in numbers only."""
        trial = self._trial
        name = canonical_json(
            [trial.model.name, dict(trial.model.settings), [[each.name, dict(each.settings)] for each in
             trial.regularizers], trial.protocol.settings["precision"]]
        )  # fmt: skip
        if name not in _VERDICTS:
            _VERDICTS[name] = why_not_capturable(given)
        return _VERDICTS[name]


def why_not_captured(trial: Trial, host: Host) -> str:
    """Why the steps of a trial would not be captured on CUDA; empty where they would, by random examples.

    Raises
    ------
    InvalidInput
        A component is not there.
    """
    built = build(trial, host)
    task, count = trial.task, min(trial.protocol.settings["batch_size"], MOST_RANDOM)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, *task.input_shape, generator=generator)
    if task.kind == "classification":
        targets = torch.randint(task.outputs, (count,), generator=generator)
    else:
        targets = torch.randn(count, task.outputs, generator=generator)
    given = Assignment(
        model=built.network(), task=task, inputs=inputs, targets=targets, clean_targets=targets,
        protocol=built.protocol, regularizers=built.regularizers, seeds=trial.seeds(),
        validation=Split(inputs, targets), capturable=built.model.declared.capturable,
    )  # fmt: skip
    return why_not_capturable(given)
