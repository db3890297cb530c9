"""One trial, trained: from plain data to the record and the weights that the store keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

from genbench.base.errors import NotApplicable
from genbench.fitting import splits
from genbench.fitting.building import build
from genbench.host import Host
from genbench.networks.ambient import ordinary_torch
from genbench.networks.folding import folded_copy
from genbench.networks.homogeneity import log_product_of_norms
from genbench.networks.layers import weight_layers
from genbench.networks.passes import forward, outputs_of
from genbench.networks.precision import widen_where_needed
from genbench.planning.plan import Trial
from genbench.planning.suite import Limits
from genbench.training.evaluation import evaluate
from genbench.training.loop import train
from genbench.training.outcome import Outcome

if TYPE_CHECKING:
    from torch import Tensor, nn

    from genbench.base.data import Split, Task

__all__ = ["fit", "normalized_losses"]


@ordinary_torch()
def fit(
    trial: Trial,
    host: Host,
    *,
    root: Path | None,
    device: str,
    keep: Sequence[Any],
    limits: Limits,
    on_epoch: Callable[[Mapping[str, Any]], None] | None = None,
) -> tuple[dict[str, Any], dict[str, dict[str, torch.Tensor]]]:
    """Train one trial.

    Returns
    -------
    record : dict
        Trial, seeds, history, errors, losses and how training ended, in plain data.
    states : dict
        State dictionaries, named as the run folder names them.
    """
    began = time.perf_counter()
    built = build(trial, host)
    prepared, data = built.training_data(root, opened=("train", "test"))
    model = built.network()
    test = splits.load_test(prepared, mean=data.mean, std=data.std, test_size=trial.splits["test_size"])
    watched = _TestHistory(model, test, trial.task, device, on_epoch) if "test_history" in keep else None
    counts = {what: count for each in keep if isinstance(each, Mapping) for what, count in each.items()}
    outcome = train(
        model,
        trial.task,
        data.inputs,
        data.targets,
        data.clean_targets,
        built.protocol,
        built.regularizers,
        trial.seeds(),
        device=device,
        validation=data.validation,
        max_seconds=limits.training_seconds,
        snapshots=counts.get("snapshots", 0),
        trajectory=counts.get("trajectory", 0),
        milestones="milestones" in keep,
        on_epoch=watched or on_epoch,
    )
    test_loss, test_error = evaluate(model, test.inputs, test.targets, trial.task, device=device)
    examples = {"train": (data.inputs, data.targets), "test": (test.inputs, test.targets)}
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
        **normalized_losses(model, trial.task, examples, torch.device(device)),
        "train_examples": len(data.targets),
        "test_examples": len(test.targets),
        "seconds": time.perf_counter() - began,
        **({"test_history": watched.columns} if watched else {}),
    }
    return record, _kept(outcome, keep)


class _TestHistory:
    """Test loss and error at each row of the history, kept apart from it: no measure may see them.

    Evaluating draws nothing at random and changes no weight, so that training gives the same bits without.
    """

    def __init__(
        self, model: nn.Module, test: Split, task: Task, device: str,
        on_epoch: Callable[[Mapping[str, Any]], None] | None,
    ):  # fmt: skip
        self.columns: dict[str, list[float]] = {"epoch": [], "test_loss": [], "test_error": []}
        self._model, self._task, self._device, self._on_epoch = model, task, device, on_epoch
        self._inputs, self._targets = test.inputs.to(device), test.targets.to(device)

    def __call__(self, row: Mapping[str, Any]) -> None:
        found = evaluate(self._model, self._inputs, self._targets, self._task, device=self._device)
        for name, value in zip(self.columns, (row["epoch"], *found), strict=True):
            self.columns[name].append(value)
        if self._on_epoch is not None:
            self._on_epoch(row)


def normalized_losses(
    model: nn.Module, task: Task, examples: Mapping[str, tuple[Tensor, Tensor]], device: torch.device
) -> dict[str, float | None]:
    """Cross-entropies of the network divided by ρ and by one output's norm, for the targets made of them.

    None where the task has no classes or the network does not factor; Liao et al. 2020 (Generalization
    puzzles), section 2 and appendix H.
    """
    names = ("normalized_{}_loss", "output_normalized_{}_loss")
    found: dict[str, float | None] = {name.format(split): None for name in names for split in examples}
    if task.kind != "classification":
        return found
    reference = examples["train"][0]
    with torch.no_grad():
        divisors = [
            _product_of_norms(model.eval(), reference),
            forward(model, reference[:1].clone()).double().norm(),
        ]
        for split, (inputs, targets) in examples.items():
            outputs = outputs_of(model, inputs, device)
            for name, divisor in zip(names, divisors, strict=True):
                if divisor is not None:
                    loss = F.cross_entropy(outputs / divisor, targets.to(outputs.device))
                    found[name.format(split)] = loss.item() if loss.isfinite() else None
    return found


def _product_of_norms(model: nn.Module, inputs: Tensor) -> Tensor | None:
    try:
        widen_where_needed(model, inputs)
        folded = folded_copy(model)
        return log_product_of_norms(folded, weight_layers(folded), inputs).exp()
    except NotApplicable:
        return None


def _kept(outcome: Outcome, keep: Sequence[Any]) -> dict[str, dict[str, torch.Tensor]]:
    states = {}
    if "initial" in keep:
        states["initial"] = outcome.initial_state
    if "final" in keep:
        states["final"] = outcome.final_state
    if "milestones" in keep:
        states |= {f"milestone-{each.threshold}": each.state for each in outcome.milestones}
    # The first and the last one are mostly kept by name as well, but for a training that began or ended with
    # other weights than those that it started from or left. Of snapshots that were asked for one is there.
    named = {0: states.get("initial"), outcome.steps: states.get("final")}
    others = [(step, state) for step, state in outcome.snapshots if not _same(state, named.get(step))]
    states |= {f"snapshot-{step}": state for step, state in others or outcome.snapshots}
    if outcome.walk is not None:
        states["trajectory"] = outcome.walk.state()
    return states


def _same(state: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor] | None) -> bool:
    return other is not None and all(torch.equal(each, other[name]) for name, each in state.items())
