"""Making an entry of a run folder: a small folder of plain files that anybody can read and check."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import genbench
from genbench.base.canonical import digest
from genbench.base.errors import InvalidInput, UsageError
from genbench.base.files import as_json, unwritable, write_atomically
from genbench.base.names import CORE
from genbench.base.toml import as_toml
from genbench.contract.components import Component, Kind
from genbench.contract.protocol import TRAINER_VERSION
from genbench.host.identity import identity_digest, identity_of, value_key
from genbench.host.settings import parse_variant
from genbench.leaderboard.files import as_lines, compressed, is_entry_file, read_lines, shown
from genbench.leaderboard.joining import fit_differences
from genbench.leaderboard.schema import FORMAT, FitLine
from genbench.leaderboard.weights import DESCRIPTION, archive_beside, describe, write_archive
from genbench.planning.plan import sees_other_examples
from genbench.planning.sameness import suite_digest
from genbench.runs.store import Folder

if TYPE_CHECKING:
    from genbench.host import Host
    from genbench.host.battery import Battery, Request
    from genbench.leaderboard.entry import Entry
    from genbench.planning.plan import Trial
    from genbench.planning.suite import Suite

__all__ = ["entry_files", "pack", "write_entry"]

LARGE = 1 << 20
"""Bytes from which on a file of records is compressed."""

# Names that say nothing of a person or a machine, and words of this field besides.
COMMON_NAMES = frozenset({"root", "user", "admin", "runner", "ubuntu", "debian", "localhost", "test", "data"})
PATH = re.compile(r"(?<![\w.<])(?:[A-Za-z]:)?(?:[\\/][\w.+@~-]+){2,}[\\/]?")


def pack(
    run: Path, out: Path, host: Host, *, submitter: str = "", weights: bool = False, url: str = "",
    joins: Entry | None = None, warn: Any = lambda line: None,
) -> dict[str, int]:  # fmt: skip
    """Write the entry of a run.

    Parameters
    ----------
    run, out : Path
        The run folder; a folder that does not exist yet, or that holds an entry, which is replaced.
    host : Host
        With the plugins whose components the run used.
    submitter : str
        Who answers for the entry: a name or a handle to be published.
    weights : bool
        Write an archive of the weights beside the entry too.
    url : str
        Where that archive will be published.
    joins : Entry, optional
        A published entry of the same fits: what it has is left out, and this one joins its table.

    Returns
    -------
    dict
        Size of each file in bytes.

    Raises
    ------
    InvalidInput
        No run folder, a suite that names files of this machine, components that are not installed.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError(f"--out {out}: is no folder")
    if out.exists() and any(out.iterdir()) and not (out / "entry.json").is_file():
        raise UsageError(f"--out {out}: holds something else than an entry")
    there = sorted(each.name for each in out.iterdir()) if out.exists() else []
    if foreign := [name for name in there if not is_entry_file(name)]:
        raise UsageError(f"--out {out}: holds {shown(foreign[0])}, which no entry has; name another folder")
    folder = Folder(run, warn)
    files = entry_files(folder, host, submitter, warn, joins)
    if weights:
        archive = archive_beside(out)
        fits = [each["key"] for _, each in read_lines("fits.jsonl", files["fits.jsonl"], [])]
        write_archive(archive, files, folder, fits)
        files[DESCRIPTION] = as_json(describe(archive, url))
    write_entry(out, files)
    return {each.name: each.stat().st_size for each in sorted(out.iterdir())}


def write_entry(out: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of an entry, large ones compressed, in place of what was there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        written = set()
        for name, content in files.items():
            packed = name.endswith(".jsonl") and len(content) > LARGE
            path = out / (f"{name}.gz" if packed else name)
            write_atomically(path, compressed(content) if packed else content)
            written.add(path)
        for path in set(out.iterdir()) - written:
            if is_entry_file(path.name):
                path.unlink()
    except OSError as fault:
        raise unwritable(out, fault, "entry ") from None


def entry_files(
    folder: Folder, host: Host, submitter: str, warn: Any, joins: Entry | None = None
) -> dict[str, bytes]:
    """The content of each file of a run's entry: the same bytes for the same run."""
    from genbench.planning.suite import load_suite

    content = folder.suite_content()
    suite = load_suite(folder.suite_file, host, name=content.get("name", "suite"))
    _refuse_paths(content)
    trials = _trials(folder, suite, host)
    battery = _battery(folder, suite, host, trials)
    fits = {key: fit.record for key in trials if (fit := folder.fit(key)) is not None}
    if joins is not None:
        fits = _joined_fits(fits, suite, joins)
    failures = {key: found for key in trials if key not in fits and (found := folder.failure(key))}
    values, held_out, left_out = _values(folder, battery, fits, trials)
    if left_out:
        warn(
            f"{left_out} values were made by other versions of their measures or probes and are left out; "
            f"'genbench measure {folder.path}' computes them anew"
        )
    requests = _sorted(battery.requests)
    if joins is not None:
        requests = _new_measures(requests, battery, values, joins)
        names = {each.spelling for each in requests}
        values = [each for each in values if each["measure"] in names]
    others = any(sees_other_examples(trials[key]) for key in fits)
    used = {record["environment"] for record in fits.values()}
    environments = {name: each for name, each in folder.environments().items() if name in used}
    files = {
        "entry.json": as_json(_header(suite, host, submitter, joins)),
        "suite.toml": as_toml({"name": suite.name, **suite.content}).encode(),
        "environments.jsonl": as_lines([_environment(environments[name]) for name in sorted(environments)]),
        "measures.jsonl": as_lines(
            [_measure(host, battery, each, each.spelling in held_out, others) for each in requests]
        ),
        "fits.jsonl": as_lines([_fit(fits[key]) for key in sorted(fits)]),
        "values.jsonl": as_lines(values),
    }
    if failures:
        files["failures.jsonl"] = as_lines([_failure(failures[key]) for key in sorted(failures)])
    return files


def _joined_fits(fits: Mapping[str, Any], suite: Suite, joins: Entry) -> dict[str, Any]:
    """The fits of an entry among those of a run."""
    if joins.joins:
        raise InvalidInput(f"entry '{joins.name}' itself joins '{joins.joins}'; join that one")
    if suite_digest(suite.content) != suite_digest(joins.suite):
        raise InvalidInput(f"entry '{joins.name}' is of another suite than this run")
    shared = {key: fits[key] for key in joins.fits if key in fits}
    if differing := list(fit_differences(shared, joins)):
        raise InvalidInput(
            [*differing, f"'genbench leaderboard fetch' brings the fits of '{joins.name}' if it has weights"]
        )
    return shared


def _new_measures(
    requests: Sequence[Request], battery: Battery, values: Sequence[Mapping[str, Any]], joins: Entry
) -> list[Request]:
    """The measures that have values here and that an entry does not have, or has otherwise."""
    computed = {each["measure"] for each in values}
    there = {name: identity_digest(line["identity"]) for name, line in joins.measures.items()}
    found = [
        each
        for each in requests
        if each.spelling in computed
        and there.get(each.spelling) != identity_digest(identity_of(battery, each))
    ]
    if not found:
        raise InvalidInput(
            f"entry '{joins.name}' has every measure of this run; there is nothing to join it with"
        )
    return found


def _sorted(requests: Iterable[Request]) -> list[Request]:
    return sorted(requests, key=lambda each: each.spelling)


def _trials(folder: Folder, suite: Suite, host: Host) -> dict[str, Trial]:
    """The trials of the suite that the folder knows, by key."""
    from genbench.fitting.preflight import plan_suite

    there = set(folder.fit_keys())
    if not there:
        raise InvalidInput(f"'{folder.path}': has no fits yet")
    planned = plan_suite(suite, host)
    found = {each.key: each for each in planned.trials if each.key in there}
    if not found:
        raise InvalidInput(
            f"'{folder.path}': none of its {len(there)} fits is one of the suite as installed here; "
            "their components, or the trainer, have newer versions"
        )
    return found


def _battery(folder: Folder, suite: Suite, host: Host, trials: Mapping[str, Trial]) -> Battery:
    """What the suite asks for, and what was computed beyond that."""
    from genbench.host.battery import Battery, Request
    from genbench.host.selection import select

    wanted = {each.spelling: each for each in select(suite.measures, host).requests}
    for spelling in sorted({name for key in trials for name in folder.measured(key).values} - set(wanted)):
        name, settings = parse_variant(spelling)
        component = host.lookup(Kind.MEASURE, name)
        if component is None:
            raise InvalidInput(
                f"measure '{spelling}' was computed in this run, but no plugin here has it; "
                "give its plugin with --plugin"
            )
        request = Request.of(component, settings)
        wanted[request.spelling] = request
    return Battery.resolve(wanted.values(), host.probe_lookup)


def _values(
    folder: Folder, battery: Battery, fits: Mapping[str, Any], trials: Mapping[str, Trial]
) -> tuple[list[dict[str, Any]], set[str], int]:
    """The lines of all values with the keys that they must have; held-out measures; how many have others."""
    identities = {each.spelling: identity_digest(identity_of(battery, each)) for each in battery.requests}
    related = {each.spelling for each in battery.requests if battery.needs_siblings(each)}
    configurations: dict[str, list[str]] = {}
    for key in fits:
        configurations.setdefault(trials[key].configuration, []).append(key)
    lines: list[dict[str, Any]] = []
    held_out: set[str] = set()
    others = 0
    for key in sorted(fits):
        siblings = [each for each in configurations[trials[key].configuration] if each != key]
        wanted = {
            name: value_key(key, identity, siblings if name in related else ())
            for name, identity in identities.items()
        }
        found = folder.measured(key, wanted).values
        others += len(folder.measured(key).values.keys() - found.keys())
        for name in sorted(found):
            lines.append(_value(key, found[name]))
            if found[name]["held_out"]:
                held_out.add(name)
    return lines, held_out, others


def _value(key: str, value: Mapping[str, Any]) -> dict[str, Any]:
    line = {"fit": key, **{name: value[name] for name in ("measure", "key", "status", "value", "seconds")}}
    if value.get("infinite"):
        line["infinite"] = value["infinite"]
    if value["reason"]:
        line["reason"] = _line(value["reason"])
    return line


def _fit(record: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: record[name] for name in FitLine.model_fields if name in record}
    for name, kind in (("gap", "error"), ("loss_gap", "loss")):
        high, low = record[f"test_{kind}"], record[f"train_{kind}"]
        kept[name] = None if high is None or low is None else high - low
    kept["stop_note"] = _line(record["stop_note"])
    return kept


def _failure(record: Mapping[str, Any]) -> dict[str, Any]:
    reason = _line(record["reason"]) or "no reason was recorded"
    return {"key": record["key"], "trial": record["trial"], "status": record["status"], "reason": reason}


def _environment(stored: Mapping[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in stored.items() if name not in ("format", "sha256")}
    return {"hash": digest(content), "content": content}


def _measure(host: Host, battery: Battery, request: Request, held_out: bool, others: bool) -> dict[str, Any]:
    """A measure's line; `held_out` by its values, `others` where siblings saw other examples than a fit."""
    from genbench.host.identity import describe_measure

    described = describe_measure(battery, request)
    siblings = battery.needs_siblings(request)
    del described["code"]  # it stands in the identity
    return {
        **described,
        "identity": identity_of(battery, request),
        "plugin_version": _plugin_version(host, described),
        "held_out": described["held_out"] or held_out or (siblings and others),
        "siblings": siblings,
        "summary": request.component.summary[:500],
    }


def _plugin_version(host: Host, described: Mapping[str, Any]) -> str:
    """The version of a plugin, or for a file, which has none, the hash of its source."""
    if described["plugin"] == CORE:
        return genbench.__version__
    versions = {each.name: each.source.version for each in host.plugins}
    return versions.get(described["plugin"]) or f"source {described['source'][:12]}"


def _header(suite: Suite, host: Host, submitter: str, joins: Entry | None) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "suite": {"name": suite.name, "version": suite.version},
        "submitter": submitter,
        "genbench": genbench.__version__,
        "trainer": TRAINER_VERSION,
        "components": [_declared(*each) for each in _spellings(suite, host)],
        **({"joins": joins.name} if joins is not None else {}),
    }


def _spellings(suite: Suite, host: Host) -> list[tuple[Component, list[str]]]:
    """The components that the suite names, with the words it names them by."""
    found: dict[tuple[str, str], tuple[Component, dict[str, None]]] = {}
    tables = suite.content.get("grid", [{}])
    for kind in (Kind.DATASET, Kind.MODEL, Kind.PROTOCOL, Kind.REGULARIZER):
        for given in _named([suite.content, *tables], kind):
            name = parse_variant(given)[0] if isinstance(given, str) else given["name"]
            component = host.find(kind, name)
            words = found.setdefault((str(kind), component.full_name), (component, {}))[1]
            words[name] = None
    return [(component, sorted(words)) for _, (component, words) in sorted(found.items())]


def _named(tables: Sequence[Mapping[str, Any]], kind: Kind) -> Iterator[Any]:
    from genbench.planning.grid import DEFAULT_PROTOCOL

    if kind is Kind.REGULARIZER:
        for table in tables:
            for stack in table.get("regularizers", []):
                yield from stack
        return
    if kind is Kind.PROTOCOL:
        yield DEFAULT_PROTOCOL
    for table in tables:
        given = table.get(str(kind), [])
        yield from given if isinstance(given, list) else [given]


def _declared(component: Component, spelled: list[str]) -> dict[str, Any]:
    return {
        "kind": str(component.kind),
        "name": component.full_name,
        "spelled": spelled,
        "version": component.version,
        "defaults": component.defaults(),
        "lists": sorted(name for name, each in component.settings.items() if _is_list(each.annotation)),
    }


def _is_list(annotation: Any) -> bool:
    parts = (annotation, *get_args(annotation))
    return annotation in (list, tuple) or any(get_origin(each) in (list, tuple) for each in parts)


def _refuse_paths(content: Any, where: str = "suite.toml") -> None:
    """A suite that names files of this machine means nothing elsewhere."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            _refuse_paths(value, f"{where}: {key}")
    elif isinstance(content, list):
        for value in content:
            _refuse_paths(value, where)
    elif isinstance(content, str) and _anonymous(content) != content:
        raise InvalidInput(
            f"{where}: holds a path, or the name of this machine or its user, which an entry must not"
        )


def _anonymous(text: str) -> str:
    """A text without absolute paths and without the names of this machine and its user."""
    text = PATH.sub("<path>", text)
    for name, word in ((_user(), "<user>"), (socket.gethostname(), "<host>")):
        if len(name) > 2 and name.lower() not in COMMON_NAMES:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", word, text)
    return text


def _line(text: str) -> str:
    """What a record says of a fault, in one line that names no place and nobody."""
    return _anonymous(" ".join(text.split()))[:1000]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
