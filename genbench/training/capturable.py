"""Whether the steps of a training can be captured: as its components say, and else by a trial on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from genbench.base.errors import GenbenchError, first_line
from genbench.contract.regularizer import regularizer_name
from genbench.networks.ambient import ordinary_torch
from genbench.networks.copying import copy_of
from genbench.training.device_steps import CALLS_BEFORE_CAPTURE, CannotCapture, Capture, Graph
from genbench.training.member import Assignment, Member
from genbench.training.tape import Tape

__all__ = ["why_not_capturable"]

EXAMPLES = 8
"""Of the trial, where the regularizers do with so few."""

REPLAYS = 3


def why_not_capturable(given: Assignment) -> str:
    """Why the steps of a training cannot be captured; empty where they can.

    Where all components say that they can, nothing is tried. Otherwise a copy of the network is trained for
    a few steps on the CPU, once by calls and once by operators that were recorded at one of the first steps:
    the weights must be the same to the last bit.

    Parameters
    ----------
    given : Assignment
        Its network stays as it is.
    """
    said = [("the model", given.capturable)]
    said += [(f"regularizer '{regularizer_name(each)}'", each.capturable) for each in given.regularizers]
    for who, says in said:
        if says is False or isinstance(says, str):
            return f"{who}: {says or 'says that its steps cannot be captured'}"
    if all(says is True for _, says in said):
        return ""
    undeclared = ", ".join(who for who, says in said if says is None)
    fault = _fault_of_trial(given)
    return f"{fault} (found out by a trial, as nothing is declared for {undeclared})" if fault else ""


def _fault_of_trial(given: Assignment) -> str:
    fault = ""
    for examples in (EXAMPLES, given.protocol.batch_size):
        try:
            return _replays_otherwise(given, min(examples, len(given.targets)))
        except CannotCapture as why:
            return str(why)
        except (GenbenchError, RuntimeError, ValueError) as why:  # such as groups of more examples
            fault = f"{type(why).__name__}: {first_line(why)}"
    return fault


def _replays_otherwise(given: Assignment, examples: int) -> str:
    tried = replace(
        given,
        # Those that are known to be capturable may do on the CPU what they do otherwise elsewhere.
        regularizers=[each for each in given.regularizers if each.capturable is None],
        inputs=given.inputs[:examples].cpu(), targets=given.targets[:examples].cpu(),
        clean_targets=given.targets[:examples].cpu(), max_seconds=None, snapshots=0, trajectory=0,
        milestones=False, on_epoch=None,
        protocol=replace(
            given.protocol, batch_size=examples, max_epochs=CALLS_BEFORE_CAPTURE + REPLAYS,
            target_loss=None, target_rule="reached", pretrain_epochs=0, compile=False, optimizer="sgd",
        ),
    )  # fmt: skip
    called, replayed = _weights(tried, _refused), _weights(tried, Tape)
    same = all(torch.equal(each, replayed[name]) or bool(each.isnan().any()) for name, each in called.items())
    return "" if same else "a replayed step is not the same: it reads or keeps numbers on the host"


@ordinary_torch()
def _weights(given: Assignment, capture: Capture) -> dict[str, torch.Tensor]:
    member = Member(replace(given, model=copy_of(given.model).cpu()), torch.device("cpu"), capture=capture)
    outcome = member.train()
    if capture is Tape and member.why_not_captured:
        raise CannotCapture(member.why_not_captured)
    return outcome.final_state


def _refused(function: Callable[[], None], generators: list[torch.Generator]) -> Graph:
    raise CannotCapture("calls")
