"""Networks that were trained elsewhere as a run folder: its suite, its fits, and a plugin that builds them.

A run folder is plans, records and weights; nothing in it asks who did the training. What the networks differ
in becomes settings of a model and of a protocol, which a plugin file declares that is written beside the
suite. Like any plugin it runs only for who names it.
"""

from __future__ import annotations

import ast
import math
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import InvalidInput, UsageError, nearest
from genbench.base.outcomes import NORMALIZED_LOSSES, RESULTS
from genbench.base.values import StopReason
from genbench.fitting.factories import folder_of
from genbench.fitting.imported_apart import HANDED_OVER
from genbench.fitting.makers import APART, Maker
from genbench.fitting.manifest import Manifest, Network
from genbench.fitting.own_data import named_dataset
from genbench.fitting.preflight import plan_suite
from genbench.host import Host
from genbench.host.elsewhere import NoAnswer
from genbench.runs.environment import describe_environment, now
from genbench.runs.store import Folder

if TYPE_CHECKING:
    from genbench.planning.plan import Trial
    from genbench.planning.suite import Suite

__all__ = [
    "PLUGIN",
    "Source",
    "bring_in",
    "code_folder",
    "planned",
    "plugin_text",
    "suite_content",
]

PLUGIN = "imported.py"
"""The plugin file of an imported run, in its folder."""

NAME = "imported"
SECONDS_FOR_A_NETWORK = 3600.0
"""To build a network and see how it does, for the first one of a process with making its data."""
ROUNDING = 0.005
"""Shares that are closer than this are taken for one, rounded."""

HEAD = '''"""Networks that were trained elsewhere: how they are built, and what their trainings differ in.

Written by ``genbench import``. Commands that build the networks, such as measure, want it with --plugin.
"""

from typing import Any

import genbench
from genbench.base.data import Task
'''

MODEL = '''from genbench.fitting.factories import built_by

FACTORY, FOLDER = {factory!r}, {folder!r}
SOURCE = {source!r}


@genbench.model
def network(task: Task{taken}) -> Any:
    """The network that the factory makes."""
    return built_by(FACTORY, FOLDER, task{handed})
'''

TRAINING = '''

@genbench.protocol
class training(genbench.Protocol):
    """How the networks were trained, as far as is known; genbench trains none of them."""
{fields}

@genbench.regularizer
class trained_elsewhere(genbench.Regularizer):
    """Stands for a training that genbench did not do, and cannot do again."""

    def check(self, planned: Any) -> None:
        raise genbench.InvalidInput("trained elsewhere; 'genbench import' brings networks in")
'''


@dataclass(frozen=True)
class Source:
    """What is imported.

    Attributes
    ----------
    manifest : Manifest
    factory : Maker
    dataset : str
        A data set with settings in brackets.
    name : str
        Of the suite.
    measures : sequence of str
    """

    manifest: Manifest
    factory: Maker
    dataset: str
    name: str
    measures: Sequence[str]

    def part_of(self, axis: str) -> tuple[str, str]:
        """Whose setting an axis is, and its bare name there."""
        part, point, name = axis.partition(".")
        if point:
            return part, name
        return ("model" if axis in self.factory.parameters else "protocol"), axis

    def settings(self, part: str, network: Network) -> dict[str, Any]:
        """What a network has on the axes of a part."""
        found = {self.part_of(axis): level for axis, level in network.axes.items()}
        return {name: level for (of, name), level in found.items() if of == part}


def suite_content(source: Source, host: Host) -> dict[str, Any]:
    """The suite whose grid has one point for each network."""
    component, own, splits = named_dataset(source.dataset, host)
    model = source.factory.word.partition("[")[0] if source.factory.is_component else f"{NAME}:network"
    fixed = _given(source.factory.settings) if source.factory.is_component else {}
    is_part = splits["train_size"] is not None or "dataset.train_size" in source.manifest.axes
    if is_part and splits["subset_seed"] is None:
        splits["subset_seed"] = 0  # the part of the data that all were trained on, whatever their seeds
    data = _given({**own, **splits})
    keep = ["final"] + (["initial"] if any(each.initial for each in source.manifest.networks) else [])
    return {
        "title": f"{source.name}: networks trained elsewhere",
        "version": 1,
        "measures": list(source.measures),
        "targets": ["gap", "test_error", "loss_gap"],
        "keep": keep,
        "regularizers": [[f"{NAME}:trained_elsewhere"]],
        "grid": [
            {
                "dataset": {"name": component.full_name, **data, **source.settings("dataset", each)},
                "model": {"name": model, **fixed, **source.settings("model", each)},
                "protocol": {"name": f"{NAME}:training", **source.settings("protocol", each)},
                "seeds": [each.seed],
            }
            for each in source.manifest.networks
        ],
    }


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that are None, for which TOML has no word and which are so by default."""
    return {name: value for name, value in settings.items() if value is not None}


def plugin_text(source: Source) -> str:
    """The plugin that the components of `suite_content` come from.

    Raises
    ------
    InvalidInput
        A column is to be a setting of the model, which has none of that name.
    """
    parts: dict[str, list[str]] = {"dataset": [], "model": [], "protocol": []}
    for axis in source.manifest.axes:
        part, name = source.part_of(axis)
        parts[part].append(name)
    known = source.factory.parameters
    for name in parts["model"]:
        if name not in known:
            raise InvalidInput(
                f"column 'model.{name}': model '{source.factory.word}' has no such setting"
                f"{nearest(name, known)}"
            )
    model = ""
    if not source.factory.is_component:
        model = MODEL.format(
            factory=source.factory.word,
            folder=str(Path.cwd()),
            source=source.factory.source_hash,
            taken="".join([", *", *(f", {name}: Any" for name in parts["model"])] if parts["model"] else []),
            handed="".join(f", {name}={name}" for name in parts["model"]),
        )
    fields = "".join(f"\n    {name}: Any = None" for name in parts["protocol"])
    return HEAD + model + TRAINING.format(fields=fields and fields + "\n")


def code_folder(text: str) -> Path | None:
    """Where the user's function lies that a file of `plugin_text` calls; None for any other text."""
    found = re.search(r"^FACTORY, FOLDER = (.+)$", text, re.MULTILINE) if text.startswith(HEAD) else None
    try:
        word, folder = ast.literal_eval(found.group(1)) if found else ("", "")
        return folder_of(word, Path(folder)) if folder else None
    except (ValueError, TypeError, SyntaxError):
        return None


def planned(
    source: Source, suite: Suite, host: Host, root: Path | None
) -> tuple[list[tuple[Network, Trial]], list[str]]:
    """Each network with its trial, and a line for each whose data are not to be had.

    Raises
    ------
    InvalidInput
        None has a trial.
    """
    networks = source.manifest.networks
    whole = plan_suite(suite, host, data=root)
    if not whole.left_out:
        return list(zip(networks, whole.whole, strict=True)), []
    found, problems = [], []
    for network, grid in zip(networks, suite.grids, strict=True):
        try:
            alone = plan_suite(replace(suite, grids=(grid,)), host, data=root)
        except InvalidInput as fault:
            problems += [f"{network.file}: {each}" for each in fault.problems]
        else:
            found.append((network, alone.whole[0]))
    return found, problems


def bring_in(
    source: Source,
    plan: Sequence[tuple[Network, Trial]],
    folder: Folder,
    host: Host,
    root: Path | None,
    warn: Callable[[str], None],
) -> tuple[int, list[str]]:
    """Write a fit for each network that the folder does not hold yet.

    What the networks' code has to do is done by the process of their plugins. One that gives no answer costs
    the networks of its settings; behind several of those no other is asked for.

    Parameters
    ----------
    plan : sequence of (Network, Trial)

    Returns
    -------
    count : int
        Fits that were written.
    problems : list of str
        A line for each network that could not be read.
    """
    environment = folder.add_environment(describe_environment(host, "cpu"))
    count, problems = 0, []
    for network, trial in plan:
        if folder.fit(trial.key, check_weights=True) is not None:
            continue
        try:
            _take_over(trial, network, folder, host, root, environment, warn)
        except (InvalidInput, UsageError) as fault:
            problems += str(fault).splitlines()
            continue
        except NoAnswer as fault:
            problems.append(
                f"{network.file}: building it by '{source.factory.word}' and testing it on "
                f"'{source.dataset}' {fault}"
            )
            continue
        count += 1
    return count, problems


def _take_over(
    trial: Trial, network: Network, folder: Folder, host: Host, root: Path | None,
    environment: str, warn: Callable[[str], None],
) -> None:  # fmt: skip
    """Have a network built and tested where its plugins are, and put what comes of it into the run folder."""
    company = trial.plugins & host.elsewhere
    settings = {"model": trial.model.settings, "dataset": trial.dataset.settings}
    if why := host.deputies.why_silent(trial.model.name, settings):
        raise NoAnswer(why)
    given = {
        "trial": trial.as_dict(),
        "final": str(network.file),
        "initial": None if network.initial is None else str(network.initial),
        "data": None if root is None else str(root),
    }
    try:
        answer = host.deputies.ask(company, f"{APART}:network", given, SECONDS_FOR_A_NETWORK)
        outcomes, rest = _read(answer)
        cache = host.deputies.cache(company)
        found = None if cache is None else Folder(cache / HANDED_OVER).handed_over(trial.key)
        states = ["final"] if network.initial is None else ["final", "initial"]
        if found is None or found.record["states"] != states:
            raise NoAnswer("gives weights that are not whole")
    except NoAnswer as fault:
        host.deputies.silenced(trial.model.name, settings, str(fault))
        raise
    settled = _settled(outcomes, network, warn)
    record = {
        "trial": trial.as_dict(),
        "seeds": trial.seeds(),
        "stop_reason": str(StopReason.REQUESTED),
        "stop_note": "trained elsewhere",
        "steps": int(network.outcomes.get("steps", 0)),
        "epochs": int(network.outcomes.get("epochs", 0)),
        "history": {},
        **settled,
        "train_error_clean": settled["train_error"],
        **rest,
        "seconds": 0.0,
        "states": states,
        "weights": found.record["weights"],
        "environment": environment,
        "device": "cpu",
        "time": now(),
    }
    folder.take_fit(trial.key, record, found.folder / "weights.safetensors")
    shutil.rmtree(found.folder, ignore_errors=True)


def _read(answer: Any) -> tuple[dict[str, float], dict[str, Any]]:
    """The outcomes that were told of a network, and what else its record has of there."""
    try:
        outcomes = {name: float(answer["outcomes"][name]) for name in RESULTS}
        normalized = {name: answer["normalized"][name] for name in NORMALIZED_LOSSES}
        rest: dict[str, Any] = {
            name: None if each is None else float(each) for name, each in normalized.items()
        }
        rest |= {name: int(answer[name]) for name in ("train_examples", "test_examples")}
    except (TypeError, KeyError, ValueError, OverflowError):
        raise NoAnswer("gives an answer that makes no sense") from None
    return outcomes, rest


def _settled(
    found: Mapping[str, float], network: Network, warn: Callable[[str], None]
) -> dict[str, float | None]:
    """Errors and losses as they are here, or as the manifest has them where that is something else."""
    settled: dict[str, float | None] = {}
    for name in RESULTS:
        given, here = network.outcomes.get(name), found[name]
        near = given is None or abs(given - here) <= max(ROUNDING, ROUNDING * abs(here))
        if not near and given is not None:
            warn(
                f"{network.file}: {name} is {given:g} in the manifest, which is kept, and {here:.4g} here; "
                "are the data what it was trained on, normalized alike (--dataset 'NAME[normalize=false]')?"
            )
        value = here if near else given
        settled[name] = value if value is not None and math.isfinite(value) else None
    return settled
