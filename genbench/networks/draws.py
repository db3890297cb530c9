"""Random numbers that are the same on every device: drawn on the CPU, and moved.

Each kind of device has a generator of its own, from which the same seed yields other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["DrawnOnCpu", "drawn_on_cpu"]

_CPU = torch.device("cpu")

_MAKERS = (torch.rand, torch.randn, torch.randint, torch.randperm)
_LIKE = (torch.rand_like, torch.randn_like, torch.randint_like)
_OF_TENSORS = (
    torch.normal, torch.bernoulli, torch.multinomial, torch.poisson, Tensor.bernoulli, Tensor.multinomial,
    F.alpha_dropout, F.feature_alpha_dropout,
)  # fmt: skip
_IN_PLACE = (
    Tensor.normal_, Tensor.uniform_, Tensor.random_, Tensor.bernoulli_, Tensor.exponential_,
    Tensor.geometric_, Tensor.log_normal_, Tensor.cauchy_,
)  # fmt: skip
_DROPOUTS = (torch.dropout, F.dropout, F.dropout1d, F.dropout2d, F.dropout3d)

Arguments = tuple[Any, ...]
Named = Mapping[str, Any]


def drawn_on_cpu(device: torch.device) -> AbstractContextManager[Any]:
    """Inside the block torch draws on the CPU what is to lie on this device, which may be the CPU itself."""
    return nullcontext() if device.type == "cpu" else DrawnOnCpu()


class DrawnOnCpu(TorchFunctionMode):
    """Inside, torch draws on the CPU, from generators there, whatever is to lie on another device.

    Tensors that are made and tensors that are filled at random, from a generator or from torch's own stream,
    and dropout as a function or a module, with the masks that the CPU would draw. Dropout within torch's
    kernels of attention and of recurrent layers is out of reach.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Arguments = (), kwargs: Named | None = None
    ) -> Any:
        draw = _DRAWS.get(function)
        named = kwargs or {}
        return function(*args, **named) if draw is None else self.draw(draw, function, args, named)

    def draw(self, how: Callable[..., Any], function: Any, args: Arguments, named: Named) -> Any:
        """The result of one function that draws."""
        return how(self, function, args, named)

    def elsewhere(self, device: torch.device | str | int | None) -> bool:
        """Whether what lies there is to be drawn on the CPU first."""
        return device is not None and torch.device(device).type != "cpu"

    def made(self, function: Any, args: Arguments, named: Named) -> Any:
        """A new tensor, on a device that is given or, as torch would have it, on the CPU."""
        device = named.get("device")
        if not self.elsewhere(device):
            return function(*args, **named)
        plain = {key: each for key, each in named.items() if key not in ("out", "requires_grad")}
        drawn = function(*args, **{**plain, "device": _CPU}).to(device)
        if "out" in named:
            return named["out"].copy_(drawn)
        return drawn.requires_grad_(bool(named.get("requires_grad")))

    def made_like(self, function: Any, args: Arguments, named: Named) -> Any:
        """A new tensor in the shape, strides and precision of another one."""
        device = named.get("device") or args[0].device
        if not self.elsewhere(device):
            return function(*args, **named)
        return self.made(
            function, (torch.empty_like(args[0], device=_CPU), *args[1:]), {**named, "device": device}
        )

    def made_of(self, function: Any, args: Arguments, named: Named) -> Any:
        """A new tensor whose distribution is given by tensors."""
        given = [each for each in (*args, *named.values()) if isinstance(each, Tensor)]
        device = given[0].device if given else named.get("device")
        if not self.elsewhere(device):
            return function(*args, **named)
        if not given:
            return self.made(function, args, named)
        return function(*map(_here, args), **{key: _here(each) for key, each in named.items()}).to(device)

    def filled(self, function: Any, args: Arguments, named: Named) -> Any:
        """A tensor that is filled in place."""
        if not self.elsewhere(args[0].device):
            return function(*args, **named)
        rest = {key: _here(each) for key, each in named.items()}
        return args[0].copy_(function(torch.empty_like(args[0], device=_CPU), *map(_here, args[1:]), **rest))

    def thinned(self, function: Any, args: Arguments, named: Named) -> Any:
        """What dropout leaves: on the CPU it is the product with a mask, which is drawn alone here."""
        given = dict(zip(("input", "p", "training", "inplace"), args, strict=False)) | dict(named)
        values = given["input"]
        training = given.get("training", given.get("train", True))
        if not training or not self.elsewhere(values.device):
            return function(*args, **named)
        rate = given.get("p", 0.5)
        mask = function(torch.ones_like(values, device=_CPU, requires_grad=False), rate, True).to(
            values.device
        )
        return values.mul_(mask) if given.get("inplace") else values * mask


def _here(given: Any) -> Any:
    return given.cpu() if isinstance(given, Tensor) else given


_DRAWS: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys(_MAKERS, DrawnOnCpu.made),
    **dict.fromkeys(_LIKE, DrawnOnCpu.made_like),
    **dict.fromkeys(_OF_TENSORS, DrawnOnCpu.made_of),
    **dict.fromkeys(_IN_PLACE, DrawnOnCpu.filled),
    **dict.fromkeys(_DROPOUTS, DrawnOnCpu.thinned),
}
