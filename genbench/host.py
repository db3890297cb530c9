"""The plugin host: finds plugins, loads each behind its own guard, and answers for components by name."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import importlib.metadata
import inspect
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pluggy

from genbench import hookspecs
from genbench.components import Component, Kind, declaration, describe
from genbench.errors import InvalidInput, UsageError, nearest

__all__ = ["CORE", "Host", "Plugin", "PluginSource"]

CORE = "core"
GROUP = "genbench"


@dataclasses.dataclass(frozen=True)
class PluginSource:
    """Where a plugin comes from, in plain data that a worker can be given.

    Attributes
    ----------
    name : str
    module : str
        Importable module; empty for a file.
    file, text : str
        A ``--plugin`` file's name and its content, so that a worker never reads a file that changed.
    distribution, version : str
        The installed package that declares the entry point.
    editable : bool
        Installed in place: its code may change without a new version.
    """

    name: str
    module: str = ""
    file: str = ""
    text: str = ""
    distribution: str = ""
    version: str = ""
    editable: bool = False
    asked_for: bool = False

    @property
    def namespace(self) -> str:
        return CORE if self.distribution == "genbench" else self.name

    @property
    def origin(self) -> str:
        if self.file:
            return f"file {Path(self.file).name}"
        if self.namespace == CORE:
            return "built-in"
        return f"{self.distribution} {self.version}".strip() or "module"

    @classmethod
    def from_argument(cls, argument: str) -> PluginSource:
        """Read ``--plugin FILE|MODULE``.

        Raises
        ------
        UsageError
            A file that does not exist or cannot be read.
        """
        path = Path(argument)
        if path.suffix != ".py" and "/" not in argument:
            return cls(name=argument, module=argument, asked_for=True)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise UsageError(f"--plugin {argument}: cannot be read ({fault})") from None
        return cls(name=path.stem, file=str(path), text=text, asked_for=True)


@dataclasses.dataclass
class Plugin:
    """A plugin as loaded: its components, or why it is broken."""

    source: PluginSource
    status: str = "ok"
    problems: list[str] = dataclasses.field(default_factory=list)
    components: list[Component] = dataclasses.field(default_factory=list)
    module: types.ModuleType | None = None

    @property
    def name(self) -> str:
        return self.source.name

    def broken(self, why: str) -> None:
        """Record that the plugin cannot be used at all."""
        self.status = "broken"
        self.problems.append(why)


class _Manager(pluggy.PluginManager):
    """Takes functions named ``genbench_*`` as hooks, without a decorator."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        method = getattr(plugin, name, None)
        return {} if name.startswith("genbench_") and inspect.isfunction(method) else None


class Host:
    """All plugins of this process.

    Load it with `Host.load`; it never raises for a plugin that is broken, see `problems`.
    """

    def __init__(self, plugins: Sequence[Plugin], manager: pluggy.PluginManager):
        self.plugins = list(plugins)
        self._manager = manager
        self._by_name: dict[Kind, dict[tuple[str, str], Component]] = {kind: {} for kind in Kind}
        for plugin in self.plugins:
            for component in plugin.components:
                for name in (component.name, *component.declared.aliases):
                    self._by_name[component.kind].setdefault((component.plugin, _fold(name)), component)

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
        asked = [PluginSource.from_argument(each) if isinstance(each, str) else each for each in plugins]
        sources = [each for each in installed() if rooms is None or each.name in rooms] + asked
        without = list(without)
        for name in without:
            if name not in {each.name for each in sources}:
                raise UsageError(f"--no-plugin {name}: no such plugin{nearest(name, [s.name for s in sources])}")
        return cls.of(sources, without)

    @classmethod
    def of(cls, sources: Iterable[PluginSource], without: Iterable[str] = ()) -> Host:
        """Load exactly these plugins: what a worker does with the sources that it was given."""
        manager = _Manager("genbench")
        manager.add_hookspecs(hookspecs)
        loaded: list[Plugin] = []
        for source in sources:
            plugin = Plugin(source)
            loaded.append(plugin)
            if source.name in without:
                plugin.status = "disabled"
            elif any(each.name == source.name for each in loaded[:-1]):
                plugin.broken(f"another plugin is named '{source.name}'")
            else:
                _load(plugin, manager)
        return cls(loaded, manager)

    @property
    def sources(self) -> list[PluginSource]:
        """What a worker must be given to load the same plugins."""
        return [each.source for each in self.plugins if each.status != "disabled"]

    def problems(self, asked_for: bool | None = None) -> list[str]:
        """A line for each fault of each plugin; only of those named on the command line if `asked_for`."""
        return [
            f"plugin '{plugin.name}' ({plugin.source.origin}): {problem}"
            for plugin in self.plugins
            if asked_for is None or plugin.source.asked_for == asked_for
            for problem in plugin.problems
        ]

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
            return table.get((owner, _fold(bare)))
        for namespace in (plugin, CORE):
            if (namespace, _fold(name)) in table:
                return table[namespace, _fold(name)]
        others = [each for (_, folded), each in table.items() if folded == _fold(name)]
        return others[0] if len(others) == 1 else None

    def find(self, kind: Kind | str, name: str, plugin: str = CORE) -> Component:
        """Like `lookup`, for a name that must exist.

        Raises
        ------
        InvalidInput
            With the nearest name; with the full names where several plugins have the bare one.
        """
        found = self.lookup(kind, name, plugin)
        if found is not None:
            return found
        several = [each.full_name for each in self.components(kind) if _fold(each.name) == _fold(name)]
        if several:
            raise InvalidInput(f"{kind} '{name}' is offered by several plugins: {', '.join(sorted(several))}")
        names = [each.full_name for each in self.components(kind)]
        raise InvalidInput(f"unknown {kind} '{name}'{nearest(name, names)}{self._broken_hint(name)}")

    def _broken_hint(self, name: str) -> str:
        owner, colon, _ = name.partition(":")
        broken = [each.name for each in self.plugins if each.status == "broken"]
        return f" (plugin '{owner}' is broken)" if colon and owner in broken else ""

    def probe_lookup(self, name: str, plugin: str) -> Component | None:
        """A probe as seen from the plugin of the component that needs it."""
        return self.lookup(Kind.PROBE, name, plugin)

    def suites(self) -> dict[str, Path]:
        """Name and file of every suite; the core's names are bare."""
        found: dict[str, Path] = {}
        for plugin, paths in self.call("genbench_suites"):
            for path in paths or ():
                stem = Path(path).stem
                name = stem if plugin.source.namespace == CORE else f"{plugin.name}:{stem}"
                found[name] = Path(path)
        return found

    def call(self, hook: str, **arguments: Any) -> Iterator[tuple[Plugin, Any]]:
        """Call a hook of every plugin, each behind its own guard; yields plugin and result."""
        for plugin, function in self.hooks(hook):
            try:
                yield plugin, function(**arguments)
            except Exception as fault:
                plugin.problems.append(f"{hook} raised {type(fault).__name__}: {fault}")

    def hooks(self, hook: str) -> list[tuple[Plugin, Any]]:
        """Each plugin's implementation of a hook, taking the hook's arguments by name."""
        owners = {id(each.module): each for each in self.plugins if each.module is not None}
        return [
            (owners[id(each.plugin)], _taking_some(each.function, each.argnames))
            for each in getattr(self._manager.hook, hook).get_hookimpls()
            if id(each.plugin) in owners
        ]


def _taking_some(function: Any, names: Sequence[str]) -> Any:
    return lambda **arguments: function(**{name: arguments[name] for name in names})


def installed() -> list[PluginSource]:
    """The plugins that installed packages declare, the built-in rooms first, then by name."""
    sources = []
    for point in importlib.metadata.entry_points(group=GROUP):
        distribution = point.dist
        sources.append(
            PluginSource(
                name=point.name,
                module=point.value,
                distribution=distribution.name if distribution else "",
                version=distribution.version if distribution else "",
                editable=_editable(distribution),
            )
        )
    unique = dict.fromkeys(sources)
    return sorted(unique, key=lambda each: (each.namespace != CORE, each.name))


def _editable(distribution: Any) -> bool:
    text = distribution.read_text("direct_url.json") if distribution else None
    return bool(text) and '"editable": true' in text


def _load(plugin: Plugin, manager: pluggy.PluginManager) -> None:
    """Import a plugin's module, register its hooks, collect its components; faults stay with it."""
    try:
        # What a plugin prints while it is imported must not end up among the results.
        with contextlib.redirect_stdout(sys.stderr):
            plugin.module = _module(plugin.source)
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # a plugin may call sys.exit or raise anything
        plugin.broken(f"import failed: {type(fault).__name__}: {_first_line(fault)}")
        return
    unknown = _unknown_hooks(plugin.module)
    if unknown:
        plugin.broken("; ".join(unknown))
        return
    try:
        manager.register(plugin.module, name=plugin.name)
    except (pluggy.PluginValidationError, ValueError) as fault:
        plugin.broken(f"hook refused: {_first_line(fault)}")
        return
    _collect(plugin, _declared(plugin))


def _module(source: PluginSource) -> types.ModuleType:
    if not source.file:
        return importlib.import_module(source.module)
    # The text, not the file, is what runs: driver and workers see the same code. The module is listed
    # so that dataclasses and torch can look up the names in its annotations.
    module = types.ModuleType(source.name)
    module.__file__ = source.file
    taken = sys.modules.get(source.name)
    if taken is not None and not hasattr(taken, "__genbench_plugin__"):
        raise ImportError(f"the name '{source.name}' is that of an importable module; rename the file")
    module.__dict__["__genbench_plugin__"] = True
    sys.modules[source.name] = module
    exec(compile(source.text, source.file, "exec"), module.__dict__)
    return module


def _first_line(fault: BaseException) -> str:
    return (str(fault).strip() or "no message").splitlines()[0]


def _unknown_hooks(module: types.ModuleType) -> list[str]:
    known = [name for name in vars(hookspecs) if name.startswith("genbench_")]
    return [
        f"unknown hook '{name}'{nearest(name, known)}"
        for name, each in vars(module).items()
        if name.startswith("genbench_") and inspect.isfunction(each) and name not in known
    ]


def _declared(plugin: Plugin) -> list[Any]:
    """The objects declared in the plugin's module and in those of its submodules that it imported."""
    assert plugin.module is not None
    root = plugin.module.__name__
    modules = [plugin.module] + [
        module for name, module in sorted(sys.modules.items()) if module and name.startswith(root + ".")
    ]
    found: dict[int, Any] = {}
    for module in modules:
        for each in vars(module).values():
            home = getattr(each, "__module__", "") or ""
            if declaration(each) is not None and (home == root or home.startswith(root + ".")):
                found.setdefault(id(each), each)
    hook = getattr(plugin.module, "genbench_components", None)
    if inspect.isfunction(hook):
        try:
            found.update((id(each), each) for each in hook())
        except Exception as fault:
            plugin.problems.append(f"genbench_components raised {type(fault).__name__}: {_first_line(fault)}")
    return list(found.values())


def _collect(plugin: Plugin, declared: Iterable[Any]) -> None:
    seen: dict[tuple[Kind, str], Component] = {}
    for each in declared:
        try:
            component = describe(
                each,
                plugin.source.namespace,
                source_hash=_source_hash(each, plugin.source),
                keyed_by_source=plugin.source.namespace != CORE
                and (plugin.source.editable or not plugin.source.distribution),
            )
        except InvalidInput as fault:
            plugin.problems.append(str(fault))
            continue
        names = [(component.kind, _fold(name)) for name in (component.name, *component.declared.aliases)]
        taken = next((seen[name] for name in names if name in seen), None)
        if taken is not None:
            plugin.problems.append(f"{component.kind} '{component.name}' is declared twice; the first one counts")
            continue
        seen.update(dict.fromkeys(names, component))
        plugin.components.append(component)


def _source_hash(target: Any, source: PluginSource) -> str:
    """SHA-256, shortened, of the text of the module that holds a component."""
    if source.file:
        return hashlib.sha256(source.text.encode()).hexdigest()[:16]
    try:
        file = inspect.getsourcefile(target)
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file else ""
    except (TypeError, OSError):
        return ""


def _fold(name: str) -> str:
    return name.replace("_", "-")

