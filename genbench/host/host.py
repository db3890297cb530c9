"""The plugin host: finds plugins, loads each behind its own guard, and answers for components by name."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pluggy

from genbench.base.errors import InvalidInput, UsageError, nearest
from genbench.base.names import CORE
from genbench.contract import hookspecs
from genbench.contract.components import Component, Kind
from genbench.host.description import recalled
from genbench.host.elsewhere import Deputies
from genbench.host.hooks import hook_arguments
from genbench.host.names import Names
from genbench.host.plugin import Plugin, PluginSource, installed, listed, load
from genbench.host.probation import fatal, tried
from genbench.host.process import kept_environment
from genbench.host.sharing import complete_shared

__all__ = ["Host", "new_manager"]


class _Manager(pluggy.PluginManager):
    """Takes functions named ``genbench_*`` as hooks, without a decorator."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        method = getattr(plugin, name, None)
        return {} if name.startswith("genbench_") and inspect.isfunction(method) else None


def new_manager() -> pluggy.PluginManager:
    """What plugins register their hooks with."""
    manager = _Manager("genbench")
    manager.add_hookspecs(hookspecs)
    return manager


class Host(Names):
    """All plugins that a process knows.

    `Host.load` imports them here, `Host.described` everything but the core elsewhere; neither raises for a
    plugin that is broken, see `problems`.

    Attributes
    ----------
    deputies : Deputies
        The processes that answer for plugins that are not imported here.
    """

    def __init__(
        self, plugins: Sequence[Plugin], manager: pluggy.PluginManager, deputies: Deputies | None = None
    ):
        self.plugins = list(plugins)
        self._manager = manager
        self.deputies = deputies or Deputies()
        self._list_components()
        self._complete_shared()
        self._drop_unmet_needs()

    def _list_components(self) -> None:
        super().__init__(each for plugin in self.plugins for each in plugin.components)

    def _complete_shared(self) -> None:
        """Give components the settings that they share; one that cannot have them is dropped alone."""
        declared = [(plugin, each) for plugin in self.plugins for each in plugin.components]
        outcomes = complete_shared([each for _, each in declared], self.probe_lookup)
        for plugin in self.plugins:
            plugin.components = []
        for (plugin, component), outcome in zip(declared, outcomes, strict=True):
            if isinstance(outcome, Component):
                plugin.components.append(outcome)
            else:
                plugin.problems.append(_broken(component, outcome))
        self._list_components()

    def _drop_unmet_needs(self) -> None:
        """Find needs that cannot be met now, not in the middle of a run; who has them is dropped alone."""
        from genbench.host.battery import Battery, Request

        for plugin in self.plugins:
            for component in [each for each in plugin.components if each.kind is Kind.MEASURE]:
                if any(each.required for each in component.settings.values()):
                    continue  # what it needs may depend on them; whoever gives them is told
                request = Request(component, component.defaults(), component.full_name)
                try:
                    Battery.resolve([request], self.probe_lookup)
                except InvalidInput as fault:
                    plugin.problems.append(_broken(component, fault))
                    plugin.components.remove(component)
        self._list_components()

    @classmethod
    def load(
        cls, plugins: Iterable[str | PluginSource] = (), without: Iterable[str] = (), *, rooms: Any = None
    ) -> Host:
        """Find and load plugins.

        Parameters
        ----------
        plugins : iterable of str or PluginSource
            ``FILE|MODULE`` beside those that are installed.
        without : iterable of str
            Names of plugins to leave out.
        rooms : set of str, optional
            Load these built-in rooms only, and nothing else that is installed.

        Raises
        ------
        UsageError
            A file that cannot be read, or a name in `without` that no plugin has.
        """
        sources, without, strangers = _sources(plugins, without, rooms)
        dead = fatal(strangers) if strangers else {}
        with kept_environment():
            return cls.of(sources, without, dead)

    @classmethod
    def described(
        cls, plugins: Iterable[str | PluginSource] = (), without: Iterable[str] = (),
        kept: Sequence[Path] = (),
    ) -> Host:  # fmt: skip
        """The same without importing any code but the core's: others are described by processes of theirs.

        Components of plugins have an `Elsewhere` in the place of their objects.

        Parameters
        ----------
        kept : sequence of Path
            Files and folders, beside the cache, that code of plugins must not write.
        """
        sources, without, strangers = _sources(plugins, without)
        found = tried(strangers, kept) if strangers else {}
        manager, deputies = new_manager(), Deputies(sources, kept)
        loaded: list[Plugin] = []
        for source in sources:
            plugin = Plugin(source)
            if _is_kept_out(plugin, loaded, without):
                loaded.append(plugin)
            elif source.namespace == CORE:
                loaded.append(_loaded(source, loaded, manager, without, {}))
            elif found[source.name].verdict:
                plugin.broken(found[source.name].verdict)
                loaded.append(plugin)
            else:
                loaded.append(recalled(source, found[source.name].description, deputies))
        return cls(loaded, manager, deputies)

    @classmethod
    def of(
        cls, sources: Iterable[PluginSource], without: Iterable[str] = (), fatal: Mapping[str, str] = {}
    ) -> Host:
        """Load exactly these plugins: what a worker does with the sources that it was given.

        Parameters
        ----------
        fatal : mapping of str
            Plugins that are not to be imported, with what would come of it.
        """
        manager = new_manager()
        loaded: list[Plugin] = []
        for source in sources:
            loaded.append(_loaded(source, loaded, manager, without, fatal))
        return cls(loaded, manager)

    @property
    def sources(self) -> list[PluginSource]:
        """What a worker must be given to load the same plugins."""
        return [each.source for each in self.plugins if each.status != "disabled"]

    def sources_with(self, plugins: Collection[str]) -> list[PluginSource]:
        """The core's rooms and these plugins: what a process must be given that works for them alone."""
        return [each for each in self.sources if each.namespace in {CORE, *plugins}]

    @property
    def elsewhere(self) -> frozenset[str]:
        """Names of the plugins that were imported in other processes only."""
        return frozenset(each.name for each in self.plugins if each.status == "ok" and each.module is None)

    def problems(self, asked_for: bool | None = None) -> list[str]:
        """A line for each fault of each plugin; only of those named on the command line if `asked_for`."""
        return [
            f"plugin '{plugin.name}' ({plugin.source.origin}): {problem}"
            for plugin in self.plugins
            if asked_for is None or plugin.source.asked_for == asked_for
            for problem in plugin.problems
        ]

    def _hint(self, name: str) -> str:
        owner, colon, _ = name.partition(":")
        for plugin in self.plugins:
            if colon and owner == plugin.name and plugin.status == "broken":
                return f" (plugin '{owner}' is broken)"
            for problem in plugin.problems:
                if f"'{name.rpartition(':')[2]}' is broken" in problem:
                    return f" (plugin '{plugin.name}': {problem})"
        return ""

    def suites(self) -> dict[str, Path]:
        """Name and file of every suite; the core's names are bare."""
        return dict(self._suites)

    @cached_property
    def _suites(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        listed_here = [
            (plugin, listed(plugin, "genbench_suites", function, (str, Path)))
            for plugin, function in self.hooks("genbench_suites")
        ]
        listed_elsewhere = [
            (each, each.suites) for each in self.plugins if each.suites and each.status == "ok"
        ]
        for plugin, paths in (*listed_here, *listed_elsewhere):
            for path in paths:
                stem = Path(path).stem
                name = stem if plugin.source.namespace == CORE else f"{plugin.name}:{stem}"
                found[name] = Path(path)
        return found

    def plugins_with(self, hook: str) -> list[Plugin]:
        """The plugins that implement a hook, wherever they were imported."""
        here = [plugin for plugin, _ in self.hooks(hook)]
        return [*here, *(each for each in self.plugins if hook in each.hooks and each.status == "ok")]

    def hooks(self, hook: str) -> list[tuple[Plugin, Any]]:
        """The implementations of a hook that were imported here, taking the hook's arguments by name."""
        owners = {id(each.module): each for each in self.plugins if each.status == "ok"}
        return [
            (owners[id(each.plugin)], _taking_some(each.function, hook_arguments(each.function)))
            for each in getattr(self._manager.hook, hook).get_hookimpls()
            if id(each.plugin) in owners
        ]


def _sources(
    plugins: Iterable[str | PluginSource], without: Iterable[str], rooms: Any = None
) -> tuple[list[PluginSource], list[str], list[PluginSource]]:
    """All that are to be loaded, the names that are left out, and those among the first that are strange."""
    asked = [PluginSource.from_argument(each) if isinstance(each, str) else each for each in plugins]
    sources = [each for each in installed() if rooms is None or each.name in rooms] + asked
    without = list(without)
    for name in without:
        if name not in {each.name for each in sources}:
            raise UsageError(f"--no-plugin {name}: no such plugin{nearest(name, [s.name for s in sources])}")
    unique = {each.name: each for each in reversed(sources) if each.name not in without}
    return sources, without, [each for each in reversed(unique.values()) if each.namespace != CORE]


def _loaded(
    source: PluginSource, others: Sequence[Plugin], manager: pluggy.PluginManager,
    without: Iterable[str], fatal: Mapping[str, str],
) -> Plugin:  # fmt: skip
    """A plugin imported here, unless something stands against it."""
    plugin = Plugin(source)
    if _is_kept_out(plugin, others, without):
        return plugin
    if source.name in fatal and source.namespace != CORE:
        plugin.broken(fatal[source.name])
    else:
        load(plugin, manager)
    return plugin


def _is_kept_out(plugin: Plugin, others: Sequence[Plugin], without: Iterable[str]) -> bool:
    """Whether a plugin's name alone keeps it from being loaded, which it then says."""
    if plugin.name in without:
        plugin.status = "disabled"
    elif any(each.name == plugin.name for each in others):
        plugin.broken(f"another plugin is named '{plugin.name}'")
    return plugin.status != "ok"


def _broken(component: Component, fault: InvalidInput) -> str:
    return f"{component.kind} '{component.name}' is broken: {'; '.join(fault.problems)}"


def _taking_some(function: Any, names: Sequence[str]) -> Any:
    return lambda **arguments: function(**{name: arguments[name] for name in names})
