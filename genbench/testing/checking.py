"""All laws of all components of one plugin: what ``genbench plugin check`` tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from genbench.base.errors import UsageError, nearest
from genbench.base.names import CORE
from genbench.contract.components import Component, Kind
from genbench.host import Host
from genbench.host.plugin import Plugin, installed
from genbench.testing.computed import MeasureLaws, ProbeLaws
from genbench.testing.datasets import DatasetLaws
from genbench.testing.executors import ExecutorLaws
from genbench.testing.laws import Laws, Verdict
from genbench.testing.models import ModelLaws
from genbench.testing.protocols import ProtocolLaws
from genbench.testing.regularizers import RegularizerLaws
from genbench.testing.statistics import StatisticLaws
from genbench.testing.suites import OBSERVING, ObserverLaws, SuiteLaws

__all__ = ["LAWS", "Checked", "check", "given_for", "plugin_of"]

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
class Checked:
    """One component, suite or observer with what became of its laws.

    Attributes
    ----------
    kind, name : str
    verdicts : list of Verdict
    needs : str
        The setting that must be given before anything can be tried; empty where none must.
    card : mapping
        Of a measure: what moves it although the network's function stays.
    """

    kind: str
    name: str
    verdicts: list[Verdict]
    needs: str = ""
    card: Any = None

    @property
    def broken(self) -> list[Verdict]:
        """The laws that it does not keep."""
        return [each for each in self.verdicts if each.status == "broken"]


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


def check(plugin: Plugin, host: Host, given: tuple[str, ...], only: str = "") -> Iterator[Checked]:
    """Try the laws of each component, suite and observer of a plugin.

    Parameters
    ----------
    given : tuple of str
        Files or modules that the host was loaded with.
    only : str
        The name of one component; all where left out.
    """
    for component in sorted(plugin.components, key=lambda each: (list(Kind).index(each.kind), each.name)):
        if only in ("", component.name, component.full_name):
            yield _checked(component, host, given)
    if only:
        return
    for name in host.suites():
        owner, colon, _ = name.partition(":")
        is_own = (
            owner == plugin.name if colon else plugin.source.namespace == CORE and plugin.name == "suites"
        )
        if is_own:
            yield _judged("suite", name, SuiteLaws, component=name, plugins=given)
    if any(each is plugin for hook in OBSERVING for each, _ in host.hooks(hook)):
        yield _judged("observer", plugin.name, ObserverLaws, component=plugin.name, plugins=given)


def _checked(component: Component, host: Host, given: tuple[str, ...]) -> Checked:
    required = [name for name, each in component.settings.items() if each.required]
    kind, name = str(component.kind), component.full_name
    if required:
        return Checked(kind, name, [], needs=required[0])
    return _judged(kind, name, LAWS[component.kind], component=name, plugins=given)


def _judged(kind: str, name: str, laws: type[Laws], **attributes: Any) -> Checked:
    chosen: type[Laws] = type(f"LawsOf{laws.__name__}", (laws,), attributes)
    verdicts = list(chosen.judge())
    card = chosen().card() if issubclass(chosen, MeasureLaws) and not _is_broken(verdicts) else None
    return Checked(kind, name, verdicts, card=card)


def _is_broken(verdicts: list[Verdict]) -> bool:
    return any(each.status == "broken" for each in verdicts)


def given_for(argument: str) -> tuple[str, ...]:
    """What a host is to be loaded with for a word: nothing where it names an installed plugin."""
    return () if any(each.name == argument for each in installed()) else (argument,)
