"""Settings that a component shares with the probes that it needs: read off those, once all are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from genbench.base.canonical import canonical_json
from genbench.base.errors import InvalidInput, nearest
from genbench.contract.components import Component, Kind, Need, Setting

__all__ = ["complete_shared"]


def complete_shared(
    components: Iterable[Component], find: Callable[[str, str], Component | None]
) -> list[Component | InvalidInput]:
    """Each component with the settings that it shares, or what is wrong with them.

    Parameters
    ----------
    components : iterable of Component
        As `genbench.host.signatures.describe` returns them.
    find : callable
        ``find(name, plugin)`` returns the probe `name` as seen from `plugin`, or None.
    """
    sharing = _Sharing(find)
    return [sharing.outcome(each) for each in components]


class _Sharing:
    """Completes probes before those that share with them, each once."""

    def __init__(self, find: Callable[[str, str], Component | None]):
        self._find = find
        self._outcomes: dict[int, Component | InvalidInput] = {}
        self._path: list[Component] = []

    def outcome(self, component: Component) -> Component | InvalidInput:
        if not component.shared:
            return component
        if id(component) not in self._outcomes:
            self._path.append(component)
            try:
                found: Component | InvalidInput = self._completed(component)
            except InvalidInput as fault:
                found = fault
            self._path.pop()
            self._outcomes[id(component)] = found
        return self._outcomes[id(component)]

    def _completed(self, component: Component) -> Component:
        where = f"{component.kind} '{component.full_name}'"
        shared: dict[str, Setting] = {}
        sharer: dict[str, str] = {}
        for need in component.needs.values():
            for setting in self._settings(component, need, where) if need.shared else ():
                first = sharer.setdefault(setting.name, need.name)
                if not _alike(shared.setdefault(setting.name, setting), setting):
                    raise InvalidInput(
                        f"{where} shares '{setting.name}' with '{first}' and '{need.name}', where its type "
                        "or default differs; write it out as a setting of its own"
                    )
        return dataclasses.replace(component, settings={**component.settings, **shared})

    def _settings(self, component: Component, need: Need, where: str) -> list[Setting]:
        """The settings of a probe that a need shares."""
        probe = self._probe(component, need, where)
        for name in need.shared:
            if name not in probe.settings:
                raise InvalidInput(
                    f"{where} shares '{name}' with '{need.name}', which has no such setting"
                    f"{nearest(name, probe.settings)}"
                )
        found = [probe.settings[name] for name in need.shared]
        return [dataclasses.replace(each, origin=each.origin or probe) for each in found]

    def _probe(self, component: Component, need: Need, where: str) -> Component:
        found = self._find(need.name, component.plugin)
        if found is None:
            raise InvalidInput(f"{where} needs '{need.name}', which is neither a probe nor a root")
        names = [each.full_name for each in self._path if each.kind is Kind.PROBE]
        if found.full_name in names:
            circle = [*names[names.index(found.full_name) :], found.full_name]
            raise InvalidInput(f"probes share settings in a circle: {' -> '.join(circle)}")
        outcome = self.outcome(found)
        if isinstance(outcome, InvalidInput):
            raise outcome
        return outcome


def _alike(one: Setting, other: Setting) -> bool:
    """Whether two settings have the same type and the same default."""
    defaults = [None if each.required else canonical_json(each.default) for each in (one, other)]
    return one.annotation == other.annotation and defaults[0] == defaults[1]
