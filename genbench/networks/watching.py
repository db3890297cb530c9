"""Calls of modules, seen or changed by functions that stay on the modules for as long as a block runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from genbench.networks.passes import as_the_model_wants

__all__ = ["called", "counted", "watched"]

Key = TypeVar("Key")


@contextmanager
def watched(
    modules: Mapping[Key, nn.Module],
    *,
    before: Callable[[Key, tuple[Any, ...]], Any] | None = None,
    after: Callable[[Key, tuple[Any, ...], Any], Any] | None = None,
    keywords: bool = False,
) -> Iterator[None]:
    """Have functions called at each call of modules; they are gone however the block ends.

    Parameters
    ----------
    modules : mapping from key to Module
        The functions are told the key. A module under several keys is watched under each.
    before : callable (key, given), optional
        What it returns, if not None, enters instead of the positional arguments `given`.
    after : callable (key, given, output), optional
        What it returns, if not None, the network goes on with instead of the output.
    keywords : bool
        Of `after`, let `given` hold what the module was given by keywords too, behind the positional ones.
    """

    def entering(key: Key) -> Callable[..., Any]:
        assert before is not None
        return lambda _, given: before(key, given)

    def leaving(key: Key) -> Callable[..., Any]:
        assert after is not None
        if keywords:
            return lambda _, given, named, output: after(key, (*given, *named.values()), output)
        return lambda _, given, output: after(key, given, output)

    with ExitStack() as hooks:
        for key, module in modules.items():
            if before is not None:
                hooks.callback(module.register_forward_pre_hook(entering(key)).remove)
            if after is not None:
                handle = module.register_forward_hook(leaving(key), with_kwargs=keywords)
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
        Empty where calls cannot be seen: the network does not take the examples, or is compiled.
    """
    names: list[str] = []
    kept = [(module, module.training, dict(vars(module))) for module in model.modules()]
    try:
        with (
            torch.no_grad(),
            torch.random.fork_rng(devices=[examples.device] if examples.device.type == "cuda" else []),
            watched(dict(model.named_modules()), before=lambda name, _: names.append(name)),
        ):
            model.eval()(as_the_model_wants(model, examples).clone())
    except Exception:  # whoever needs a pass will say why there is none
        return []
    finally:
        for module, mode, attributes in kept:
            module.training = mode
            _put_back_tensors(module, attributes)
    return [name for name in names if name]


def _put_back_tensors(module: nn.Module, attributes: Mapping[str, Any]) -> None:
    """What a pass left on a module, such as its last activation."""
    own = vars(module)
    for name in [name for name, each in own.items() if isinstance(each, Tensor) and name not in attributes]:
        del own[name]
    own.update({name: each for name, each in attributes.items() if isinstance(each, Tensor)})


@contextmanager
def counted(modules: Mapping[Key, nn.Module]) -> Iterator[Counter[Key]]:
    """How often each of the modules has been called inside the block, in the order of their first calls."""
    calls: Counter[Key] = Counter()
    with watched(modules, before=lambda key, _: calls.update([key])):
        yield calls
