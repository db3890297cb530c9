"""torch's optimizers with the step itself and nothing around it.

Around it stand hooks, marks for a profiler and requests to torch's compiler, which they import for that: of a
small network's step longer than the step, and a second and a half before the first one.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor

__all__ = ["DirectSGD", "plain_backward", "plain_steps"]

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)


@cache
def plain_steps(kind: type[Kind]) -> type[Kind]:
    """The same optimizer, whose step calls no hooks; what it computes is the same to the bit."""
    bare = inspect.unwrap(kind.step)

    def step(self: Kind, closure: None = None) -> Any:
        with torch.no_grad():
            return bare(self, closure)

    step.hooked = True  # type: ignore[attr-defined]  # what torch looks for before it wraps a step
    return type(kind.__name__, (kind,), {"step": step})


def plain_backward(loss: Tensor) -> None:
    """`loss.backward()` of a scalar, without looking for reasons to refuse it beside the engine's own."""
    if loss.dtype != torch.float32 or loss.device.type != "cpu" or loss.dim():
        loss.backward()
        return
    _run_backward((loss,), (_ONE,), False, False, (), allow_unreachable=True, accumulate_grad=True)


_ONE = torch.ones(())
_run_backward = torch.autograd.Variable._execution_engine.run_backward

_bare_sgd = inspect.unwrap(torch.optim.SGD.step)


class DirectSGD(torch.optim.SGD):
    """Descent by its fused kernel alone, whose arguments torch sorts by device and type at each step.

    Where they are not all of a kind, on the CPU, each with a gradient and a momentum, and the rate is a
    number, the step is torch's own; so is the first one, which makes the momenta.
    """

    def __init__(self, groups: Any, **settings: Any):
        super().__init__(groups, **settings, fused=True)
        kinds = [{(each.device.type, each.dtype) for each in one["params"]} for one in self.param_groups]
        self._alike = all(len(each) == 1 and next(iter(each))[0] == "cpu" for each in kinds)
        self._momenta: dict[int, list[Tensor]] = {}  # by the place of their group, once they are there

    def step(self, closure: Any = None) -> Any:
        """Move the weights by the gradient that they hold."""
        with torch.no_grad():
            groups = self.param_groups
            gathered = [self._gathered(*each) for each in enumerate(groups)] if self._alike else [()]
            if not all(gathered):
                self._momenta.clear()
                return _bare_sgd(self, closure)
            for group, tensors in zip(groups, gathered, strict=True):
                torch._fused_sgd_(
                    *tensors, weight_decay=group["weight_decay"], momentum=group["momentum"], lr=group["lr"],
                    dampening=group["dampening"], nesterov=group["nesterov"], maximize=group["maximize"],
                    is_first_step=False,
                )  # fmt: skip

    step.hooked = True  # type: ignore[attr-defined]

    def _gathered(self, place: int, group: Mapping[str, Any]) -> tuple[list[Tensor], ...]:
        """Parameters, gradients and momenta of a group; nothing where one is missing, or the rate is a
        tensor."""
        parameters = group["params"]
        gradients = [each.grad for each in parameters]
        if type(group["lr"]) is not float or any(each is None for each in gradients):
            return ()
        if not group["momentum"]:
            return parameters, gradients, []
        if place not in self._momenta:
            momenta = [self.state[each].get("momentum_buffer") for each in parameters]
            if any(each is None for each in momenta):
                return ()
            self._momenta[place] = momenta
        return parameters, gradients, self._momenta[place]
