"""All laws of all components of one plugin: what ``genbench plugin check`` tells."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from genbench.base.errors import UsageError, nearest
from genbench.base.names import CORE, is_path
from genbench.contract.components import Kind
from genbench.host import Host
from genbench.host.plugin import Plugin, installed
from genbench.testing.computed import MeasureLaws, ProbeLaws
from genbench.testing.datasets import DatasetLaws
from genbench.testing.executors import ExecutorLaws
from genbench.testing.laws import Laws
from genbench.testing.models import ModelLaws
from genbench.testing.protocols import ProtocolLaws
from genbench.testing.regularizers import RegularizerLaws
from genbench.testing.statistics import StatisticLaws
from genbench.testing.suites import OBSERVING, ObserverLaws, SuiteLaws

__all__ = ["LAWS", "Subject", "given_for", "plugin_of", "subjects"]

LAWS: dict[Kind, type[Laws]] = {
    Kind.MEASURE: MeasureLaws,
    Kind.PROBE: ProbeLaws,
    Kind.MODEL: ModelLaws,
    Kind.DATASET: DatasetLaws,
    Kind.REGULARIZER: RegularizerLaws,
    Kind.PROTOCOL: ProtocolLaws,
    Kind.STATISTIC: StatisticLaws,
    Kind.EXECUTOR: ExecutorLaws,
}
"""The set of laws of each kind."""


@dataclass(frozen=True)
class Subject:
    """A component, suite or observer that is to be checked.

    Attributes
    ----------
    kind, name : str
    laws : type
        The set of laws, derived for it.
    needs : str
        A setting without a default: nothing can be tried before it is given. Empty where there is none.
    """

    kind: str
    name: str
    laws: type[Laws]
    needs: str = ""

    def card(self) -> dict[str, Any] | None:
        """Of a measure: what moves it although the network's function stays."""
        return self.laws().card() if issubclass(self.laws, MeasureLaws) else None


def plugin_of(argument: str, host: Host) -> Plugin:
    """The plugin that a word means: given as file or module, or installed under that name.

    Raises
    ------
    UsageError
        There is none, with the nearest name.
    """
    asked = [each for each in host.plugins if each.source.asked_for]
    if asked:
        return asked[0]
    for plugin in host.plugins:
        if plugin.name == argument:
            return plugin
    raise UsageError(f"no plugin '{argument}'{nearest(argument, [each.name for each in host.plugins])}")


def subjects(plugin: Plugin, host: Host, given: tuple[str, ...], only: str = "") -> Iterator[Subject]:
    """Each component, suite and observer of a plugin.

    Parameters
    ----------
    given : tuple of str
        Files or modules that the host was loaded with.
    only : str
        The name of one component; all where left out.
    """
    for component in sorted(plugin.components, key=lambda each: (list(Kind).index(each.kind), each.name)):
        if only in ("", component.name, component.full_name):
            required = [name for name, each in component.settings.items() if each.required]
            if component.kind is Kind.EXECUTOR and getattr(component.object, "remote", False):
                required = ["address"]  # of a cluster, which its own tests have or imitate
            laws = _for(LAWS[component.kind], component=component.full_name, plugins=given)
            yield Subject(str(component.kind), component.full_name, laws, *required[:1])
    if only:
        return
    for name in host.suites():
        owner, colon, _ = name.partition(":")
        is_own = (
            owner == plugin.name if colon else plugin.source.namespace == CORE and plugin.name == "suites"
        )
        if is_own:
            yield Subject("suite", name, _for(SuiteLaws, component=name, plugins=given))
    if any(each is plugin for hook in OBSERVING for each, _ in host.hooks(hook)):
        laws = _for(ObserverLaws, component=plugin.name, plugins=given)
        yield Subject("observer", plugin.name, laws)


def _for(laws: type[Laws], **attributes: Any) -> type[Laws]:
    return type(f"{laws.__name__}OfOne", (laws,), attributes)


def given_for(argument: str) -> tuple[str, ...]:
    """What a host is to be loaded with for a word: nothing where it names an installed plugin, or nothing."""
    if any(each.name == argument for each in installed()):
        return ()
    is_file = argument.endswith(".py") or is_path(argument)
    return (argument,) if is_file or _is_module(argument) else ()


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
