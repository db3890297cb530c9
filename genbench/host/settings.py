"""The settings of components: checked, completed with defaults, and spelled in one way.

A variant is a component with settings other than its defaults: ``inverse_margin[quantile=0.05]``.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from typing import Any, get_args

from genbench.base.canonical import canonical_json
from genbench.base.errors import InvalidInput, explained, nearest
from genbench.contract.components import Component, Setting
from genbench.host.annotations import OtherType, is_plain

__all__ = [
    "NONE",
    "check",
    "complete",
    "forbidden_defaults",
    "parse_variant",
    "read_literal",
    "spell",
    "split_at_commas",
]

NONE = "none"
"""How None is written where there is no word for it, as in TOML; settings that cannot be None see a text."""


def complete(component: Component, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a component: those given, checked, and the defaults of the others.

    Raises
    ------
    InvalidInput
        With a line for each unknown name, wrong type, value out of range and missing setting.
    """
    settings, problems = check(component, given)
    if problems:
        raise InvalidInput([f"{component.kind} '{component.full_name}': {each}" for each in problems])
    return settings


def check(component: Component, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The completed settings, and what is wrong with those given, a line each."""
    problems = []
    settings = component.defaults()
    for name, value in given.items():
        known = component.settings.get(name)
        if known is None:
            problems.append(f"unknown setting '{name}'{nearest(name, component.settings)}")
            continue
        try:
            settings[name] = _checked(known, value)
        except ValueError as problem:
            problems.append(f"{name} = {_quoted(value)}: {problem}")
    missing = [name for name, each in component.settings.items() if each.required and name not in given]
    problems += [f"setting '{name}' must be given" for name in missing]
    return settings, problems


def forbidden_defaults(settings: Mapping[str, Setting]) -> list[str]:
    """A line for each default that its own annotation forbids.

    None stands for a setting that is not given, whatever type it would have. Types that no plain data
    describe are left to whoever gives a value.
    """
    problems = []
    for name, each in settings.items():
        if each.required or each.default is None or not is_plain(each.annotation):
            continue
        try:
            _checked(each, each.default)
        except ValueError as problem:
            problems.append(f"the default of setting {name} = {_quoted(each.default)}: {problem}")
    return problems


def _checked(known: Setting, value: Any) -> Any:
    """The value as its annotation wants it: 1 becomes 1.0 for a float, a list a tuple.

    Checked as strict JSON, since settings come from files, command lines and records alike: a number
    in quotes is a string, and true is no number.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        raise ValueError("a number must be finite") from None
    except TypeError:
        raise ValueError(f"a setting cannot be a {type(value).__name__}") from None
    if known.annotation is Any:
        return value
    if isinstance(known.annotation, OtherType):
        return known.annotation.check(value)
    from pydantic import PydanticUserError, ValidationError

    try:
        return _adapter(known.annotation).validate_json(text, strict=True)
    except ValidationError as fault:
        if value == NONE and types.NoneType in get_args(known.annotation):
            return None
        raise ValueError(_explained(fault.errors()[0], value)) from None
    except PydanticUserError:
        raise ValueError(
            f"no value can be given: its annotation {known.annotation} is no plain type"
        ) from None


@lru_cache(maxsize=256)
def _adapter(annotation: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(annotation)


def _explained(fault: Mapping[str, Any], value: Any) -> str:
    message = explained(fault).replace("a valid ", "a ").replace("a integer", "an integer")
    if fault["type"] == "literal_error" and isinstance(value, str):
        message += nearest(value, re.findall(r"'([^']*)'", message))
    meant = read_literal(value) if isinstance(value, str) else value
    if "an integer" in message and isinstance(meant, float) and meant.is_integer():
        meant = int(meant)
    if meant is not value and isinstance(meant, int | float) and not isinstance(meant, bool):
        message += f"; write {meant}" if "an integer" in message or "a number" in message else ""
    return message


def parse_variant(text: str) -> tuple[str, dict[str, Any]]:
    """Split ``name[key=value,...]`` into the name and its settings, unchecked.

    Raises
    ------
    InvalidInput
        The brackets or a ``key=value`` are malformed.
    """
    name, bracket, inside = text.strip().partition("[")
    name = name.strip()
    closed = inside.endswith("]") if bracket else "]" not in name
    inside = inside.removesuffix("]")
    if not name or "]" in name or not closed or not _is_balanced(inside):
        raise InvalidInput(f"'{text[:200]}': a variant is spelled name[key=value,...]")
    settings: dict[str, Any] = {}
    for part in split_at_commas(inside or ""):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise InvalidInput(f"'{text}': '{part}' is not key=value")
        if key.strip() in settings:
            raise InvalidInput(f"'{text}': '{key.strip()}' is given twice")
        settings[key.strip()] = read_literal(value.strip())
    return name, settings


def split_at_commas(text: str) -> list[str]:
    """Split at the commas that stand outside brackets and quotes; parts are stripped, empty ones left out."""
    commas = [place for place, character, depth in _unquoted(text) if character == "," and depth == 0]
    starts, ends = [0, *(comma + 1 for comma in commas)], [*commas, len(text)]
    parts = (text[start:end].strip() for start, end in zip(starts, ends, strict=True))
    return [part for part in parts if part]


def _is_balanced(text: str) -> bool:
    depths = [depth for _, _, depth in _unquoted(text)]
    return not depths or (min(depths) >= 0 and depths[-1] == 0)


def _unquoted(text: str) -> Iterator[tuple[int, str, int]]:
    """Place, character, and how many brackets are open behind it, for each character outside quotes."""
    depth = 0
    # A quote is taken whole, with what is escaped in it.
    for match in re.finditer(r'"(?:\\.|[^"\\])*"|.', text, flags=re.DOTALL):
        character = match.group()
        depth += (character in ("[", "{")) - (character in ("]", "}"))
        yield match.start(), character, depth


def read_literal(text: str) -> Any:
    """A value as it is written in a variant or behind ``--set``: JSON where it is JSON, else a string.

    A number may also be written as in other languages: ``.1``, ``1.``, ``+1``. JSON has neither NaN nor
    infinities: these are strings.
    """
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        pass
    if _NUMBER.fullmatch(text):
        with suppress(ValueError):  # Python reads no integer of thousands of digits
            return int(text) if text.lstrip("+-").isdigit() else float(text)
    return text


# What JSON does not take for a number: its sign is a plus, or no digit stands before or behind its point.
_NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?", flags=re.ASCII)


def _not_json(word: str) -> Any:
    raise ValueError(word)


def spell(component: Component, settings: Mapping[str, Any]) -> str:
    """The one spelling of a variant: keys sorted, defaults left out.

    Examples
    --------
    ``inverse_margin``, ``inverse_margin[quantile=0.05]``, ``mine:margin[kind=operator,order=2]``
    """
    defaults = component.defaults()
    chosen = [
        f"{name}={_literal(value)}"
        for name, value in sorted(settings.items())
        if name not in defaults or not _same(defaults[name], value)
    ]
    return component.full_name + (f"[{','.join(chosen)}]" if chosen else "")


def _same(one: Any, other: Any) -> bool:
    """Whether two settings have the same canonical JSON."""
    if one is other or (type(one) is type(other) and isinstance(one, _ATOMS) and one == other):
        return True
    return canonical_json(one) == canonical_json(other)


# Equal ones of a type are written alike.
_ATOMS = (bool, int, float, str)


def _literal(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) and re.fullmatch(r"[^\s\[\]{},='\"]+", value) and read_literal(value) == value:
        return value
    try:
        return canonical_json(value)
    except (TypeError, ValueError):  # no setting can be this, but an error message quotes it
        return repr(value)


def _quoted(value: Any) -> str:
    """A value in a message: 16.0 is not told as the 16 that it is in a key."""
    return repr(value) if isinstance(value, float) else _literal(value)
