"""What lists and cards are made of, kept on disk, so that a later command need not import every plugin.

It is kept under a key that tells the plugins, the state of their files and what else is installed; a change
in any of these makes it anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pluggy

from genbench.base.canonical import digest
from genbench.base.errors import DiskFull, InvalidInput
from genbench.base.files import cache_folder, write_atomically
from genbench.contract.components import Component, Declaration, Kind
from genbench.host import Host
from genbench.host.description import files_of_modules, state_of, told_by_no_version
from genbench.host.plugin import Plugin, PluginSource, installed
from genbench.report.catalog import Told, told

__all__ = ["host_for_cards", "recalled", "written"]

# Different plugins given on the command line take turns; more than these few are not worth their disk.
KEPT = 8


def host_for_cards(
    plugins: Iterable[str] = (), without: Iterable[str] = (), *, words: Iterable[str] = ()
) -> Host:
    """A host that answers `genbench.report.catalog.rows` and `card`, and nothing else.

    Its components may know nothing but their rows and cards: then no plugin was imported.

    Parameters
    ----------
    plugins, without
        As for `Host.load`.
    words
        What `card` will be asked; the card of a variant is made by the plugin that has the component.

    Raises
    ------
    UsageError
        As `Host.load` does.
    """
    given, without = [PluginSource.from_argument(each) for each in plugins], list(without)
    if any("[" in each for each in words):
        return Host.described(given, without)
    sources = [*installed(), *given]
    try:
        trees = _trees(sources)
        path = cache_folder() / "catalogues" / _key(sources, without, trees)
    except (OSError, ValueError, ImportError, InvalidInput):
        # A package cannot be found, or not be looked at, or there is no place for a cache.
        return Host.described(given, without)
    known = _read(path)
    if known is not None:
        return recalled(known, sources, without)
    # What this process imported before may be older than the files are now.
    is_fresh = not any(each.module in sys.modules for each in sources)
    host = Host.described(given, without)
    if is_fresh:
        _keep(path, host, trees)
    return host


def written(host: Host, trees: Sequence[Path] = ()) -> str | None:
    """The rows and cards of all components, and where the suites are, as JSON; `recalled` makes a host of it.

    None where a plugin has problems, which may be over before any file of it changes, or where JSON cannot
    hold what a card says.

    Parameters
    ----------
    trees
        Folders and files whose states the key tells; those of other imported modules are written down.
    """
    suites = {name: str(path) for name, path in host.suites().items()}
    if host.problems():
        return None
    elsewhere = [state for each in host.plugins for state in each.files]
    try:
        content = {
            "plugins": {
                plugin.name: [_entry(host, each) for each in plugin.components] for plugin in host.plugins
            },
            "suites": suites,
            "watched": list(_watched(suites.values(), trees, elsewhere)),
        }
        text = json.dumps(_tagged(content))
        # A setting's default may be anything that prints in its own way, which JSON would not give back.
        return text if repr(_decoded(text)) == repr(content) else None
    except Exception:  # so may what plugins declare raise anything
        return None


def recalled(text: str, sources: Iterable[PluginSource], without: Sequence[str] = ()) -> Host:
    """The host that `written` wrote down, whose components know their rows and cards only."""
    content = _decoded(text)
    plugins = [
        Plugin(
            source,
            status="disabled" if source.name in without else "ok",
            components=[_component(source.namespace, each) for each in content["plugins"][source.name]],
        )
        for source in sources
    ]
    return _Recalled(plugins, content["suites"])


class _Recalled(Host):
    def __init__(self, plugins: Sequence[Plugin], suites: Mapping[str, str]):
        super().__init__(plugins, pluggy.PluginManager("genbench"))
        self._paths = {name: Path(path) for name, path in suites.items()}

    def suites(self) -> dict[str, Path]:
        return dict(self._paths)


def _entry(host: Host, component: Component) -> dict[str, Any]:
    declared = component.declared
    return {
        "kind": str(component.kind),
        "name": component.name,
        "aliases": list(declared.aliases),
        **dataclasses.asdict(told(host, component)),
    }


def _component(namespace: str, entry: Mapping[str, Any]) -> Component:
    declared = Declaration(Kind(entry["kind"]), entry["name"], aliases=tuple(entry["aliases"]))
    return Component(declared, namespace, Told(entry["row"], entry["card"]), settings={}, needs={})


def _tagged(content: Any) -> Any:
    """Tuples, which print in their own way, told from lists."""
    if isinstance(content, tuple):
        return {"()": [_tagged(each) for each in content]}
    if isinstance(content, dict):
        return {key: _tagged(value) for key, value in content.items()}
    return [_tagged(each) for each in content] if isinstance(content, list) else content


def _decoded(text: str) -> Any:
    return json.loads(text, object_hook=lambda found: tuple(found["()"]) if found.keys() == {"()"} else found)


def _key(sources: Iterable[PluginSource], without: Iterable[str], trees: Iterable[Path]) -> str:
    """Tells everything that rows and cards depend on, read without importing any of it."""
    distributions = {
        each.name
        for folder in map(Path, sys.path)
        if folder.is_dir()
        for each in folder.iterdir()
        if each.suffix in (".dist-info", ".egg-info")
    }
    return digest(
        {
            "python": sys.version,
            "distributions": sorted(distributions),  # their names have their versions
            "plugins": [dataclasses.asdict(each) for each in sources],
            "without": sorted(set(without)),
            "files": [state_of(each) for tree in trees for each in _files(tree)],
        }
    )


def _trees(sources: Iterable[PluginSource]) -> list[Path]:
    """The top-level packages and modules that hold genbench and the plugins, found without importing them.

    Raises
    ------
    ValueError, ImportError
        There is no such module, or it does not say where it is.
    """
    trees: dict[Path, None] = {}
    for name in dict.fromkeys(
        ["genbench", *(each.module.partition(".")[0] for each in sources if each.module)]
    ):
        spec = importlib.util.find_spec(name)
        if spec is None or not (spec.submodule_search_locations or spec.has_location):
            raise ImportError(name)
        trees.update((Path(each), None) for each in spec.submodule_search_locations or [str(spec.origin)])
    return list(trees)


def _files(tree: Path) -> Iterator[Path]:
    """The file itself, or all files of a folder; what is hidden is no part of a package."""
    if tree.is_file():
        yield tree
    for folder, inside, names in os.walk(tree):
        inside[:] = sorted(each for each in inside if each != "__pycache__" and not each.startswith("."))
        yield from (Path(folder, each) for each in sorted(names) if not each.startswith("."))


def _watched(
    suites: Iterable[str], trees: Sequence[Path], elsewhere: Iterable[list[Any]]
) -> Iterator[list[Any]]:
    """The states of what the key does not tell: the folders of suites and the imported modules elsewhere.

    A library's files are left to its version. `elsewhere` are the states of what plugins imported where they
    were described.
    """
    for state in elsewhere:
        if not any(Path(state[0]).is_relative_to(tree) for tree in trees):
            yield state
    read = files_of_modules(but="__main__") | {Path(each).parent for each in suites}
    for path in told_by_no_version(read):
        if not any(map(path.is_relative_to, trees)):
            yield state_of(path)


def _read(path: Path) -> str | None:
    """What was kept, if it is whole and what it watches is as it was."""
    try:
        checksum, _, text = path.read_text(encoding="utf-8").partition("\n")
        if checksum != hashlib.sha256(text.encode()).hexdigest():
            return None
        watched = _decoded(text)["watched"]
        return text if all(state_of(Path(each[0])) == each for each in watched) else None
    except (OSError, UnicodeDecodeError):
        return None


def _keep(path: Path, host: Host, trees: Sequence[Path]) -> None:
    text = written(host, trees)
    if text is None:
        return
    checksum = hashlib.sha256(text.encode()).hexdigest()
    try:
        write_atomically(path, f"{checksum}\n{text}".encode())
        kept = sorted(path.parent.iterdir(), key=lambda each: each.stat().st_mtime_ns, reverse=True)
        for each in kept[KEPT:]:
            each.unlink(missing_ok=True)
    except (OSError, DiskFull):
        return  # the next command makes it again
