"""Which submodules play which role, for hooks: named by the network itself, or found by its structure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from genbench.networks.kinds import is_empty
from genbench.networks.watching import called

__all__ = ["ROLES", "in_order_of_calls", "module_roles"]

ROLES: Mapping[str, str] = {
    "block_outputs": "the modules whose outputs are those of the blocks, or of the layers of a plain network",
    "normalizations": "all normalizations",
    "block_normalizations": "the normalizations inside the blocks",
    "encoder": "the module between the inputs and pooling or classifier",
    "classifier": "the last layer, which yields the outputs",
    "generalization_layers": "layers that a regularizer added to the network",
}

# Their common base classes are private in torch, the names are not.
_NORMALIZATIONS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)

_CONTAINERS = (nn.Sequential, nn.ModuleList)


def module_roles(model: nn.Module, examples: Tensor | None = None) -> dict[str, list[str]]:
    """Names of submodules by role, in the order in which a pass calls them.

    A network may have an attribute ``roles``, a dictionary from role to names of submodules; what it does not
    name is found by structure: normalizations by type, the classifier as the last linear layer (else the last
    convolution), the blocks as the composite members of sequences. An encoder cannot be found so.

    Parameters
    ----------
    examples : Tensor, shape (n, *input_shape), optional
        What the network takes, two are enough: what a pass does not call has no role then. Without it, and
        where the calls cannot be seen, the order is that of definition.

    Returns
    -------
    dict from str to list of str
        All of `ROLES`, with an empty list where there is none, and roles of the network's own.
    """
    roles = {**_derived(model, examples), **getattr(model, "roles", {})}
    blocks = tuple(f"{name}." for name in roles["block_outputs"])
    inside = [name for name in roles["normalizations"] if name.startswith(blocks)]
    return {"block_normalizations": inside, **roles}


def in_order_of_calls(names: Iterable[str], calls: Sequence[str]) -> list[str]:
    """The names that are called, by their first calls; all as they are where no call was seen."""
    if not calls:
        return list(names)
    wanted = set(names)
    return [name for name in dict.fromkeys(calls) if name in wanted]


def _derived(model: nn.Module, examples: Tensor | None) -> dict[str, list[str]]:
    calls = [] if examples is None else called(model, examples)
    modules = dict(model.named_modules())
    # The classifier is called last, whatever was called before that.
    last = list(reversed(list(dict.fromkeys(reversed(calls))))) or list(modules)
    last = [name for name in last if not is_empty(modules[name])]
    linear = [name for name in last if isinstance(modules[name], nn.Linear)]
    convolutions = [name for name in last if isinstance(modules[name], nn.Conv2d)]
    normalizations = [name for name, each in modules.items() if isinstance(each, _NORMALIZATIONS)]
    return {
        "block_outputs": in_order_of_calls(_blocks(model), calls),
        "normalizations": in_order_of_calls(normalizations, calls),
        "encoder": [],
        "generalization_layers": [],
        "classifier": (linear or convolutions)[-1:],
    }


def _blocks(module: nn.Module, prefix: str = "", inside_sequence: bool = False) -> list[str]:
    """The outermost composite members of sequences that are not themselves mere sequences."""
    names = []
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if isinstance(child, _NORMALIZATIONS) or next(child.children(), None) is None:
            continue
        if inside_sequence and type(child) not in _CONTAINERS:
            names.append(path)
        else:
            names.extend(_blocks(child, f"{path}.", isinstance(child, _CONTAINERS)))
    return names
