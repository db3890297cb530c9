"""Run folders of any size without training: every key is right, the numbers are drawn."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from genbench.fitting.preflight import plan_suite
from genbench.host import Host
from genbench.host.identity import describe_measure, measure_identity, value_key
from genbench.host.selection import select
from genbench.planning.plan import Plan, Trial
from genbench.planning.suite import read_suite
from genbench.runs.environment import now
from genbench.runs.store import Folder

__all__ = ["made_run", "suite_of"]


# What a fit keeps is not what is looked at: one small tensor stands for its weights.
STATES = {"final": {"weight": torch.zeros(8, 8)}}
EPOCHS = 30


AXES = {
    "learning_rate": lambda place: round(0.01 * 1.1**place, 6),
    "batch_size": lambda place: 8 + 8 * place,
    "width": lambda place: 8 + place,
    "depth": lambda place: 1 + place,
}


def suite_of(configurations: int, seeds: int) -> str:
    """A suite of so many configurations of small networks on digits, a grid of four axes as even as can be."""
    levels = dict(zip(AXES, factors(configurations, len(AXES)), strict=True))
    on = {axis: [AXES[axis](place) for place in range(count)] for axis, count in levels.items()}
    return f"""\
title = "Many fits"
version = 1
dataset = {{ name = "digits", train_size = 100 }}
model = {{ name = "mlp", width = {on["width"]}, depth = {on["depth"]} }}
protocol = {{ name = "interpolate", learning_rate = {on["learning_rate"]}, batch_size = {on["batch_size"]}, max_epochs = {EPOCHS} }}
seeds = {seeds}
measures = "all"
targets = ["gap", "test_error"]
"""


def factors(number: int, count: int) -> list[int]:
    """So many factors of a number, none much larger than the others where its primes allow it."""
    primes, prime = [], 2
    while number > 1:
        while number % prime == 0:
            primes.append(prime)
            number //= prime
        prime += 1
    found = [1] * count
    for each in reversed(primes):
        found[found.index(min(found))] *= each
    return found


def made_run(path: Path, configurations: int, seeds: int, *, measures: str | Sequence[str] = "all") -> Plan:
    """Write a run folder in which nothing is missing; returns its plan.

    The gap of a fit is a level of its configuration and a shift of its seed; every measure sees the level
    through noise of its own size.
    """
    path.mkdir(parents=True, exist_ok=True)
    file = path.parent / f"{path.name}.toml"
    file.write_text(suite_of(configurations, seeds))
    host = Host.load()
    suite = read_suite(str(file), host)
    plan = plan_suite(suite, host)
    battery = select(measures, host)
    folder = Folder(path)
    folder.open_for(suite)
    environment = folder.add_environment({"plugins": []})
    described = [
        (describe_measure(battery, each), measure_identity(battery, each), battery.needs_siblings(each))
        for each in battery.requests
    ]
    of_configuration: dict[str, list[str]] = {}
    for trial in plan.whole:
        of_configuration.setdefault(trial.configuration, []).append(trial.key)
    for trial in plan.trials:
        draw = random.Random(trial.key)
        level = random.Random(trial.configuration).gauss(0, 1)
        folder.write_fit(trial.key, _record(trial, level, draw, environment), STATES)
        siblings = [each for each in of_configuration[trial.configuration] if each != trial.key]
        for together in (False, True):
            values = [
                _value(trial, about, identity, siblings if together else (), number, level, draw)
                for number, (about, identity, needs) in enumerate(described)
                if needs is together
            ]
            if values:
                folder.write_values(trial.key, _pass(trial, environment, values))
    return plan


def _record(trial: Trial, level: float, draw: random.Random, environment: str) -> dict[str, Any]:
    error = min(0.9, max(0.01, 0.2 + 0.05 * level + draw.gauss(0, 0.01)))
    falling = [2.0 * 0.9**each for each in range(EPOCHS + 1)]
    return {
        "trial": trial.as_dict(),
        "seeds": trial.seeds(),
        "device": "cpu",
        "environment": environment,
        "time": now(),
        "stop_reason": "target",
        "stop_note": "",
        "steps": 4 * EPOCHS,
        "epochs": EPOCHS,
        "history": {
            "epoch": list(range(EPOCHS + 1)),
            "step": [4 * each for each in range(EPOCHS + 1)],
            "train_loss": falling,
            "train_error": [0.3 * each for each in falling],
            "batch_loss": [None, *falling[1:]],
            "learning_rate": [0.05] * (EPOCHS + 1),
        },
        "train_loss": 0.01,
        "train_error": 0.0,
        "train_error_clean": 0.0,
        "test_loss": 4 * error,
        "test_error": error,
        "normalized_train_loss": 2.0,
        "normalized_test_loss": 2.0 + error,
        "output_normalized_train_loss": 1.9,
        "output_normalized_test_loss": 1.9 + error,
        "train_examples": 100,
        "test_examples": 898,
        "seconds": 0.5,
    }


def _value(
    trial: Trial, about: Mapping[str, Any], identity: str, siblings: Sequence[str], number: int,
    level: float, draw: random.Random,
) -> dict[str, Any]:  # fmt: skip
    sign = -1 if about["direction"] == "-" else 1
    return {
        **about,
        "key": value_key(trial.key, identity, siblings),
        "value": sign * (level + draw.gauss(0, 0.2 + 0.02 * number)),
        "status": "ok",
        "reason": "",
        "seconds": 0.01,
        "own_seconds": 0.001,
        "peak_memory": 4096,
    }


def _pass(trial: Trial, environment: str, values: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "fit": trial.key,
        "environment": environment,
        "time": now(),
        "seconds": 1.0,
        "battery_seconds": 1.0,
        "probes": {f"probe_{each}": {"seconds": 0.01, "peak_memory": 4096} for each in range(90)},
        "values": values,
    }
