"""What is recorded of a fit beside its training: test figures along it, losses of the normalized network,
the states that are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

from genbench.base.errors import NotApplicable
from genbench.networks.copying import copy_of
from genbench.networks.folding import folded_copy
from genbench.networks.homogeneity import log_product_of_norms
from genbench.networks.layers import weight_layers
from genbench.networks.passes import evenly_spaced, forward, outputs_of
from genbench.networks.precision import widen_where_needed
from genbench.training.evaluation import evaluate, where_doubles_are
from genbench.training.outcome import Outcome

if TYPE_CHECKING:
    from torch import Tensor, nn

    from genbench.base.data import Task
    from genbench.training.pixels import Inputs

__all__ = ["TestHistory", "kept_states", "normalized_losses"]

EXAMPLES_TRIED = 8
"""For finding out whether a network's norms factor out."""


class TestHistory:
    """Test loss and error at each row of the history, kept apart from it: no measure may see them.

    Evaluating draws nothing at random and changes no weight, so that training gives the same bits without.
    """

    def __init__(
        self, model: nn.Module, inputs: Inputs, targets: Tensor, task: Task, device: torch.device,
        on_epoch: Callable[[Mapping[str, Any]], None] | None,
    ):  # fmt: skip
        self.columns: dict[str, list[float]] = {"epoch": [], "test_loss": [], "test_error": []}
        self._model, self._task, self._device, self._on_epoch = model, task, device, on_epoch
        self._inputs, self._targets = inputs.to(device), targets.to(device)

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Add the figures of the present weights."""
        found = evaluate(self._model, self._inputs, self._targets, self._task, device=self._device)
        for name, value in zip(self.columns, (row["epoch"], *found), strict=True):
            self.columns[name].append(value)
        if self._on_epoch is not None:
            self._on_epoch(row)


def normalized_losses(
    model: nn.Module, task: Task, examples: Mapping[str, tuple[Inputs, Tensor]], device: torch.device
) -> dict[str, float | None]:
    """Cross-entropies of the network divided by ρ and by one output's norm, for the targets made of them.

    None where the task has no classes or the network does not factor; Liao et al. 2020 (Generalization
    puzzles), section 2 and appendix H.
    """
    names = ("normalized_{}_loss", "output_normalized_{}_loss")
    found: dict[str, float | None] = {name.format(split): None for name in names for split in examples}
    if task.kind != "classification":
        return found
    if where_doubles_are(device) != device:
        model, device = copy_of(model).cpu(), where_doubles_are(device)
        examples = {
            name: (inputs.to(device), targets.to(device)) for name, (inputs, targets) in examples.items()
        }
    train = examples["train"][0]
    reference = train[evenly_spaced(torch.arange(len(train)), EXAMPLES_TRIED)]
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


def kept_states(outcome: Outcome, keep: Sequence[Any]) -> dict[str, dict[str, torch.Tensor]]:
    """The state dictionaries that a suite keeps of a training, named as the run folder names them."""
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
