"""From a declared object to a component: what its signature says of settings and needs, checked."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Mapping
from typing import Any

from genbench.base.canonical import canonical_json
from genbench.base.errors import InvalidInput
from genbench.base.names import CORE
from genbench.contract.components import (
    COST_CLASSES,
    DIRECTIONS,
    NAME,
    ROOTS,
    Component,
    Declaration,
    ForwardedSetting,
    Kind,
    Need,
    Setting,
    declaration,
)
from genbench.host.mistakes import executor_mistakes, field_mistakes, method_mistakes
from genbench.host.settings import forbidden_defaults

__all__ = ["check_declaration", "check_defaults", "describe", "field_settings"]

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

    Settings that it shares with probes are not among its settings yet, see
    `genbench.host.sharing.complete_shared`.

    Raises
    ------
    InvalidInput
        The signature or the declaration is not what its kind asks for.
    """
    declared = declaration(target)
    if declared is None:
        raise InvalidInput(f"{target!r} is not declared as a component")
    where = f"{declared.kind} '{declared.name}'"
    check_declaration(declared, where)
    needs: dict[str, Need] = {}
    if declared.kind in (Kind.REGULARIZER, Kind.PROTOCOL):
        base = _base(declared.kind)
        if not (inspect.isclass(target) and issubclass(target, base)):
            raise InvalidInput(f"{where}: must be a class derived from genbench.{base.__name__}")
        if mistakes := [*method_mistakes(target, base), *field_mistakes(target)]:
            raise InvalidInput([f"{where}: {each}" for each in mistakes])
        settings = field_settings(target)
    else:
        settings, needs = _signature(target, declared.kind, where)
    if declared.kind is Kind.EXECUTOR:
        settings = {}  # what it takes is given by the runner, not by suites
        if mistakes := executor_mistakes(target):
            raise InvalidInput([f"{where}: {each}" for each in mistakes])
    check_defaults(settings, where)
    if plugin != CORE and (problems := forbidden_defaults(settings)):  # the core has tests for its own
        raise InvalidInput([f"{where}: {each}" for each in problems])
    return Component(declared, plugin, target, settings, needs, source_hash, keyed_by_source)


def _base(kind: Kind) -> type:
    from genbench.contract.protocol import Protocol
    from genbench.contract.regularizer import Regularizer

    return Regularizer if kind is Kind.REGULARIZER else Protocol


def check_defaults(settings: Mapping[str, Setting], where: str) -> None:
    """Settings are plain data: they stand in suites, tables, records and keys."""
    for each in settings.values():
        if not each.required:
            _check_plain(each.default, f"{where}: the default of setting '{each.name}'")


def _check_plain(value: Any, what: str) -> None:
    try:
        canonical_json(value)
        json.dumps(value, default=dict)  # members of enumerations that are neither texts nor numbers are none
    except (TypeError, ValueError):
        raise InvalidInput(
            f"{what} must be a finite number, a text, True, False, None, or a list or table of these, "
            f"not {value!r}"
        ) from None


def check_declaration(declared: Declaration, where: str) -> None:
    """Raise `InvalidInput` for what no component may declare of itself."""
    if not isinstance(declared.name, str) or not re.fullmatch(NAME, declared.name):
        raise InvalidInput(f"{where}: a name has letters, digits and . _ + - only")
    if not isinstance(declared.aliases, tuple):
        raise InvalidInput(f"{where}: aliases is a list of names, not {declared.aliases!r}")
    if not all(isinstance(each, str) and re.fullmatch(NAME, each) for each in declared.aliases):
        raise InvalidInput(f"{where}: an alias has letters, digits and . _ + - only")
    if isinstance(declared.version, bool) or not isinstance(declared.version, int) or declared.version < 1:
        raise InvalidInput(f"{where}: version is a whole number from 1, not {declared.version!r}")
    if declared.direction not in DIRECTIONS:
        raise InvalidInput(f"{where}: direction is one of + - ?, not {declared.direction!r}")
    if declared.cost not in COST_CLASSES:
        raise InvalidInput(f"{where}: cost is one of {' '.join(COST_CLASSES)}, not {declared.cost!r}")
    if not isinstance(declared.checksum, str | None):
        raise InvalidInput(f"{where}: checksum is a text, not {declared.checksum!r}")
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
    needs = {name: _read_need(each, where) for name, each in positional.items()}
    for need in needs.values():
        _check_need(need, settings, needs, where)
    return settings, needs


def _read_need(parameter: inspect.Parameter, where: str) -> Need:
    if parameter.default is parameter.empty:
        return Need(parameter.name)
    if not isinstance(parameter.default, Need):
        raise InvalidInput(
            f"{where}: parameter '{parameter.name}' has a default; a setting goes behind '*', "
            "a need takes genbench.need(...)"
        )
    if not isinstance(parameter.default.name, str):
        raise InvalidInput(
            f"{where}: parameter '{parameter.name}' needs a probe by its name, a text, "
            f"not {parameter.default.name!r}"
        )
    return parameter.default


def _check_need(need: Need, settings: Mapping[str, Setting], needs: Mapping[str, Need], where: str) -> None:
    """What can be said of a need without its probe; the rest is for `genbench.host.sharing`."""
    if need.shared and need.name in ROOTS:
        raise InvalidInput(f"{where}: needs '{need.name}', which takes no settings")
    chosen = dict(need.settings)
    for name in need.shared:
        if not isinstance(name, str):
            raise InvalidInput(f"{where}: what it shares with '{need.name}' is a list of names, not {name!r}")
        if name in settings:
            raise InvalidInput(f"{where}: shares '{name}' with '{need.name}' and declares it itself")
        if name in chosen:
            raise InvalidInput(f"{where}: shares '{name}' with '{need.name}' and chooses it as well")
    known = {*settings, *(name for each in needs.values() for name in each.shared)}
    for name, value in chosen.items():
        if not isinstance(value, ForwardedSetting):
            _check_plain(value, f"{where}: setting '{name}' of '{need.name}'")
        elif not isinstance(value.name, str) or value.name not in known:
            raise InvalidInput(f"{where}: passes on a setting '{value.name}' that it does not have")


def _hints(target: Any) -> dict[str, Any]:
    """Annotations as types; those that name something not importable at run time count as unchecked."""
    try:
        return typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError):
        raw = inspect.get_annotations(target)
        return {name: each for name, each in raw.items() if not isinstance(each, str)}
