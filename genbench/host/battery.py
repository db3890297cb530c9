"""A battery of measures, resolved: which probes each needs, in which order, at what cost class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from genbench.base.errors import InvalidInput, nearest
from genbench.base.names import CORE
from genbench.base.values import Status
from genbench.contract.components import ROOT_COSTS, ROOTS, Component, Need
from genbench.host.settings import complete, spell

__all__ = ["Battery", "Failure", "Find", "Node", "Request"]

Find = Callable[[str, str], Component | None]
"""``find(name, plugin)``: the probe of that name as seen from that plugin, or None."""


@dataclass(frozen=True)
class Request:
    """A measure to compute, with all its settings.

    Attributes
    ----------
    component : Component
        The measure.
    settings : mapping
        Complete and checked, as `genbench.host.settings.complete` returns them.
    spelling : str
        ``inverse_margin[quantile=0.05]``; identifies the request within a battery.
    """

    component: Component
    settings: Mapping[str, Any]
    spelling: str

    @classmethod
    def of(cls, component: Component, given: Mapping[str, Any] | None = None) -> Request:
        """Complete the given settings.

        Raises
        ------
        InvalidInput
            Unknown or wrong settings.
        """
        settings = complete(component, given or {})
        return cls(component, settings, spell(component, settings))


@dataclass(frozen=True)
class Failure:
    """Why a component has no result; said of a probe, it holds for every measure above."""

    status: Status
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Node:
    """A probe or measure with its settings, and where each of its arguments comes from.

    Attributes
    ----------
    spelling : str
        Full name and settings; probes and measures have names of their own, hence `kind` in the key.
    arguments : mapping from parameter to node key or root name
    probes : tuple of str
        Keys of the nodes directly below.
    roots : tuple of str
        Roots used directly.
    """

    component: Component
    settings: Mapping[str, Any]
    spelling: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    probes: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()

    @cached_property
    def own_settings(self) -> dict[str, Any]:
        """The settings that the component's function takes, without those that it shares with probes."""
        shared = self.component.shared
        return {name: value for name, value in self.settings.items() if name not in shared}

    @property
    def own_cost(self) -> str:
        """Cost class of the component itself, the roots that it uses directly included."""
        return max([self.component.declared.cost, *(ROOT_COSTS.get(root, "A") for root in self.roots)])


@dataclass(frozen=True)
class Battery:
    """Measures together with every probe below them; made by `Battery.resolve`.

    Attributes
    ----------
    requests : tuple of Request
        In the order in which they are computed: what shares probes stands together, so that the probes can
        be freed early.
    measures, probes : mapping from spelling to Node
        `probes` is in an order in which each stands behind what it needs.
    below : mapping from a measure's spelling to the keys of all probes below it, in that order
    """

    requests: tuple[Request, ...]
    measures: Mapping[str, Node]
    probes: Mapping[str, Node]
    below: Mapping[str, tuple[str, ...]]

    @classmethod
    def resolve(cls, requests: Iterable[Request], find: Find, known: Iterable[str] = ()) -> Battery:
        """Look up everything that the requested measures need, and check it.

        Parameters
        ----------
        requests : iterable of Request
            The same spelling twice counts once.
        find : callable
            ``find(name, plugin)`` returns the probe `name` as seen from `plugin`, or None.
        known : iterable of str
            Names of probes to suggest where a need is unknown.

        Raises
        ------
        InvalidInput
            Unknown needs, cycles, wrong settings of probes; all of them at once.
        """
        resolver = _Resolver(find, known)
        wanted = {request.spelling: request for request in requests}
        measures = {
            spelling: resolver.measure(request.component, request.settings)
            for spelling, request in wanted.items()
        }
        if resolver.problems:
            raise InvalidInput(list(dict.fromkeys(resolver.problems)))
        below = {spelling: tuple(_below(node, resolver.probes)) for spelling, node in measures.items()}
        order = _order(below)
        return cls(tuple(wanted[each] for each in order), measures, resolver.probes, below)

    def cost_class(self, request: Request) -> str:
        """The letter, A to F, of the costliest part: the measure, a probe below it, a root used directly."""
        node = self.measures[request.spelling]
        return max([node.own_cost, *(self.probes[key].own_cost for key in self.below[request.spelling])])

    def probes_below(self, request: Request) -> list[tuple[Component, Mapping[str, Any]]]:
        """Every distinct probe below a measure with its settings, each behind what it needs itself."""
        nodes = [self.probes[key] for key in self.below[request.spelling]]
        return [(node.component, node.settings) for node in nodes]

    def roots_needed(self, request: Request) -> frozenset[str]:
        """Names of the roots that the measure or a probe below it uses."""
        nodes = [self.measures[request.spelling], *(self.probes[key] for key in self.below[request.spelling])]
        return frozenset(root for node in nodes for root in node.roots)

    @property
    def roots(self) -> frozenset[str]:
        """Names of the roots that any of the measures needs."""
        return frozenset[str]().union(*map(self.roots_needed, self.requests))

    def plugins_of(self, request: Request) -> frozenset[str]:
        """Names of the plugins, beside the core, whose code computes a measure or a probe below it."""
        below = (component for component, _ in self.probes_below(request))
        return frozenset(each.plugin for each in (request.component, *below)) - {CORE}

    def only(self, requests: Iterable[Request]) -> Battery:
        """The part of the battery that computes some of its measures."""
        chosen = tuple(requests)
        measures = {each.spelling: self.measures[each.spelling] for each in chosen}
        return Battery(chosen, measures, self.probes, {each: self.below[each] for each in measures})

    def by_plugins(self) -> list[tuple[frozenset[str], Battery]]:
        """Names of plugins with what their code computes together; the core's part first, by no plugin."""
        groups: dict[frozenset[str], list[Request]] = {}
        for each in self.requests:
            groups.setdefault(self.plugins_of(each), []).append(each)
        order = sorted(groups, key=lambda names: (len(names), sorted(names)))
        return [(names, self.only(groups[names])) for names in order]

    def needs_siblings(self, request: Request) -> bool:
        """Whether the measure has to wait until the fits with other seeds exist."""
        return "siblings" in self.roots_needed(request)


class _Resolver:
    """Grows the graph of nodes depth first, and collects what is wrong with it."""

    def __init__(self, find: Find, known: Iterable[str]):
        self.probes: dict[str, Node] = {}
        self.problems: list[str] = []
        self._find = find
        self._known = [*known, *ROOTS]
        self._path: list[str] = []
        self._broken: set[str] = set()

    def measure(self, component: Component, settings: Mapping[str, Any]) -> Node:
        return self._node(component, settings)

    def _probe(self, component: Component, settings: Mapping[str, Any]) -> str | None:
        """The key of the probe's node, made where it does not exist; None where something is wrong."""
        key = spell(component, settings)
        if key in self._path:
            cycle = [*self._path[self._path.index(key) :], key]
            self.problems.append(f"probes need one another in a circle: {' -> '.join(cycle)}")
            return None
        if key in self._broken:
            return None
        if key not in self.probes:
            self._path.append(key)
            before = len(self.problems)
            node = self._node(component, settings)
            self._path.pop()
            if len(self.problems) > before:
                self._broken.add(key)
                return None
            self.probes[key] = node
        return key

    def _node(self, component: Component, settings: Mapping[str, Any]) -> Node:
        arguments: dict[str, str] = {}
        probes: list[str] = []
        roots: list[str] = []
        where = f"{component.kind} '{component.full_name}'"
        for parameter, need in component.needs.items():
            if need.name in ROOTS:
                if need.settings:
                    self.problems.append(f"{where} needs '{need.name}', which takes no settings")
                arguments[parameter] = need.name
                roots.append(need.name)
                continue
            key = self._needed(component, settings, need, where)
            if key is not None:
                arguments[parameter] = key
                probes.append(key)
        spelling = spell(component, settings)
        return Node(
            component,
            settings,
            spelling,
            arguments,
            tuple(dict.fromkeys(probes)),
            tuple(dict.fromkeys(roots)),
        )

    def _needed(
        self, component: Component, settings: Mapping[str, Any], need: Need, where: str
    ) -> str | None:
        found = self._find(need.name, component.plugin)
        if found is None:
            self.problems.append(
                f"{where} needs '{need.name}', which is neither a probe nor a root"
                f"{nearest(need.name, self._known)}"
            )
            return None
        try:
            chosen = complete(found, need.resolved(settings))
        except InvalidInput as fault:
            self.problems += [f"{where}: {problem}" for problem in fault.problems]
            return None
        return self._probe(found, chosen)


def _below(node: Node, probes: Mapping[str, Node]) -> list[str]:
    """Keys of all probes below a node, each behind what it needs."""
    found: dict[str, None] = {}

    def visit(key: str) -> None:
        if key not in found:
            for each in probes[key].probes:
                visit(each)
            found[key] = None

    for key in node.probes:
        visit(key)
    return list(found)


def _order(below: Mapping[str, Sequence[str]]) -> list[str]:
    """Order measures so that what is computed is used up before more is computed beside it.

    The next one is that with the fewest probes still to compute, among equals that which shares most with
    what is computed, then the first given.
    """
    missing = {spelling: set(keys) for spelling, keys in below.items()}
    order: list[str] = []
    while missing:
        chosen = min(missing, key=lambda name: (len(missing[name]), len(missing[name]) - len(below[name])))
        computed = missing.pop(chosen)
        for keys in missing.values():
            keys -= computed
        order.append(chosen)
    return order
