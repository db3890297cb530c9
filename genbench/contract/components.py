"""What a component is, in plain data: its declaration, its settings, its needs.

The decorators that declare one live in `genbench.contract.decorators`; what is read off an object's
signature, in `genbench.host.signatures`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from genbench.base.errors import InvalidInput
from genbench.base.names import CORE

__all__ = [
    "COST_CLASSES",
    "DIRECTIONS",
    "NAME",
    "ROOTS",
    "ROOT_COSTS",
    "ROOT_SHAPES",
    "Component",
    "Declaration",
    "ForwardedSetting",
    "Kind",
    "Need",
    "Setting",
    "declaration",
]


class Kind(StrEnum):
    """The kinds of components; the value is the word used on the command line (plural adds an s)."""

    DATASET = "dataset"
    MODEL = "model"
    REGULARIZER = "regularizer"
    PROTOCOL = "protocol"
    PROBE = "probe"
    MEASURE = "measure"
    STATISTIC = "statistic"
    EXECUTOR = "executor"


ROOTS: Mapping[str, str] = {
    "model": "the trained network, in evaluation mode",
    "initial_model": "the network as it was initialized",
    "inputs": "the training inputs as trained on, not augmented, shape (n, *input_shape)",
    "targets": "the training targets as trained on, noisy labels included, shape (n,) or (n, outputs)",
    "task": "what is learned: kind, input shape, number of outputs",
    "history": "columns recorded along training, each a list with one entry per evaluation",
    "protocol": "how the network was trained",
    "device": "the device on which to compute",
    "generator": "a random generator, seeded for this fit and this component, the same on every device",
    "snapshots": "weights along training, a list of (step, state dict) in order",
    "validation": "a split taken out of the training data and never trained on",
    "siblings": "the fits of this configuration with other seeds, a list of networks that take these inputs",
}
"""Given from the start, not computed; no probe may take one of these names."""

ROOT_SHAPES: Mapping[str, str] = {
    "model": "takes inputs (n, *task.input_shape), returns outputs (n, task.outputs)",
    "initial_model": "as `model`",
    "inputs": "(n, *task.input_shape), floating point",
    "targets": "(n,) int64 classes; (n, task.outputs) floating point in regression",
    "task": "genbench.Task(kind, input_shape, outputs)",
    "history": "dict of lists: epoch, step, train_loss, train_error, batch_loss, learning_rate",
    "protocol": "genbench.Protocol",
    "device": "torch.device",
    "generator": "torch.Generator",
    "snapshots": "list of (step, dict from name to tensor)",
    "validation": "genbench.Split(inputs, targets), shaped as those of training",
    "siblings": "list of networks as `model`",
}
"""The shape or type of each root."""

COST_CLASSES: Mapping[str, str] = {
    "A": "weights only",
    "B": "forward passes",
    "C": "one backward pass or Jacobian",
    "D": "per-example gradients or Hessian products",
    "E": "searches",
    "F": "the training trajectory",
}

DIRECTIONS = ("+", "-", "?")

# What components and plugins may be called.
NAME = r"[A-Za-z0-9_][\w.+-]*"

# What a root that is used directly, without a probe between, adds to the cost class.
ROOT_COSTS: Mapping[str, str] = {"history": "F", "snapshots": "F"}


@dataclasses.dataclass(frozen=True)
class ForwardedSetting:
    """Stands in a need for a setting of the component that has the need."""

    name: str


@dataclasses.dataclass(frozen=True)
class Need:
    """A probe or root that a component needs, with the probe's settings.

    Attributes
    ----------
    shared : tuple of str
        Settings of the probe that are settings of the component too, passed on as they are.
    """

    name: str
    settings: tuple[tuple[str, Any], ...] = ()
    shared: tuple[str, ...] = ()

    def resolved(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The probe's settings, forwarded ones taken from `own`, the settings of the needing component.

        Raises
        ------
        InvalidInput
            A setting that is passed on has no default and was not given.
        """
        resolved = {}
        for key, value in (*self.settings, *((name, ForwardedSetting(name)) for name in self.shared)):
            if isinstance(value, ForwardedSetting):
                if value.name not in own:
                    raise InvalidInput(f"setting '{value.name}' must be given")
                value = own[value.name]
            resolved[key] = value
        return resolved


@dataclasses.dataclass(frozen=True)
class Setting:
    """A hyperparameter of a component: keyword-only parameter of a function, field of a class.

    Attributes
    ----------
    origin : Component, optional
        The probe that declares it, where the component shares it with a probe.
    """

    name: str
    annotation: Any
    default: Any = dataclasses.MISSING
    origin: Component | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def required(self) -> bool:
        """Whether it must be given, having no default."""
        return self.default is dataclasses.MISSING


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What a decorator leaves on the object that it decorates."""

    kind: Kind
    name: str
    version: int = 1
    aliases: tuple[str, ...] = ()
    family: str = ""
    direction: str = "?"
    source: str = ""
    formula: str = ""
    cost: str = "A"
    checksum: str | None = None
    task: Any = None
    examples: Any = None
    capturable: bool | str | None = None
    test_examples: Any = None


@dataclasses.dataclass(frozen=True)
class Component:
    """A declared object together with the plugin that it comes from and what its signature says."""

    declared: Declaration
    plugin: str
    object: Any
    settings: Mapping[str, Setting]
    needs: Mapping[str, Need]
    source_hash: str = ""
    keyed_by_source: bool = False
    package: str = ""

    @property
    def code(self) -> str:
        """What enters the keys of values beside the declared version; empty for the core.

        The hash of the module, behind the name and version of its package where that is installed: a formula
        that changes without a new declared version must not mix with what it was.
        """
        if self.keyed_by_source:
            return self.source_hash
        return f"{self.package} {self.source_hash}" if self.package else ""

    @property
    def kind(self) -> Kind:
        """What it is, as declared."""
        return self.declared.kind

    @property
    def name(self) -> str:
        """As declared, without the plugin's."""
        return self.declared.name

    @property
    def version(self) -> int:
        """As declared; a new one means new results under the same name."""
        return self.declared.version

    @property
    def full_name(self) -> str:
        """``plugin:name``; components of the core have bare names."""
        return self.name if self.plugin == CORE else f"{self.plugin}:{self.name}"

    @property
    def documentation(self) -> str:
        """The object's docstring without its indentation; empty where there is none."""
        return inspect.getdoc(self.object) or ""

    @property
    def summary(self) -> str:
        """The first line of the documentation."""
        return self.documentation.partition("\n")[0]

    @property
    def shared(self) -> frozenset[str]:
        """Names of the settings that only the probes below take, not the object itself."""
        return frozenset(name for need in self.needs.values() for name in need.shared)

    def defaults(self) -> dict[str, Any]:
        """The settings that need not be given, by name."""
        return {name: each.default for name, each in self.settings.items() if not each.required}


def declaration(target: Any) -> Declaration | None:
    """The declaration left on an object itself; one inherited from a base class does not count."""
    if not (inspect.isfunction(target) or inspect.isclass(target)):
        return None
    found = vars(target).get("__genbench__")
    return found if isinstance(found, Declaration) else None
