"""Components by kind and name: the one place where a name becomes a component."""

from __future__ import annotations

from collections.abc import Iterable

from genbench.base.errors import InvalidInput, nearest
from genbench.base.names import CORE, fold
from genbench.contract.components import Component, Kind

__all__ = ["Names"]


class Names:
    """Components of several plugins, found by full, bare and other names.

    Parameters
    ----------
    components : iterable of Component
        Of two with the same name, plugin and kind the first one counts.
    """

    def __init__(self, components: Iterable[Component]):
        self._by_name: dict[Kind, dict[tuple[str, str], Component]] = {kind: {} for kind in Kind}
        for each in components:
            for name in (each.name, *each.declared.aliases):
                self._by_name[each.kind].setdefault((each.plugin, fold(name)), each)

    def components(self, kind: Kind | str) -> list[Component]:
        """All components of a kind, sorted by full name, the core's first."""
        found = {id(each): each for each in self._by_name[Kind(kind)].values()}
        return sorted(found.values(), key=lambda each: (each.plugin != CORE, each.full_name))

    def lookup(self, kind: Kind | str, name: str, plugin: str = CORE) -> Component | None:
        """The component that `name` means as seen from `plugin`, or None.

        A bare name means the plugin's own, then the core's, then that of the only plugin that has it.
        """
        table = self._by_name[Kind(kind)]
        owner, colon, bare = name.partition(":")
        if colon:
            return table.get((owner, fold(bare)))
        for namespace in (plugin, CORE):
            if (namespace, fold(name)) in table:
                return table[namespace, fold(name)]
        others = self._offered(kind, name)
        return others[0] if len(others) == 1 else None

    def find(
        self, kind: Kind | str, name: str, plugin: str = CORE, *, words: Iterable[str] = ()
    ) -> Component:
        """Like `lookup`, for a name that must exist.

        Parameters
        ----------
        words : iterable of str
            What else could have been meant, beside the names of components.

        Raises
        ------
        InvalidInput
            With the nearest name; with the full names where several plugins have the bare one.
        """
        found = self.lookup(kind, name, plugin)
        if found is not None:
            return found
        self.refuse_ambiguous(kind, name)
        known = [
            other
            for each in self.components(kind)
            for other in (each.full_name, each.name, *each.declared.aliases)
        ]
        raise InvalidInput(f"unknown {kind} '{name}'{nearest(name, [*known, *words])}{self._hint(name)}")

    def refuse_ambiguous(self, kind: Kind | str, name: str) -> None:
        """Raise `InvalidInput` where several plugins, and not the core, offer a bare name."""
        offering = sorted({each.full_name for each in self._offered(kind, name)})
        if len(offering) > 1:
            raise InvalidInput(f"{kind} '{name}' is offered by several plugins: {', '.join(offering)}")

    def same_regularizer(self, one: str, other: str) -> bool:
        """Whether two names mean the same regularizer, one of them perhaps its short name."""
        found = self.lookup(Kind.REGULARIZER, one)
        return one == other or (found is not None and found is self.lookup(Kind.REGULARIZER, other))

    def probe_lookup(self, name: str, plugin: str) -> Component | None:
        """A probe as seen from the plugin that needs it: its own, the core's, or `other:name`.

        What a need means does not depend on which other plugins are installed.
        """
        found = self.lookup(Kind.PROBE, name, plugin)
        return found if found and (":" in name or found.plugin in (plugin, CORE)) else None

    def _offered(self, kind: Kind | str, name: str) -> list[Component]:
        table = self._by_name[Kind(kind)]
        return [each for (_, folded), each in table.items() if folded == fold(name)]

    def _hint(self, name: str) -> str:
        """More to say of a name that means nothing."""
        return ""
