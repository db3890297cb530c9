"""How much a network changes its mind when units are left out at random, as by dropout after training."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn

import genbench
from genbench.base.constraints import Count, Probability
from genbench.networks.copying import copy_of
from genbench.networks.kinds import Dropout
from genbench.networks.passes import evenly_spaced, forward
from genbench.networks.surgery import with_dropout
from genbench.networks.watching import counted

__all__ = ["mc_dropout_variance"]

# Examples that go through the network together. Not what fits into memory: the units left out of an example
# follow from how many stand before it, and a value must not depend on the machine.
_TOGETHER = 100


@genbench.measure(
    family="robustness", direction="+", source="Gal & Ghahramani 2016 (MC dropout), on the training data",
    formula="mean_i Σ_c Var_mask p_c(x_i)", cost="B", version=3,
)  # fmt: skip
def mc_dropout_variance(
    model, inputs, task, device, generator,
    *, rate: Probability = 0.1, draws: Annotated[int, Ge(2)] = 10,
    of: Literal["probabilities", "predictions"] = "probabilities", examples: Count = 200,
) -> Tensor:  # fmt: skip
    """Variance of the class probabilities, in regression of the outputs, over networks with units left out.

    Every network gets the same rate: in its dropout layers, where it has some, else behind its activations.
    Functions that hang on few units are said to generalize worse.

    Parameters
    ----------
    rate : float
        Share of the units that are left out, the others scaled up.
    draws : int
        How many times units are drawn, for each example anew; the variance is over one less, so that its
        expectation does not depend on their number.
    of : {"probabilities", "predictions"}
        ``predictions``: the share of examples and networks of which the class is another than that of the
        whole network.
    examples : int
        At most this many training examples, evenly spaced.

    Raises
    ------
    NotApplicable
        The network has neither dropout nor activations as modules, or calls none; predictions in regression.
    """
    if of == "predictions" and task.kind != "classification":
        raise genbench.NotApplicable("defined for classification only")
    thinned = _thinned(model, rate)
    dropouts = {name: each for name, each in thinned.named_modules() if isinstance(each, Dropout)}
    picked = evenly_spaced(inputs, examples)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    total = torch.zeros((), dtype=torch.float64, device=device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for part in picked.split(_TOGETHER):
            with counted(dropouts) as calls:
                drawn = [forward(thinned, part).double() for _ in range(draws)]
            if dropouts and not calls:
                raise genbench.NotApplicable(
                    "the network calls none of the modules behind which units could be left out"
                )
            if of == "predictions":
                whole = forward(model, part).argmax(1)
                total += sum((each.argmax(1) != whole).sum() for each in drawn) / draws
            else:
                if task.kind == "classification":
                    drawn = [each.softmax(1) for each in drawn]
                total += torch.stack(drawn).var(0, correction=1).sum()
    return total / len(picked)


def _thinned(model: nn.Module, rate: float) -> nn.Module:
    """A copy in evaluation mode but for its dropout."""
    try:
        thinned = with_dropout(copy_of(model), rate)
    except genbench.InvalidInput:
        raise genbench.NotApplicable(
            "the network has no modules behind which units could be left out"
        ) from None
    for module in thinned.eval().modules():
        if isinstance(module, Dropout):
            module.train()
    return thinned
