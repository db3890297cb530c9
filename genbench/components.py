"""What a component is: the decorators that declare one, and what is read off its signature.

A decorator returns its object unchanged and only leaves a `Declaration` on it. Nothing is registered: the
host collects declared objects from the plugins that it loads.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from genbench.canonical import canonical_json
from genbench.errors import InvalidInput

__all__ = [
    "ROOTS",
    "Component",
    "Declaration",
    "ForwardedSetting",
    "Kind",
    "Need",
    "Setting",
    "dataset",
    "declaration",
    "describe",
    "executor",
    "field_settings",
    "measure",
    "model",
    "need",
    "probe",
    "protocol",
    "regularizer",
    "setting",
    "statistic",
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
    "generator": "a random generator on that device, seeded for this fit and this component",
    "snapshots": "weights along training, a list of (step, state dict)",
    "validation": "a split taken out of the training data and never trained on",
    "siblings": "the fits of the same configuration with other seeds, a list of networks",
}
"""Given from the start, not computed; no probe may take one of these names."""

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
    """A probe or root that a component needs, with the probe's settings."""

    name: str
    settings: tuple[tuple[str, Any], ...] = ()

    def resolved(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The probe's settings, forwarded ones taken from `own`, the settings of the needing component.

        Raises
        ------
        InvalidInput
            A setting that is passed on has no default and was not given.
        """
        resolved = {}
        for key, value in self.settings:
            if isinstance(value, ForwardedSetting):
                if value.name not in own:
                    raise InvalidInput(f"setting '{value.name}' must be given")
                value = own[value.name]
            resolved[key] = value
        return resolved


def need(probe: str, **settings: Any) -> Any:
    """Name a probe, with settings, as the default of a parameter.

    Parameters
    ----------
    probe : str
        The probe's name; ``"plugin:name"`` for a probe of another plugin.
    **settings
        Settings of that probe. ``genbench.setting("kernel")`` passes on the component's own setting.

    Examples
    --------
    >>> import genbench
    >>> @genbench.measure(family="spectral", direction="+", source="Jiang et al. 2020, eq. 32")
    ... def log_prod_of_spec(norms=genbench.need("spectral_norms", kernel="operator")):
    ...     return sum(2 * norm.log() for norm in norms.values())
    """
    return Need(probe, tuple(sorted(settings.items())))


def setting(name: str) -> ForwardedSetting:
    """Pass the component's own setting `name` on to a probe, inside `need`."""
    return ForwardedSetting(name)


@dataclasses.dataclass(frozen=True)
class Setting:
    """A hyperparameter of a component: keyword-only parameter of a function, field of a class."""

    name: str
    annotation: Any
    default: Any = dataclasses.MISSING

    @property
    def required(self) -> bool:
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

    @property
    def kind(self) -> Kind:
        return self.declared.kind

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def version(self) -> int:
        return self.declared.version

    @property
    def full_name(self) -> str:
        """``plugin:name``; components of the core have bare names."""
        return self.name if self.plugin == "core" else f"{self.plugin}:{self.name}"

    @property
    def documentation(self) -> str:
        return inspect.getdoc(self.object) or ""

    @property
    def summary(self) -> str:
        return self.documentation.partition("\n")[0]

    def defaults(self) -> dict[str, Any]:
        return {name: each.default for name, each in self.settings.items() if not each.required}


def _decorator(kind: Kind) -> Callable[..., Any]:
    def decorate(target: Any = None, **declared: Any) -> Any:
        if target is None:
            return lambda decorated: decorate(decorated, **declared)
        name = declared.pop("name", None) or _default_name(kind, target)
        if "aliases" in declared:
            declared["aliases"] = tuple(declared["aliases"])
        if kind in (Kind.REGULARIZER, Kind.PROTOCOL):
            _freeze(target)
        if kind in (Kind.REGULARIZER, Kind.PROTOCOL) and "__dataclass_fields__" not in vars(target):
            # A class without the decorator would inherit its base's fields and silently lose its own.
            dataclasses.dataclass(frozen=True, kw_only=True)(target)
        target.__genbench__ = Declaration(kind=kind, name=name, **declared)
        return target

    return decorate


def _freeze(target: Any) -> None:
    """Make a class whose base is a frozen dataclass one itself, so that its annotated fields are settings."""
    is_derived = inspect.isclass(target) and dataclasses.is_dataclass(target)
    if is_derived and "__dataclass_fields__" not in vars(target):
        dataclasses.dataclass(frozen=True, kw_only=True)(target)


def _default_name(kind: Kind, target: Any) -> str:
    """Measures, probes and statistics keep their underscores; what a suite names has hyphens."""
    name = target.__name__
    if inspect.isclass(target):
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    if kind in (Kind.MEASURE, Kind.PROBE, Kind.STATISTIC):
        return name
    return name.replace("_", "-")


def dataset(
    target: Any = None, /, *, name: str | None = None, version: int = 1, source: str = "",
    checksum: str | None = None, task: Any = None,
) -> Any:  # fmt: skip
    """Declare a data set: ``def digits(root, *, settings) -> genbench.Data``.

    Parameters
    ----------
    checksum : str, optional
        What `Data.checksum` will be for every setting. With it and `task`, planning needs no data.
    task : Task or callable, optional
        The task, or a function from the settings (keyword arguments) to it.
    """
    return _decorator(Kind.DATASET)(
        target, name=name, version=version, source=source, checksum=checksum, task=task
    )


def model(
    target: Any = None, /, *, name: str | None = None, version: int = 1, source: str = "",
    aliases: typing.Sequence[str] = (),
) -> Any:  # fmt: skip
    """Declare a model: ``def mlp(task, *, settings) -> nn.Module``."""
    return _decorator(Kind.MODEL)(target, name=name, version=version, source=source, aliases=aliases)


def regularizer(
    target: Any = None, /, *, name: str | None = None, version: int = 1, source: str = "",
    aliases: typing.Sequence[str] = (),
) -> Any:  # fmt: skip
    """Declare a regularizer: a class derived from `genbench.Regularizer`; its annotated fields are settings.

    A class that is no dataclass yet becomes a frozen one.
    """
    return _decorator(Kind.REGULARIZER)(target, name=name, version=version, source=source, aliases=aliases)


def protocol(target: Any = None, /, *, name: str | None = None, version: int = 1, source: str = "") -> Any:
    """Declare a protocol: a class derived from `genbench.Protocol`; fields with other defaults are its own.

    A class that is no dataclass yet becomes a frozen one.
    """
    return _decorator(Kind.PROTOCOL)(target, name=name, version=version, source=source)


def probe(target: Any = None, /, *, name: str | None = None, version: int = 1, cost: str = "A") -> Any:
    """Declare a probe: a function whose parameters name the probes and roots that it needs.

    Parameters
    ----------
    cost : {"A", "B", "C", "D", "E", "F"}
        What the probe itself does, from weights only (A) to the training trajectory (F).
    """
    return _decorator(Kind.PROBE)(target, name=name, version=version, cost=cost)


def measure(
    target: Any = None, /, *, family: str, direction: str, source: str = "", formula: str = "",
    name: str | None = None, version: int = 1, cost: str = "A", aliases: typing.Sequence[str] = (),
) -> Any:  # fmt: skip
    """Declare a measure: a function of probes and roots that returns one number.

    Parameters
    ----------
    family : str
        Measures of one family are chosen together with ``family:NAME``.
    direction : {"+", "-", "?"}
        ``+`` when a larger value is supposed to mean a larger gap.
    source : str
        Paper and equation.
    cost : {"A", "B", "C", "D", "E", "F"}
        What the function itself adds to the cost of its probes; weights only where left out.
    """
    return _decorator(Kind.MEASURE)(
        target, family=family, direction=direction, source=source, formula=formula,
        name=name, version=version, cost=cost, aliases=aliases,
    )  # fmt: skip


def statistic(target: Any = None, /, *, name: str | None = None, version: int = 1, source: str = "") -> Any:
    """Declare a statistic: ``def spearman(values, target, axes, groups, weights) -> float``."""
    return _decorator(Kind.STATISTIC)(target, name=name, version=version, source=source)


def executor(target: Any = None, /, *, name: str | None = None, version: int = 1) -> Any:
    """Declare an executor: a class with ``submit(job)``, ``results()``, ``cancel(id)``, ``close()``."""
    return _decorator(Kind.EXECUTOR)(target, name=name, version=version)


def declaration(target: Any) -> Declaration | None:
    """The declaration left on an object itself; one inherited from a base class does not count."""
    if not (inspect.isfunction(target) or inspect.isclass(target)):
        return None
    found = vars(target).get("__genbench__")
    return found if isinstance(found, Declaration) else None


# What a component of each kind receives, in order; None: the parameters are needs.
_ARGUMENTS: Mapping[Kind, tuple[str, ...] | None] = {
    Kind.DATASET: ("root",),
    Kind.MODEL: ("task",),
    Kind.STATISTIC: ("values", "target", "axes", "groups", "weights"),
    Kind.PROBE: None,
    Kind.MEASURE: None,
}


def describe(target: Any, plugin: str, source_hash: str = "", keyed_by_source: bool = False) -> Component:
    """Read a declared object's signature into a `Component`.

    Raises
    ------
    InvalidInput
        The signature or the declaration is not what its kind asks for.
    """
    declared = declaration(target)
    if declared is None:
        raise InvalidInput(f"{target!r} is not declared as a component")
    where = f"{declared.kind} '{declared.name}'"
    _check_declaration(declared, where)
    needs: dict[str, Need] = {}
    if declared.kind in (Kind.REGULARIZER, Kind.PROTOCOL):
        base = _base(declared.kind)
        if not (inspect.isclass(target) and issubclass(target, base)):
            raise InvalidInput(f"{where}: must be a class derived from genbench.{base.__name__}")
        settings = field_settings(target)
    else:
        settings, needs = _signature(target, declared.kind, where)
    if declared.kind is Kind.EXECUTOR:
        settings = {}  # what it takes is given by the runner, not by suites
    _check_defaults(settings, where)
    return Component(declared, plugin, target, settings, needs, source_hash, keyed_by_source)


def _base(kind: Kind) -> type:
    from genbench.training.protocol import Protocol
    from genbench.training.regularizer import Regularizer

    return Regularizer if kind is Kind.REGULARIZER else Protocol


def _check_defaults(settings: Mapping[str, Setting], where: str) -> None:
    """Settings are plain data: they stand in suites, tables, records and keys."""
    for each in settings.values():
        try:
            canonical_json(None if each.required else each.default)
        except (TypeError, ValueError):
            raise InvalidInput(
                f"{where}: the default of setting '{each.name}' must be a finite number, a text, True, "
                f"False, None, or a list or table of these, not {each.default!r}"
            ) from None


def _check_declaration(declared: Declaration, where: str) -> None:
    if not isinstance(declared.name, str) or not re.fullmatch(NAME, declared.name):
        raise InvalidInput(f"{where}: a name has letters, digits and . _ + - only")
    if not all(isinstance(each, str) and re.fullmatch(NAME, each) for each in declared.aliases):
        raise InvalidInput(f"{where}: an alias has letters, digits and . _ + - only")
    if isinstance(declared.version, bool) or not isinstance(declared.version, int) or declared.version < 1:
        raise InvalidInput(f"{where}: version is a whole number from 1, not {declared.version!r}")
    if declared.direction not in DIRECTIONS:
        raise InvalidInput(f"{where}: direction is one of + - ?, not {declared.direction!r}")
    if declared.cost not in COST_CLASSES:
        raise InvalidInput(f"{where}: cost is one of {' '.join(COST_CLASSES)}, not {declared.cost!r}")
    if declared.kind is Kind.PROBE and declared.name in ROOTS:
        raise InvalidInput(f"{where}: the name is reserved, it is {ROOTS[declared.name]}")


def field_settings(target: Any) -> dict[str, Setting]:
    """The fields of a dataclass as settings."""
    hints = _hints(target)
    return {
        field.name: Setting(field.name, hints.get(field.name, Any), _field_default(field))
        for field in dataclasses.fields(target)
        if field.init
    }


def _field_default(field: dataclasses.Field[Any]) -> Any:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def _signature(target: Any, kind: Kind, where: str) -> tuple[dict[str, Setting], dict[str, Need]]:
    function = target.__init__ if inspect.isclass(target) else target
    hints = _hints(function)
    settings: dict[str, Setting] = {}
    positional: dict[str, inspect.Parameter] = {}
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            default = dataclasses.MISSING if parameter.default is parameter.empty else parameter.default
            settings[parameter.name] = Setting(parameter.name, hints.get(parameter.name, Any), default)
        elif parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            positional[parameter.name] = parameter
        else:
            raise InvalidInput(
                f"{where}: '{parameter}' cannot be read as a need or a setting: no *args, no **kwargs, no '/'"
            )
    arguments = _ARGUMENTS.get(kind, ())
    if arguments is not None:
        if tuple(positional) != arguments:
            raise InvalidInput(
                f"{where}: its positional parameters must be ({', '.join(arguments)}), "
                f"not ({', '.join(positional)}); settings go behind '*'"
            )
        return settings, {}
    return settings, {name: _read_need(each, settings, where) for name, each in positional.items()}


def _read_need(parameter: inspect.Parameter, settings: Mapping[str, Setting], where: str) -> Need:
    if parameter.default is parameter.empty:
        return Need(parameter.name)
    if not isinstance(parameter.default, Need):
        raise InvalidInput(
            f"{where}: parameter '{parameter.name}' has a default; a setting goes behind '*', "
            "a need takes genbench.need(...)"
        )
    for _, value in parameter.default.settings:
        if isinstance(value, ForwardedSetting) and value.name not in settings:
            raise InvalidInput(f"{where}: passes on a setting '{value.name}' that it does not have")
    return parameter.default


def _hints(target: Any) -> dict[str, Any]:
    """Annotations as types; those that name something not importable at run time count as unchecked."""
    try:
        return typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError):
        raw = inspect.get_annotations(target)
        return {name: each for name, each in raw.items() if not isinstance(each, str)}
