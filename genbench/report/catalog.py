"""Components, suites and plugins as plain rows and cards, for lists and for looking one up."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genbench.auditing.stored import entry, stored
from genbench.base.errors import InvalidInput, UsageError, nearest
from genbench.base.files import read_text
from genbench.base.names import CORE
from genbench.contract.components import (
    COST_CLASSES,
    ROOT_COSTS,
    ROOT_SHAPES,
    ROOTS,
    Component,
    Kind,
    Setting,
)
from genbench.host import Host
from genbench.host.selection import COST_RANGES, cost_range
from genbench.host.settings import complete, parse_variant, spell
from genbench.report.docstrings import parameter_text

__all__ = ["Told", "card", "only", "rows", "told"]


@dataclass(frozen=True)
class Told:
    """Stands for a component's object whose row and card are known although its plugin is not imported."""

    row: dict[str, Any]
    card: dict[str, Any]


def told(host: Host, component: Component) -> Told:
    """The row and, for the default settings, the card of a component."""
    return Told(_component_row(host, component), _component_card(host, component, {}))


def rows(host: Host, kind: str) -> list[dict[str, Any]]:
    """One row for each thing of a kind; `kind` is a plural as on the command line."""
    if kind == "plugins":
        return _plugin_rows(host)
    if kind == "suites":
        return _suite_rows(host)
    return [_component_row(host, each) for each in host.components(Kind(kind.removesuffix("s")))]


def _component_row(host: Host, component: Component) -> dict[str, Any]:
    if isinstance(component.object, Told):
        return dict(component.object.row)
    row: dict[str, Any] = {"name": component.full_name}
    if component.kind is Kind.MEASURE:
        cost, needs = _below(host, component, component.defaults())
        row |= {
            "aliases": list(component.declared.aliases),
            "family": component.declared.family,
            "direction": component.declared.direction,
            "cost": cost,
            "held_out": "validation" in needs,
            "source": component.declared.source,
            "needs": needs,
        }
    if component.kind is Kind.PROBE:
        row |= {"cost": component.declared.cost, "needs": [each.name for each in component.needs.values()]}
    row |= {
        "settings": [f"{name}={_default(each)}" for name, each in component.settings.items()],
        "version": component.version,
        "plugin": component.plugin,
        "summary": component.summary,
    }
    if component.kind is Kind.PROTOCOL:
        # Every protocol has all the settings of the base class; its card shows them.
        del row["settings"]
    return row


def _default(setting: Setting) -> str:
    return "?" if setting.required else str(setting.default)


def _below(host: Host, component: Component, settings: dict[str, Any]) -> tuple[str, list[str]]:
    """Cost class of a measure, and the names of all probes and roots below it, in order of the alphabet."""
    from genbench.host.battery import Battery, Request

    request = Request(component, settings, component.full_name)
    try:
        battery = Battery.resolve([request], host.probe_lookup)
    except InvalidInput:
        return component.declared.cost, sorted(each.name for each in component.needs.values())
    probes = {probe.full_name for probe, _ in battery.probes_below(request)}
    return battery.cost_class(request), sorted(probes | battery.roots_needed(request))


def only(
    measures: list[dict[str, Any]], *, family: str | None, cost: str | None, need: str | None
) -> list[dict[str, Any]]:
    """The rows of measures that are of a family, of a cost class or range, and need a probe or a root.

    Raises
    ------
    UsageError
        No measure has that family or need, with the nearest one that there is; or no such cost class.
    """
    if family is not None:
        families = {each["family"] for each in measures}
        if family not in families:
            raise UsageError(f"unknown family '{family}'{nearest(family, families)}")
        measures = [each for each in measures if each["family"] == family]
    if cost is not None:
        wanted = cost_range(cost)
        if wanted is None:
            raise UsageError(f"--cost {cost}: {COST_RANGES}")
        lowest, highest = wanted
        measures = [each for each in measures if lowest <= each["cost"] <= highest]
    if need is not None:
        known = {name for each in measures for name in each["needs"]}
        if need not in known:
            raise UsageError(f"none of these measures needs '{need}'{nearest(need, known)}")
        measures = [each for each in measures if need in each["needs"]]
    return measures


def _plugin_rows(host: Host) -> list[dict[str, Any]]:
    host.suites()  # whether a plugin can list its suites shows only now
    found = []
    for plugin in host.plugins:
        counts: dict[str, int] = {}
        for each in plugin.components:
            counts[each.kind] = counts.get(each.kind, 0) + 1
        found.append(
            {
                "name": plugin.name,
                "status": "broken" if plugin.problems else plugin.status,
                "origin": plugin.source.origin,
                "version": plugin.source.version,
                "components": [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items()],
                "problem": "; ".join(plugin.problems),
            }
        )
    return found


def _suite_rows(host: Host) -> list[dict[str, Any]]:
    import tomllib

    found = []
    for name, path in sorted(host.suites().items()):
        try:
            content = tomllib.loads(read_text(path))
        except (OSError, ValueError) as fault:
            content = {"title": f"cannot be read: {fault}"}
        found.append({"name": name, "version": content.get("version", ""), "title": content.get("title", "")})
    return found


def card(host: Host, word: str) -> dict[str, Any]:
    """Everything there is to say of one thing: a component, which may be a variant, a suite or a plugin.

    Parameters
    ----------
    word : str
        A name, or ``kind:name`` where things of several kinds have the name.

    Raises
    ------
    UsageError
        Nothing has that name, or things of several kinds have it in this very spelling.
    """
    kind, _, rest = word.partition(":")
    suite = rest if kind == "suite" else word
    if suite in host.suites():
        return _suite_card(suite, host.suites()[suite])
    plugins = {each["name"]: each for each in _plugin_rows(host)}
    if kind == "plugin" and rest in plugins:
        return {"kind": "plugin", **plugins[rest]}
    kinds = [Kind(kind)] if rest and kind in {str(each) for each in Kind} else list(Kind)
    name, settings = parse_variant(rest if len(kinds) == 1 else word)
    found = [each for each in (host.lookup(kind, name) for kind in kinds) if each is not None]
    if not found and word in plugins:
        return {"kind": "plugin", **plugins[word]}
    root = word.removeprefix("root:")
    if not found and root in ROOTS:
        return _root_card(root)
    if not found:
        for kind in kinds:
            host.refuse_ambiguous(kind, name)
        components = [each for kind in kinds for each in host.components(kind)]
        names = [name for each in components for name in (each.full_name, *each.declared.aliases)]
        bare = rest if kind in ("root", "plugin", "suite") else name
        raise UsageError(
            f"nothing is named '{name}'{nearest(bare, [*names, *host.suites(), *plugins, *ROOTS])}"
        )
    if len(found) > 1:
        choices = {f"{each.kind}:{each.name}": each for each in found}
        # Hyphens and underscores are one where names are looked up, but here they tell things apart.
        spelled = [word for word, each in choices.items() if name in (each.name, *each.declared.aliases)]
        if len(spelled) != 1:
            raise UsageError(f"'{name}' is the name of several things; say which: {', '.join(choices)}")
        chosen = choices.pop(spelled[0])
        others = [f"genbench show {each}" for each in choices]
        return _with_others(_component_card(host, chosen, settings), others)
    return _component_card(host, found[0], settings)


def _root_card(name: str) -> dict[str, Any]:
    """What measures and probes start from, and what they may do with it."""
    cost = ROOT_COSTS.get(name)
    return {
        "kind": "root",
        "name": name,
        "is": ROOTS[name],
        "shape": ROOT_SHAPES[name],
        "cost": f"{cost} ({COST_CLASSES[cost]})" if cost else "",
        "other_roots": [each for each in ROOTS if each != name],
        "documentation": _ROOT_RULES,
    }


_ROOT_RULES = """\
A measure or a probe gets a root by naming a parameter after it. Roots are read-only: who changes one has an
error in place of a value. Gradients are off; `with torch.enable_grad():` turns them on, and
torch.autograd.grad leaves none behind. Randomness comes from the root `generator` alone. Where a root is
absent, what needs it is not applicable, with the reason; no root has test data."""


def _with_others(content: dict[str, Any], others: list[str]) -> dict[str, Any]:
    """A card that tells, behind its name, what shows the things of other kinds with that name."""
    first = ("kind", "name")
    return {
        **{key: content[key] for key in first},
        "see_also": others,
        **{key: value for key, value in content.items() if key not in first},
    }


def _suite_card(name: str, path: Path) -> dict[str, Any]:
    try:
        text = read_text(path)
    except OSError as fault:
        raise InvalidInput(f"{path}: cannot be read: {fault.strerror}") from None
    except ValueError as fault:
        raise InvalidInput(f"{path}: cannot be read: {fault}") from None
    return {"kind": "suite", "name": name, "text": text}


def _component_card(host: Host, component: Component, settings: dict[str, Any]) -> dict[str, Any]:
    if isinstance(component.object, Told):
        assert not settings, "a variant is asked of the plugin itself"
        return dict(component.object.card)
    chosen = complete(component, settings) if settings else component.defaults()
    content: dict[str, Any] = {
        "kind": str(component.kind),
        "name": component.full_name,
        "spelling": spell(component, chosen),
        "plugin": component.plugin if component.plugin != CORE else "built-in",
        "version": component.version,
    }
    declared = component.declared
    if component.kind is Kind.MEASURE:
        letter, below = _below(host, component, chosen)
        content |= {
            "aliases": list(declared.aliases),
            "family": declared.family,
            "direction": declared.direction,
            "claim": _CLAIMS[declared.direction],
            "formula": declared.formula,
            "cost": f"{letter} ({COST_CLASSES[letter]})",
            "held_out": "validation" in below,
            "starts_from": [each for each in below if each in ROOTS],
        }
        if content["spelling"] == component.full_name:
            content |= _audited(component)
    content |= {
        "source": declared.source,
        "needs": [each.name for each in component.needs.values()],
        "settings": {
            name: {
                "type": _type_name(each.annotation),
                "default": None if each.required else chosen[name],
                **_shared(each),
            }
            for name, each in component.settings.items()
        },
        "documentation": component.documentation,
    }
    return content


def _shared(setting: Setting) -> dict[str, str]:
    """Of a setting that is shared with a probe: which one, and what that says of it."""
    if setting.origin is None:
        return {}
    return {
        "probe": setting.origin.full_name,
        "documentation": parameter_text(setting.origin.documentation, setting.name),
    }


_CLAIMS = {
    "+": "a larger value is said to mean a larger gap",
    "-": "a larger value is said to mean a smaller gap",
    "?": "nothing is said of which value means a larger gap",
}


def _audited(component: Component) -> dict[str, Any]:
    """What the audits that come with genbench found of a measure; nothing of one that they did not see."""
    content: dict[str, Any] = {}
    if (invariance := entry("invariance", component)) is not None:
        about = stored("invariance")
        networks = invariance["networks"]
        content["applies_to"] = {
            name: "yes" if found["status"] == "ok" else found["reason"] for name, found in networks.items()
        }
        content["invariances"] = {
            title: {name: found["changes"][change] for name, found in networks.items() if "changes" in found}
            for change, title in about["changes"].items()
        }
    if (repeatability := entry("repeatability", component)) is not None:
        about = stored("repeatability")
        content["repeatability"] = {
            **{name: about[name] for name in ("suite", "repeats", "largest_ratio")},
            **repeatability,
        }
    if (cost := entry("cost", component)) is not None:
        about = stored("cost")
        content["cost_measured"] = {
            "milliseconds": cost["milliseconds"],
            "network": about["network"],
            "processor": about["environment"]["processor"],
        }
    return content


def _type_name(annotation: Any) -> str:
    """``int >= 1``, ``'relu' | 'tanh'``, ``float | None``."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return "anything"
    if annotation is types.NoneType:
        return "none"
    if origin is typing.Annotated:
        bounds = [
            f"{sign} {getattr(each, field)}"
            for each in arguments[1:]
            for field, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
            if hasattr(each, field)
        ]
        return " ".join([_type_name(arguments[0]), " and ".join(bounds)])
    if origin is typing.Literal:
        return " | ".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(_type_name, arguments))
    if origin in (tuple, list):
        return f"list of {_type_name(arguments[0])}" if arguments else "list"
    return getattr(annotation, "__name__", str(annotation))
