"""One plugin: where it comes from, and how it is loaded so that its faults stay with it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import importlib.metadata
import inspect
import itertools
import os
import re
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pluggy

from genbench.base.errors import InvalidInput, UsageError, first_line
from genbench.base.files import read_text
from genbench.base.names import CORE, fold, is_path
from genbench.contract.components import NAME, Component, Kind, declaration
from genbench.host.hooks import hook_functions, hook_mistakes
from genbench.host.process import kept_process, put_back_modules
from genbench.host.signatures import describe
from genbench.host.surroundings import Surroundings

__all__ = ["Plugin", "PluginSource", "installed", "listed", "load"]

GROUP = "genbench"

# Words that mean something else before a colon: the core, kinds of components, choices of measures.
RESERVED = (CORE, *Kind, "family", "cost")

# Plugins given as files are listed among the modules under this prefix, so that they hide no other module.
FILE_PREFIX = "genbench_plugin_"

# What a hook returns may be without an end.
MOST_LISTED = 10_000
FORKED = 70


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
        """What stands before the colon in the names of its components; ``core`` for the built-in rooms."""
        return CORE if self.distribution == "genbench" else self.name

    @property
    def top(self) -> str:
        """The top-level module that holds its code."""
        return FILE_PREFIX + self.name if self.file else self.module.partition(".")[0]

    @property
    def is_keyed_by_source(self) -> bool:
        """Whether its code enters the keys of fits: it may change without a new version."""
        return self.namespace != CORE and (self.editable or not self.distribution)

    @property
    def package(self) -> str:
        """The installed package with its version, which enters the keys of values; empty for a file."""
        return self.origin if self.namespace != CORE and self.distribution else ""

    @property
    def origin(self) -> str:
        """For people: ``file NAME``, ``built-in``, the distribution with its version, or ``module``."""
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
        if path.suffix != ".py" and not is_path(argument):
            return cls(name=argument, module=argument, asked_for=True)
        try:
            text = read_text(path)
        except OSError as fault:
            raise UsageError(f"--plugin {argument}: cannot be read ({fault.strerror})") from None
        except ValueError as fault:
            raise UsageError(f"--plugin {argument}: cannot be read ({fault})") from None
        return cls(name=path.stem, file=str(path), text=text, asked_for=True)


@dataclasses.dataclass
class Plugin:
    """A plugin as loaded: its components, or why it is broken.

    Attributes
    ----------
    module : module or None
        None where it was imported elsewhere and is known by its description only, which then tells:
    hooks, suites, files
        Names of its hooks, its suites' files, and the states of the files that its import read.
    """

    source: PluginSource
    status: str = "ok"
    problems: list[str] = dataclasses.field(default_factory=list)
    components: list[Component] = dataclasses.field(default_factory=list)
    module: types.ModuleType | None = None
    traceback: str = ""
    hooks: frozenset[str] = frozenset()
    suites: list[Path] = dataclasses.field(default_factory=list)
    files: list[list[Any]] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """That of its source."""
        return self.source.name

    def broken(self, why: str) -> None:
        """Record that the plugin cannot be used at all."""
        self.status = "broken"
        self.problems.append(why)


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
    return '"editable": true' in (text or "")


def load(plugin: Plugin, manager: pluggy.PluginManager) -> None:
    """Import a plugin's module, register its hooks, collect its components; faults stay with it."""
    for step in (_import, partial(_register, manager=manager)):
        # Put right at once, before code of ours goes on; what that did meanwhile may have failed for it.
        try:
            with _surroundings_kept(plugin):
                step(plugin)
        except Exception as fault:
            plugin.broken(f"import failed: {type(fault).__name__}: {first_line(fault)}")
        if plugin.status != "ok":
            plugin.components = []
            return


@contextlib.contextmanager
def _surroundings_kept(plugin: Plugin) -> Iterator[None]:
    """Undo what code of a plugin changes of what all share, and break the plugin for it."""
    if plugin.source.namespace == CORE:
        yield
        return
    before, modules = Surroundings(), dict(sys.modules)
    with kept_process([plugin.source.top]):
        try:
            yield
        finally:
            changed = before.put_back_after_import() + put_back_modules(modules, plugin.source.top)
            if changed:
                plugin.broken(f"importing it changes {', '.join(changed)}, which all share")


def _import(plugin: Plugin) -> None:
    if plugin.name in RESERVED:
        plugin.broken("its name is reserved")
        return
    if not re.fullmatch(NAME, plugin.name):
        plugin.broken("a plugin's name has letters, digits and . _ + - only")
        return
    try:
        with _foreign_code():
            plugin.module = _module(plugin.source)
    except _Fault as fault:
        plugin.broken(f"import failed: {fault}")
        plugin.traceback = fault.traceback


def _register(plugin: Plugin, manager: pluggy.PluginManager) -> None:
    assert plugin.module is not None
    wrong = hook_mistakes(plugin.module)
    if wrong:
        plugin.broken("; ".join(wrong))
        return
    try:
        manager.register(plugin.module, name=plugin.name)
    except (pluggy.PluginValidationError, ValueError) as fault:
        plugin.broken(f"hook refused: {' '.join(str(fault).split())}")
        return
    _collect(plugin, _declared(plugin))
    if not (plugin.components or plugin.problems or hook_functions(plugin.module)):
        plugin.broken(
            "declares nothing: neither its module nor a submodule that this imports has a component with a "
            "decorator such as @genbench.measure, or a hook"
        )


class _Fault(Exception):
    """What a plugin's code raised, in one line; and the traceback of that code alone."""

    def __init__(self, fault: BaseException):
        super().__init__(f"{type(fault).__name__}: {first_line(fault)}")
        own = fault.__traceback__
        while own is not None and (own.tb_frame.f_code.co_filename == __file__ or _is_import(own)):
            own = own.tb_next
        self.traceback = "".join(traceback.format_exception(type(fault), fault, own))


def _is_import(place: types.TracebackType) -> bool:
    name = place.tb_frame.f_code.co_filename
    return name.startswith("<frozen importlib") or name.endswith("importlib/__init__.py")


@contextlib.contextmanager
def _foreign_code() -> Iterator[None]:
    """Run a plugin's code: what it prints does not get among the results, what it raises is a `_Fault`."""
    process = os.getpid()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # a plugin may call sys.exit or raise anything
        raise _Fault(fault) from None
    finally:
        if os.getpid() != process:
            os._exit(FORKED)  # a copy of this process has no business beyond the plugin's code


def listed(plugin: Plugin, hook: str, function: Callable[[], Any], wanted: tuple[type, ...]) -> list[Any]:
    """What a hook that returns several things returned; a fault is the plugin's problem."""
    try:
        with _foreign_code():
            found = function()
            if isinstance(found, str):
                raise TypeError("it must return a list")
            found = list(itertools.islice(found, MOST_LISTED + 1))
            if len(found) > MOST_LISTED:
                raise ValueError(f"it returned more than {MOST_LISTED:,} things")
            for each in found:
                if not isinstance(each, wanted):
                    raise TypeError(f"{each!r} is not what it should return")
    except _Fault as fault:
        plugin.problems.append(f"{hook} raised {fault}")
        return []
    return found


def _module(source: PluginSource) -> types.ModuleType:
    if not source.file:
        return importlib.import_module(source.module)
    # The text, not the file, is what runs: driver and workers see the same code. The module is listed
    # so that dataclasses and torch can look up the names in its annotations.
    module = types.ModuleType(FILE_PREFIX + source.name)
    module.__file__ = source.file
    sys.modules[module.__name__] = module
    exec(compile(source.text, source.file, "exec"), module.__dict__)
    return module


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
        found.update((id(each), each) for each in listed(plugin, "genbench_components", hook, (object,)))
    return list(found.values())


def _collect(plugin: Plugin, declared: Iterable[Any]) -> None:
    seen: dict[tuple[Kind, str], Component] = {}
    for each in declared:
        try:
            component = describe(
                each,
                plugin.source.namespace,
                source_hash=_source_hash(each, plugin.source),
                keyed_by_source=plugin.source.is_keyed_by_source,
            )
            if plugin.source.package:
                component = dataclasses.replace(component, package=plugin.source.package)
        except InvalidInput as fault:
            plugin.problems += fault.problems
            continue
        except Exception as fault:  # a declaration or a signature may hold anything
            plugin.problems.append(f"{each!r}: {type(fault).__name__}: {first_line(fault)}")
            continue
        names = [(component.kind, fold(name)) for name in (component.name, *component.declared.aliases)]
        taken = next((seen[name] for name in names if name in seen), None)
        if taken is not None:
            plugin.problems.append(
                f"{component.kind} '{component.name}' is declared twice; the first one counts"
            )
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
