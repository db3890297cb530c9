"""The protocol's update rule and its learning rate along training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.base.errors import InvalidInput, nearest
from genbench.contract.protocol import Protocol, learning_rate
from genbench.contract.regularizer import Regularizer, overrides, regularizer_name
from genbench.training.plain_steps import DirectSGD, plain_steps

__all__ = ["LearningRates", "make_optimizer", "parameter_groups"]

Factor = float | Callable[[float], float]


def make_optimizer(
    model: nn.Module, protocol: Protocol, regularizers: Sequence[Regularizer], *, capturable: bool = False
) -> torch.optim.Optimizer:
    """The optimizer of a protocol, with the parameter groups of its regularizers.

    Each group has the key ``learning_rate_factor``; `LearningRates` reads it.

    Parameters
    ----------
    capturable : bool
        Its steps can be captured as CUDA graphs: nothing that it counts is a number on the host.
    """
    groups = parameter_groups(model, protocol, regularizers)
    rate, momentum = protocol.learning_rate, protocol.momentum
    # Fused kernels update all parameters in one call, on the CPU too; RMSProp has none.
    if protocol.optimizer == "sgd":
        # Nesterov's rule without momentum is plain descent, which torch refuses to call Nesterov's.
        nesterov = protocol.nesterov and momentum > 0
        return DirectSGD(groups, lr=rate, momentum=momentum, nesterov=nesterov)
    if protocol.optimizer == "adam":
        return plain_steps(torch.optim.Adam)(groups, lr=rate, fused=True, capturable=capturable)
    if protocol.optimizer == "adamw":
        return plain_steps(torch.optim.AdamW)(groups, lr=rate, fused=True, capturable=capturable)
    return plain_steps(torch.optim.RMSprop)(groups, lr=rate, momentum=momentum, capturable=capturable)


def parameter_groups(
    model: nn.Module, protocol: Protocol, regularizers: Sequence[Regularizer]
) -> list[dict[str, Any]]:
    """Merge what the regularizers ask for, parameter by parameter, and group equal settings.

    Raises
    ------
    InvalidInput
        A group has an unknown key or a parameter that the network does not have.
    """
    trained = {id(each): each for each in model.parameters() if each.requires_grad}
    factors: dict[int, Factor] = dict.fromkeys(trained, 1.0)
    decays = dict.fromkeys(trained, float(protocol.weight_decay))
    known = {id(each) for each in model.parameters()}
    for regularizer in regularizers:
        if not overrides(regularizer, "parameter_groups"):
            continue
        for group in regularizer.parameter_groups(model):
            _check_group(group, known, regularizer_name(regularizer))
            for parameter in group["params"]:
                if id(parameter) not in trained:
                    continue
                if "learning_rate_factor" in group:
                    factors[id(parameter)] = group["learning_rate_factor"]
                if "weight_decay" in group:
                    decays[id(parameter)] = float(group["weight_decay"])
    groups: dict[tuple[Factor, float], dict[str, Any]] = {}
    for key, parameter in trained.items():
        settings = (factors[key], decays[key])
        new: dict[str, Any] = {"params": [], "learning_rate_factor": settings[0], "weight_decay": settings[1]}
        groups.setdefault(settings, new)["params"].append(parameter)
    return list(groups.values())


def _check_group(group: Any, known: set[int], name: str) -> None:
    keys = ("params", "learning_rate_factor", "weight_decay")
    for key in group:
        if key not in keys:
            raise InvalidInput(
                f"regularizer '{name}': a parameter group has no key '{key}'{nearest(key, keys)}"
            )
    if not isinstance(group.get("params"), list | tuple):
        raise InvalidInput(f"regularizer '{name}': a parameter group needs 'params', a list of parameters")
    if any(id(each) not in known for each in group["params"]):
        raise InvalidInput(
            f"regularizer '{name}': a parameter group has a parameter that is not the network's"
        )


class LearningRates:
    """Sets the learning rates of an optimizer's groups before each step.

    Attributes
    ----------
    base : float
        The protocol's learning rate at the step set last, before any group's factor.
    changing : bool
        Whether they are not the same at all steps.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, protocol: Protocol, steps_per_epoch: int):
        self._optimizer = optimizer
        self._protocol = protocol
        self._steps_per_epoch = steps_per_epoch
        changing = protocol.schedule != "constant" or protocol.warmup_epochs > 0
        self.changing = changing or any(
            callable(group["learning_rate_factor"]) for group in optimizer.param_groups
        )
        self.base = 0.0
        self.set(0)

    def set(self, index: int) -> None:
        """Make the rates those of the step with this index."""
        self.base = learning_rate(self._protocol, index, self._steps_per_epoch)
        for group, rate in zip(self._optimizer.param_groups, self._of_groups(index), strict=True):
            group["lr"] = rate

    def put_on(self, device: torch.device) -> None:
        """Make the rates tensors, which `set_from` changes, so that a captured step reads them anew."""
        # Fused kernels read single precision on CUDA; on the CPU they take the number, and none may be lost.
        dtype = torch.float32 if device.type == "cuda" else torch.float64
        for group in self._optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"], dtype=dtype, device=device)

    def table(self, first: int, count: int) -> Tensor:
        """The rates of so many steps from one on, shape (count, groups), float64."""
        return torch.tensor([self._of_groups(first + each) for each in range(count)], dtype=torch.float64)

    def set_from(self, rates: Tensor) -> None:
        """Make the rates one row of such a table, on the device."""
        for group, rate in zip(self._optimizer.param_groups, rates.unbind(), strict=True):
            group["lr"].copy_(rate)

    def passed(self, index: int) -> None:
        """Note which step was made with rates of a table."""
        self.base = learning_rate(self._protocol, index, self._steps_per_epoch)

    def _of_groups(self, index: int) -> list[float]:
        base = learning_rate(self._protocol, index, self._steps_per_epoch)
        epochs = index / self._steps_per_epoch
        factors = [group["learning_rate_factor"] for group in self._optimizer.param_groups]
        return [base * (factor(epochs) if callable(factor) else factor) for factor in factors]
