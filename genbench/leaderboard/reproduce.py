"""Rerunning a few trials of an entry, and writing down whether they came out as it says."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.canonical import digest
from genbench.base.errors import InvalidInput, MissingResult, UsageError
from genbench.base.files import as_json, write_atomically
from genbench.base.outcomes import RESULTS
from genbench.contract.components import Kind
from genbench.host.identity import identity_digest, identity_of
from genbench.host.settings import parse_variant
from genbench.leaderboard.agreement import EXACT, LOOSE, Tolerance
from genbench.leaderboard.badges import badge, shortcomings
from genbench.leaderboard.draws import chosen_fits, drawn_seed, leaderboard_of, leaderboard_state, to_sign
from genbench.leaderboard.entry import Attested
from genbench.leaderboard.schema import FORMAT
from genbench.leaderboard.signing import sign
from genbench.leaderboard.validate import check_entry
from genbench.runs.results import value_number
from genbench.runs.store import Folder, StoredFit

if TYPE_CHECKING:
    from genbench.execution.runner import Progress
    from genbench.host import Host
    from genbench.host.battery import Battery
    from genbench.leaderboard.entry import Entry
    from genbench.planning.plan import Plan, Trial
    from genbench.planning.suite import Suite

__all__ = ["Draw", "Reproduced", "attest", "reproduce"]

MACHINE = ("system", "processor", "device", "packages")
"""What two environments share that belong to one class of machines, on which results are the same bits."""


@dataclass(frozen=True)
class Draw:
    """Which fits are rerun, and why these; see `genbench.leaderboard.draws`.

    Attributes
    ----------
    state : str
        Hash of the leaderboard's other entries.
    signature : str
        Of the key that draws; empty where nobody signs.
    """

    state: str
    signature: str
    seed: int
    sample: int


@dataclass(frozen=True)
class Reproduced:
    """What a rerun left behind.

    Attributes
    ----------
    attestation : dict
        See `genbench.leaderboard.schema.Attestation`.
    path : Path
        Where it was written; its signature is beside it.
    badge : str
        What the entry has with it, by the keys that the leaderboard lists.
    lines : list of str
        Why it is no better one.
    """

    attestation: dict[str, Any]
    path: Path
    badge: str
    lines: list[str]


def reproduce(
    folder: Path,
    host: Host,
    *,
    sample: int = 3,
    key: Path | None = None,
    root: Path | None = None,
    data: Path | None = None,
    device: str = "cpu",
    attester: str = "",
    progress: Progress | None = None,
) -> Reproduced:
    """Train and measure some trials of an entry anew, compare, and write an attestation into its folder.

    Parameters
    ----------
    folder : Path
        The entry.
    host : Host
        With the plugins whose components the entry used.
    sample : int
        How many fits; all of them where there are fewer.
    key : Path, optional
        The SSH key of whoever answers for it. Without one the attestation counts for nothing.
    root : Path, optional
        The leaderboard; where left out, the one in whose ``entries`` the entry stands.
    attester : str
        A name to be published; tables name the key's owner.

    Raises
    ------
    InvalidInput
        The entry has faults, or cannot be rerun with what is installed here; the key cannot sign.
    MissingResult
        A trial could not be trained.
    """
    if sample < 1:
        raise UsageError(f"--sample {sample}: must be at least 1")
    checked = check_entry(folder)
    entry = checked.entry
    if entry is None:
        raise InvalidInput(checked.faults)
    root = root or leaderboard_of(folder)
    draw = _draw(entry, folder, root, sample, key)
    suite = _suite(folder, entry, host)
    keys = chosen_fits(entry.fits, sample, draw.seed)
    battery, left_out = _battery(entry, host)
    plan = _plan(entry, suite, host, keys, data)
    with tempfile.TemporaryDirectory(prefix="genbench-reproduce-") as scratch:
        rerun = Folder(Path(scratch) / "run")
        _run(plan, rerun, host, battery, data, device, progress)
        attestation = attest(entry, rerun, keys, battery, left_out, draw=draw, attester=attester)
    path = folder / f"attestation-{digest(attestation)[:12]}.json"
    text = as_json(attestation)
    write_atomically(path, text)
    signature = ""
    if key is not None:
        signature = sign(text, key)
        write_atomically(path.with_name(f"{path.name}.sig"), signature.encode())
    alone = replace(entry, attestations=(Attested(path.name, attestation, text, signature),))
    found = badge(alone, root)
    short = [f"it earns no badge: {each}" for each in shortcomings(entry, attestation)]
    return Reproduced(attestation, path, found.word, [*found.lines, *(short if not key else [])])


def _draw(entry: Entry, folder: Path, root: Path | None, sample: int, key: Path | None) -> Draw:
    state = leaderboard_state(root, folder)
    signature = "" if key is None else sign(to_sign(entry.digest, state), key)
    return Draw(state, signature, drawn_seed(entry.digest, state, signature), sample)


def _suite(folder: Path, entry: Entry, host: Host) -> Suite:
    from genbench.planning.suite import load_suite

    return load_suite(folder / "suite.toml", host, name=entry.header["suite"]["name"], check_measures=False)


def _plan(entry: Entry, suite: Suite, host: Host, keys: Sequence[str], data: Path | None) -> Plan:
    """Only the chosen trials, each as the installed components make it."""
    from genbench.fitting.preflight import plan_suite
    from genbench.planning.plan import Plan

    planned: dict[str, Trial] = {each.key: each for each in plan_suite(suite, host, data=data).trials}
    if unknown := [key for key in keys if key not in planned]:
        raise InvalidInput(
            f"{entry.name}: fit {unknown[0]} is no trial of its suite as installed here: other defaults, "
            "other data, or other versions of components or trainer"
        )
    trials = tuple(planned[key] for key in keys)
    return Plan(suite, trials, trials)


def _battery(entry: Entry, host: Host) -> tuple[Battery, list[str]]:
    """The measures that can be compared, and those that cannot: unknown, other versions, siblings."""
    from genbench.host.battery import Battery, Request

    requests, left_out = [], []
    for name, line in entry.measures.items():
        spelled, settings = parse_variant(name)
        component = host.lookup(Kind.MEASURE, spelled)
        if component is None or line["siblings"]:
            left_out.append(name)
            continue
        try:
            request = Request.of(component, settings)
            alone = Battery.resolve([request], host.probe_lookup)
        except InvalidInput:
            left_out.append(name)
            continue
        if identity_digest(identity_of(alone, request)) == identity_digest(line["identity"]):
            requests.append(request)
        else:
            left_out.append(name)
    return Battery.resolve(requests, host.probe_lookup), sorted(left_out)


def _run(
    plan: Plan,
    folder: Folder,
    host: Host,
    battery: Battery,
    data: Path | None,
    device: str,
    progress: Progress | None,
) -> None:
    from genbench.execution.runner import Runner

    executor = host.find(Kind.EXECUTOR, "local").object(devices=(device,))
    root = str(data.resolve()) if data else None
    folder.open_for(plan.suite)
    with Runner(plan, folder, host, executor, battery, data=root, train=True, progress=progress) as runner:
        summary = runner.run()
    if summary.failures:
        raise MissingResult(
            f"fit {key}: could not be trained: {why}" for key, why in summary.failures.items()
        )


def attest(
    entry: Entry,
    rerun: Folder,
    keys: Sequence[str],
    battery: Battery,
    left_out: Sequence[str],
    *,
    draw: Draw,
    attester: str,
) -> dict[str, Any]:
    """Compare the fits of a run folder with those of an entry."""
    fits = {key: rerun.fit(key) for key in keys}
    found = {key: fit for key, fit in fits.items() if fit is not None}
    environments = rerun.environments()
    ours = environments[next(iter(found.values())).record["environment"]]
    same = all(
        all(
            entry.environments[entry.fits[key]["environment"]].get(part) == ours.get(part) for part in MACHINE
        )
        for key in keys
    )
    tolerance = EXACT if same else LOOSE
    names = [each.spelling for each in battery.requests]
    reruns = [_compared(entry, rerun, key, found[key], names, tolerance) for key in keys]
    values = [each["agrees"] for fit in reruns for each in fit["values"]]
    agrees = all(each["agrees"] for fit in reruns for each in fit["outcome"])
    return {
        "format": FORMAT,
        "records": entry.digest,
        "attester": attester,
        "state": draw.state,
        "draw": draw.signature,
        "seed": draw.seed,
        "sample": draw.sample,
        "same_machine_class": same,
        "tolerance": {
            "error": tolerance.error,
            "relative": tolerance.relative,
            "share_of_values": tolerance.share,
        },
        "environment": {
            **{name: ours.get(name) for name in ("genbench", "commit", "python", *MACHINE)},
            "plugins": [[each["name"], each["version"]] for each in ours["plugins"]],
        },
        "fits": reruns,
        "left_out": list(left_out),
        "agrees": agrees and sum(values) >= tolerance.share * len(values),
    }


def _compared(
    entry: Entry, rerun: Folder, key: str, fit: StoredFit, names: Sequence[str], tolerance: Tolerance
) -> dict[str, Any]:
    recorded, values = entry.fits[key], entry.values.get(key, {})
    measured = rerun.measured(key).values
    return {
        "key": key,
        "outcome": [_pair(name, recorded[name], fit.record[name], True, tolerance) for name in RESULTS],
        "values": [
            _pair(
                name,
                _number(values[name]),
                _number(measured[name]),
                values[name]["status"] == measured[name]["status"],
                tolerance,
            )
            for name in names
            if name in values and name in measured
        ],
    }


def _number(value: Mapping[str, Any]) -> float | None:
    number = value_number(value)
    return None if number != number else number


def _pair(
    name: str, recorded: float | None, found: float | None, same_status: bool, tolerance: Tolerance
) -> dict[str, Any]:
    missing = float("nan")
    agrees = same_status and tolerance.agrees(
        name, missing if recorded is None else recorded, missing if found is None else found
    )
    return {"name": name, "recorded": recorded, "found": found, "agrees": agrees}
