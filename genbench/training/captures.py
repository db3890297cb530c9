"""Outputs of inner modules, handed to the regularizers that ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from genbench.base.data import Task
from genbench.base.errors import InvalidInput, nearest
from genbench.contract.regularizer import Regularizer, Step, regularizer_name
from genbench.networks.watching import watched

__all__ = ["captured_modules", "capturing"]


def captured_modules(
    model: nn.Module, regularizers: Sequence[Regularizer], task: Task | None = None
) -> list[tuple[str, ...]]:
    """Names of the modules that each regularizer captures, roles resolved: by calls, where a task is given.

    Raises
    ------
    InvalidInput
        One line for each name that is neither a module nor a role, and for each regularizer whose roles are
        all empty in this network. A role that is empty beside others that are not is no problem.
    """
    if not any(each.captures for each in regularizers):
        return [()] * len(regularizers)
    from genbench.networks.roles import module_roles
    from genbench.networks.surgery import zeros_of

    roles = module_roles(model, None if task is None else zeros_of(model, task))
    modules = dict(model.named_modules())
    problems: list[str] = []
    captured = [_resolve(each, roles, modules, problems) for each in regularizers]
    if problems:
        raise InvalidInput(problems)
    return captured


def _resolve(
    regularizer: Regularizer,
    roles: Mapping[str, Sequence[str]],
    modules: Mapping[str, nn.Module],
    problems: list[str],
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name in regularizer.captures:
        if name in roles:
            found.update(dict.fromkeys(roles[name]))
        elif name in modules:
            found[name] = None
        else:
            known = [*roles, *filter(None, modules)]
            problems.append(
                f"regularizer '{regularizer_name(regularizer)}': the network has no module or role "
                f"'{name}'{nearest(name, known)}"
            )
    if regularizer.captures and not found and not problems:
        problems.append(
            f"regularizer '{regularizer_name(regularizer)}': the network has no modules in the roles "
            f"{', '.join(regularizer.captures)}"
        )
    return tuple(found)


def capturing(
    model: nn.Module, captured: Sequence[tuple[str, ...]], steps: Sequence[Step]
) -> AbstractContextManager[None]:
    """Inside the block forward passes in training mode fill the `hidden` of each step.

    Of a module that returns several tensors, such as a recurrent one, the first is taken. The network goes on
    with a copy of a single tensor, so that an operation in place behind it leaves what was captured alone.
    """
    readers: dict[str, list[dict[str, Tensor]]] = {}
    for names, step in zip(captured, steps, strict=True):
        for name in names:
            readers.setdefault(name, []).append(step.hidden)

    modules = {name: model.get_submodule(name) for name in readers}

    def fill(name: str, _: Any, output: Any) -> Any:
        if not modules[name].training:
            return None
        for hidden in readers[name]:
            hidden[name] = output[0] if isinstance(output, tuple) else output
        return output.clone() if isinstance(output, Tensor) else None

    return watched(modules, after=fill)
