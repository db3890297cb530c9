"""Calls of modules, seen or changed by functions that stay on the modules for as long as a block runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from operator import is_
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from genbench.networks.functional import call_with
from genbench.networks.kinds import Convolution
from genbench.networks.passes import as_the_model_wants
from genbench.networks.script import refuse_script

__all__ = ["called", "counted", "watched"]

Key = TypeVar("Key")


@contextmanager
def watched(
    modules: Mapping[Key, nn.Module],
    *,
    before: Callable[[Key, tuple[Any, ...]], Any] | None = None,
    after: Callable[[Key, tuple[Any, ...], Any], Any] | None = None,
) -> Iterator[None]:
    """Have functions called at each call of modules; they are gone however the block ends.

    Parameters
    ----------
    modules : mapping from key to Module
        The functions are told the key. A module under several keys is watched under each.
    before : callable (key, given), optional
        What it returns, if not None, enters instead of the arguments `given`, of which those that are given
        by keywords stand behind the others.
    after : callable (key, given, output), optional
        What it returns, if not None, the network goes on with instead of the output.
    """

    def entering(key: Key) -> Callable[..., Any]:
        assert before is not None

        def enter(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
            instead = before(key, (*given, *named.values()))
            if instead is None:
                return None
            instead = instead if isinstance(instead, tuple) else (instead,)
            return instead[: len(given)], dict(zip(named, instead[len(given) :], strict=True))

        return enter

    def leaving(key: Key) -> Callable[..., Any]:
        assert after is not None
        return lambda _, given, named, output: after(key, (*given, *named.values()), output)

    with ExitStack() as hooks:
        for key, module in modules.items():
            if isinstance(module, torch.jit.ScriptModule):
                refuse_script(module)
            if before is not None:
                hooks.callback(module.register_forward_pre_hook(entering(key), with_kwargs=True).remove)
            if after is not None:
                handle = module.register_forward_hook(leaving(key), with_kwargs=True)
                hooks.callback(handle.remove)
        yield


def called(model: nn.Module, examples: Tensor) -> list[str]:
    """Names of the modules that a pass calls, in the order of the calls, those called again included.

    Mode, random state and attributes of the network stay as they are.

    Parameters
    ----------
    examples : Tensor, shape (n, *input_shape)
        Two are enough.

    Returns
    -------
    list of str
        Empty where calls cannot be seen: the network does not take the examples, is compiled, or uses the
        weights of layers without calling the layers.
    """
    names: list[str] = []
    known = {id(module): name for name, module in model.named_modules()}
    kept = [(module, module.training, dict(vars(module))) for module in model.modules()]

    def note(module: nn.Module, _: Any) -> None:
        if id(module) in known:
            names.append(known[id(module)])

    try:
        refuse_script(model)
        if any(mode for _, mode, _ in kept):
            model.eval()
        with (
            torch.no_grad(),
            torch.random.fork_rng(devices=[examples.device] if examples.device.type == "cuda" else []),
            # One hook for all modules: one on each takes longer than the pass.
            _noted(note),
        ):
            model(as_the_model_wants(model, examples).clone())
        if _uses_others(model, set(names), examples):
            return []
    except Exception:  # whoever needs a pass will say why there is none
        return []
    finally:
        for module, mode, attributes in kept:
            if module.training != mode:
                module.training = mode
            _put_back_tensors(module, attributes)
    return [name for name in names if name]


@contextmanager
def _noted(note: Callable[[nn.Module, Any], None]) -> Iterator[None]:
    """Inside the block a function is told of each call of a module, whichever it is."""
    handle = register_module_forward_pre_hook(note)
    try:
        yield
    finally:
        handle.remove()


def _uses_others(model: nn.Module, names: set[str], examples: Tensor) -> bool:
    """Whether the outputs depend on the weight of a linear layer or convolution that is not called."""
    own = {name for name, each in model.named_modules() if isinstance(each, nn.MultiheadAttention)}
    weights = {
        f"{name}.weight" if name else "weight": module.weight.detach().clone().requires_grad_()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Convolution)
        and name not in names
        and name.rpartition(".")[0] not in own  # attention never calls its last layer, and is called itself
    }
    if not weights:
        return False
    with torch.enable_grad():
        outputs = call_with(model, weights, as_the_model_wants(model, examples).clone())
        if not outputs.requires_grad:
            return False
        found = torch.autograd.grad(outputs.sum(), list(weights.values()), allow_unused=True)
    return any(each is not None for each in found)


def _put_back_tensors(module: nn.Module, attributes: Mapping[str, Any]) -> None:
    """What a pass left on a module, such as its last activation."""
    own = vars(module)
    if own.keys() == attributes.keys() and all(map(is_, own.values(), attributes.values())):
        return
    for name in [name for name, each in own.items() if isinstance(each, Tensor) and name not in attributes]:
        del own[name]
    own.update({name: each for name, each in attributes.items() if isinstance(each, Tensor)})


@contextmanager
def counted(modules: Mapping[Key, nn.Module]) -> Iterator[Counter[Key]]:
    """How often each of the modules has been called inside the block, in the order of their first calls."""
    calls: Counter[Key] = Counter()
    with watched(modules, before=lambda key, _: calls.update([key])):
        yield calls
