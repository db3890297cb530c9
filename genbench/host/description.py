"""A plugin told in plain data by the process that imported it, and made of that again where it never is.

What comes back is held to the same rules as a declaration in code; it may have been written by anybody.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from genbench.base.errors import InvalidInput, first_line, printable
from genbench.contract import hookspecs
from genbench.contract.components import NAME, Component, Declaration, ForwardedSetting, Kind, Need, Setting
from genbench.host.annotations import as_type, in_plain_data
from genbench.host.elsewhere import Deputies, Elsewhere, NoAnswer
from genbench.host.hooks import hook_functions
from genbench.host.plugin import Plugin, PluginSource, listed, load
from genbench.host.signatures import check_declaration, check_defaults

__all__ = [
    "FORMAT",
    "LONGEST_DESCRIPTION",
    "described",
    "files_of_modules",
    "recalled",
    "state_of",
    "told_by_no_version",
]

FORMAT = 2
"""Of descriptions; those of another one are made anew."""

LONGEST_DESCRIPTION = 16 << 20
LONGEST_TEXT = 200_000
MOST_COMPONENTS, MOST_PROBLEMS = 10_000, 100
LIBRARIES = ("site-packages", "dist-packages")

_TEXTS = ("family", "direction", "source", "formula", "cost")


def described(source: PluginSource, manager: Any) -> str:
    """Import a plugin, and tell what it declares as JSON; what is wrong with it is a part of that."""
    plugin = Plugin(source)
    load(plugin, manager)
    hooks = hook_functions(plugin.module) if plugin.status == "ok" and plugin.module else {}
    suites = []
    if "genbench_suites" in hooks:
        suites = [
            str(Path(each).absolute())
            for each in listed(plugin, "genbench_suites", hooks["genbench_suites"], (str, Path))
        ]
    components = []
    for each in plugin.components:
        try:
            components.append(_component(each))
        except Exception as fault:  # what a plugin declares may raise anything
            plugin.problems.append(f"{each.kind} is broken: {type(fault).__name__}: {first_line(fault)}")
    return json.dumps(
        {
            "status": plugin.status,
            "problems": [str(each)[:LONGEST_TEXT] for each in plugin.problems],
            "traceback": plugin.traceback[-LONGEST_TEXT:],
            "hooks": sorted(hooks),
            "suites": suites,
            "components": components,
            "files": [state_of(each) for each in _watched(suites)],
        }
    )


def state_of(path: Path) -> list[Any]:
    """What tells that a file was changed."""
    found = path.stat()
    return [str(path), found.st_size, found.st_mtime_ns]


def _watched(suites: Iterable[str]) -> Iterator[Path]:
    """The folders of suites and the files of what was imported.

    Those of Python and of installed packages are told by versions.
    """
    yield from {Path(each).absolute().parent for each in suites if Path(each).absolute().parent.is_dir()}
    yield from told_by_no_version(files_of_modules())


def files_of_modules(but: str = "") -> set[Path]:
    """The files of all modules that are imported, `but` of one name."""
    # Modules put some odd things there.
    found = {
        vars(each).get("__file__")
        for name, each in sys.modules.copy().items()
        if name != but and hasattr(each, "__dict__")
    }
    return {Path(each) for each in found if type(each) is str}


def told_by_no_version(paths: Iterable[Path]) -> Iterator[Path]:
    """Those of the files that are there, and belong neither to Python nor to an installed package; sorted."""
    standard = [Path(sysconfig.get_path(each)) for each in ("stdlib", "platstdlib")]
    for path in sorted(paths):
        installed = any(map(path.is_relative_to, standard)) or not {*path.parts}.isdisjoint(LIBRARIES)
        if not installed and path.is_absolute() and path.exists():
            yield path


def _component(component: Component) -> dict[str, Any]:
    declared = component.declared
    return {
        "kind": str(component.kind),
        "name": declared.name,
        "version": declared.version,
        "aliases": list(declared.aliases),
        **{name: str(getattr(declared, name))[:LONGEST_TEXT] for name in _TEXTS},
        "checksum": declared.checksum,
        "settings": [
            {
                "name": name,
                "type": in_plain_data(each.annotation),
                **({} if each.required else {"default": _tagged(each.default)}),
            }
            for name, each in component.settings.items()
        ],
        "needs": [[name, _need(each)] for name, each in component.needs.items()],
        "source_hash": component.source_hash,
        "remote": getattr(component.object, "remote", False) is True,
        "documentation": component.documentation[:LONGEST_TEXT],
    }


def _need(need: Need) -> dict[str, Any]:
    settings = [
        [name, {"forwarded": each.name} if isinstance(each, ForwardedSetting) else {"value": _tagged(each)}]
        for name, each in need.settings
    ]
    return {"name": need.name, "settings": settings, "shared": list(need.shared)}


def _tagged(content: Any) -> Any:
    """Plain data with tuples told from lists."""
    if isinstance(content, tuple):
        return {"()": [_tagged(each) for each in content]}
    if isinstance(content, Mapping):
        return {"{}": [[str(name), _tagged(each)] for name, each in content.items()]}
    return [_tagged(each) for each in content] if isinstance(content, list) else content


def _untagged(content: Any) -> Any:
    if isinstance(content, dict):
        ((tag, parts),) = content.items()
        if tag == "()":
            return tuple(_untagged(each) for each in parts)
        return {_text(name): _untagged(each) for name, each in parts}
    return [_untagged(each) for each in content] if isinstance(content, list) else content


def recalled(source: PluginSource, text: str, deputies: Deputies) -> Plugin:
    """The plugin of a description; one that makes no sense is of a broken plugin.

    Parameters
    ----------
    deputies : Deputies
        Who is asked where its code must be.
    """
    plugin = Plugin(source)
    try:
        content = json.loads(text.encode("utf-8", "replace"))
        content = json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
        plugin.status = "ok" if content["status"] == "ok" else "broken"
        plugin.problems = [printable(_text(each)) for each in content["problems"][:MOST_PROBLEMS]]
        plugin.traceback = "\n".join(map(printable, _text(content["traceback"]).splitlines()))
        plugin.hooks = frozenset(_text(each) for each in content["hooks"]) & vars(hookspecs).keys()
        plugin.suites = list(_suites(plugin, content["suites"]))
        plugin.files = [[_text(file), *map(int, state)] for file, *state in content["files"]]
        entries = list(content["components"])[:MOST_COMPONENTS]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        plugin.hooks, plugin.suites, plugin.files, plugin.components = frozenset(), [], [], []
        plugin.broken(f"what it declares cannot be told ({type(fault).__name__})")
        return plugin
    for entry in entries if plugin.status == "ok" else []:
        try:
            plugin.components.append(_recalled_component(source, entry, deputies))
        except InvalidInput as fault:
            plugin.problems += fault.problems
        except Exception as fault:  # whatever stands there, it is no component
            plugin.problems.append(f"a component cannot be told ({type(fault).__name__})")
    return plugin


def _suites(plugin: Plugin, paths: Iterable[Any]) -> Iterator[Path]:
    """The files of suites; what has no end when it is read, or never begins, is the plugin's problem."""
    for path in (Path(_text(each)) for each in paths):
        if path.exists() and not path.is_file():
            plugin.problems.append(f"genbench_suites: '{path}' is no plain file")
        else:
            yield path


def _recalled_component(source: PluginSource, entry: Mapping[str, Any], deputies: Deputies) -> Component:
    kind, name, version = Kind(entry["kind"]), _text(entry["name"]), entry["version"]
    if not re.fullmatch(NAME, name):
        raise InvalidInput(f"{kind}: a name has letters, digits and . _ + - only")
    where = f"{kind} '{name}'"
    checksum = entry["checksum"]
    declared = Declaration(
        kind=kind,
        name=name,
        version=version,
        aliases=tuple(_text(each) for each in entry["aliases"]),
        checksum=None if checksum is None else _text(checksum),
        **{each: printable(_text(entry[each])) for each in _TEXTS},
    )
    check_declaration(declared, where)
    full_name = f"{source.namespace}:{name}"
    there = Elsewhere(str(kind), full_name, _text(entry["documentation"]), deputies, entry["remote"] is True)
    settings = {each["name"]: _setting(each, there) for each in entry["settings"]}
    check_defaults(settings, where)
    return Component(
        declared,
        source.namespace,
        there,
        settings,
        {_text(parameter): _recalled_need(each) for parameter, each in entry["needs"]},
        _text(entry["source_hash"]),
        keyed_by_source=source.is_keyed_by_source,
        package=source.package,
    )


def _setting(entry: Mapping[str, Any], there: Elsewhere) -> Setting:
    name = _text(entry["name"])
    check = partial(_checked_there, there, name)
    default = _untagged(entry["default"]) if "default" in entry else dataclasses.MISSING
    return Setting(name, as_type(entry["type"], check), default)


def _checked_there(there: Elsewhere, name: str, value: Any) -> Any:
    try:
        answer = there.ask("checked", setting=name, value=value)
    except NoAnswer as fault:
        raise ValueError(f"its type {fault}") from None
    if "fault" in answer:
        raise ValueError(_text(answer["fault"]))
    return answer["value"]


def _recalled_need(entry: Mapping[str, Any]) -> Need:
    settings = [
        (
            _text(name),
            ForwardedSetting(_text(each["forwarded"])) if "forwarded" in each else _untagged(each["value"]),
        )
        for name, each in entry["settings"]
    ]
    return Need(_text(entry["name"]), tuple(settings), tuple(_text(each) for each in entry["shared"]))


def _text(content: Any) -> str:
    if not isinstance(content, str):
        raise TypeError(f"a {type(content).__name__} is no text")
    return content
