"""What a set of laws is: methods named ``test_*``, each one promise of a component.

pytest collects a class that derives from one of the sets and whose name begins with ``Test``;
`genbench.testing.checking` runs the same methods without it.
"""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NoReturn, TypeVar

from genbench.base.errors import first_line
from genbench.contract.components import Component, Kind, declaration
from genbench.host import Host
from genbench.host.settings import complete, parse_variant

__all__ = ["Broken", "Laws", "Verdict", "leave_out"]

T = TypeVar("T")


class Broken(AssertionError):
    """A component does not keep a law; the text says what it did."""


def leave_out(why: str) -> NoReturn:
    """Say that a law cannot be tried here; pytest counts it as skipped."""
    raise unittest.SkipTest(why)


@dataclass(frozen=True)
class Verdict:
    """What became of one law.

    Attributes
    ----------
    law : str
        The method's name without ``test_``.
    status : {"holds", "broken", "left out"}
    why : str
        What the component did, or why the law could not be tried.
    """

    law: str
    status: Literal["holds", "broken", "left out"]
    why: str = ""


class Laws:
    """Base of the sets of laws; derive from one of them and say of which component they are to hold.

    Attributes
    ----------
    component
        The decorated function or class itself, or its name, such as ``"mine:my_measure"``; a variant,
        ``"mine:my_measure[power=2]"``, has its settings.
    settings : mapping
        Settings without a default that it needs, or others than its defaults.
    plugins : tuple of str
        Files or modules to load beside the installed plugins.
    """

    kind: ClassVar[Kind]
    component: ClassVar[Any] = None
    settings: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    plugins: ClassVar[tuple[str, ...]] = ()
    _known: ClassVar[dict[Any, Any]] = {}

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls._known = {}

    def once(self, name: Any, make: Callable[[], T]) -> T:
        """What `make` returns, computed once for all laws of the class."""
        if name not in self._known:
            self._known[name] = make()
        return self._known[name]

    @property
    def host(self) -> Host:
        """The plugins, the component's own among them."""
        return self.once("host", lambda: _host_with(self._target(), self.plugins))

    @property
    def subject(self) -> Component:
        """The component, as the host found it."""
        return self.once("subject", self._find)

    @property
    def chosen(self) -> dict[str, Any]:
        """All its settings, those that were given and the defaults of the others."""
        given = self._given()
        _, named = parse_variant(given) if isinstance(given, str) else ("", {})
        return complete(self.subject, {**named, **self.settings})

    def make(self, **other: Any) -> Any:
        """The component called with its settings: an object of its class."""
        return self.subject.object(**complete(self.subject, {**self.chosen, **other}))

    @classmethod
    def judge(cls) -> Iterator[Verdict]:
        """Try every law, in the order in which they stand."""
        for name in cls.names():
            yield cls.judged(name)

    @classmethod
    def names(cls) -> list[str]:
        """Names of the laws without ``test_``, those of the base class first."""
        found: dict[str, None] = {}
        for each in reversed(cls.__mro__):
            found.update(dict.fromkeys(name for name in vars(each) if name.startswith("test_")))
        return [name.removeprefix("test_") for name in found]

    @classmethod
    def judged(cls, law: str) -> Verdict:
        """Try one law; whatever the component's code raises breaks it."""
        try:
            getattr(cls(), f"test_{law}")()
        except unittest.SkipTest as why:
            return Verdict(law, "left out", str(why))
        except KeyboardInterrupt:
            raise
        except BaseException as fault:  # a plugin may call sys.exit or raise anything
            told = str(fault) if isinstance(fault, Broken) else f"{type(fault).__name__}: {first_line(fault)}"
            return Verdict(law, "broken", told)
        return Verdict(law, "holds")

    @classmethod
    def meaning(cls, law: str) -> str:
        """What a law says, in a line."""
        return (inspect.getdoc(getattr(cls, f"test_{law}")) or "").partition("\n")[0]

    def test_it_is_documented(self) -> None:
        """It has a docstring whose first line says what it is."""
        if len(self.subject.summary) < 10:
            raise Broken("it has no docstring, or one that says nothing: its first line stands in every list")

    def _given(self) -> Any:
        # A function that is looked up on an object would be a method of it.
        return inspect.getattr_static(type(self), "component")

    def _target(self) -> Any:
        given = self._given()
        return given.partition("[")[0] if isinstance(given, str) else given

    def _find(self) -> Component:
        target = self._target()
        if isinstance(target, str):
            return self.host.find(self.kind, target)
        found = _component_of(self.host, target)
        if found is None:
            raise Broken(f"{target!r} is not among what its module declares; is it defined at the top level?")
        return found


def _component_of(host: Host, target: Any) -> Component | None:
    return next((each for kind in Kind for each in host.components(kind) if each.object is target), None)


@cache
def _loaded(plugins: tuple[str, ...]) -> Host:
    return Host.load(plugins)


def _host_with(target: Any, plugins: tuple[str, ...]) -> Host:
    """The installed plugins, those that are named, and the module that declares the target."""
    host = _loaded(plugins)
    if declaration(target) is None or _component_of(host, target) is not None:
        return host
    return _loaded((*plugins, target.__module__))
