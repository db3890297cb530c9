"""The process that knows what is installed: a question on its standard input, the answer on its output.

The question holds what strangers wrote. Nothing of it is executed: names are looked up among the core's, and
settings checked against the types that they must have.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import genbench
from genbench.base.canonical import stream_seed
from genbench.base.errors import GenbenchError
from genbench.base.names import CORE
from genbench.contract.components import Kind
from genbench.host import Host
from genbench.host.battery import Battery, Request
from genbench.host.identity import describe_measure, identity_of
from genbench.host.plugin import installed
from genbench.host.selection import select_measures
from genbench.host.settings import complete, parse_variant
from genbench.measuring import compute
from genbench.planning.plan import Trial

__all__ = ["answer"]

# Measures that a network has before it is trained, whatever its weights.
OF_THE_ARCHITECTURE = ("num_params", "num_layers", "log_params")


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """What the installed core has to say.

    Parameters
    ----------
    question : mapping
        ``measures`` (spellings), ``words`` (a suite's choice of measures), ``components`` (pairs of kind and
        name), ``datasets`` (name and settings), ``trials`` (one for each architecture and size of its
        training set), ``random`` (pairs of the key of a fit and its seed).

    Returns
    -------
    dict
        ``measures`` (spelling to its description, or None), ``expected`` (spellings that the words choose),
        ``components``, ``datasets``, ``networks`` and ``random`` in the order of the question, ``reasons``
        (the fixed parts of everything that a measure may give as the reason for having no value).
    """
    host = _core()
    return {
        "measures": {each: _measure(host, each) for each in question["measures"]},
        "expected": _expected(host, question["words"]),
        "components": [_component(host, *each) for each in question["components"]],
        "datasets": [_dataset(host, *each) for each in question["datasets"]],
        "networks": [_network(host, each) for each in question["trials"]],
        "random": [_random(*each) for each in question["random"]],
        "reasons": _reasons(),
    }


@lru_cache(maxsize=1)
def _core() -> Host:
    return Host.of(each for each in installed() if each.namespace == CORE)


def _measure(host: Host, spelling: str) -> dict[str, Any] | None:
    try:
        name, settings = parse_variant(spelling)
        request = Request.of(host.find(Kind.MEASURE, name), settings)
        battery = Battery.resolve([request], host.probe_lookup)
    except (GenbenchError, ValueError, TypeError):
        return None
    return {
        **{key: each for key, each in describe_measure(battery, request).items() if key != "source"},
        "siblings": battery.needs_siblings(request),
        "identity": identity_of(battery, request),
    }


def _expected(host: Host, words: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for word in words:
        try:
            chosen = select_measures([word], host, left_out=lambda line: None)
        except (GenbenchError, ValueError, TypeError):
            continue  # a plugin's measure, or a family of a plugin's alone
        found.update(dict.fromkeys(each.spelling for each in chosen))
    return list(found)


def _component(host: Host, kind: str, name: str) -> dict[str, Any] | None:
    found = host.lookup(kind, name)
    if found is None:
        return None
    return {"name": found.full_name, "version": found.version, "defaults": found.defaults()}


def _dataset(host: Host, name: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    component = host.lookup(Kind.DATASET, name)
    if component is None:
        return None
    declared = component.declared
    try:
        given = complete(component, settings)
        task, examples, tested = (
            each(**given) if callable(each) else each
            for each in (declared.task, declared.examples, declared.test_examples)
        )
    except (GenbenchError, ValueError, TypeError):
        return None
    return {
        "checksum": declared.checksum,
        "task": None if task is None else dataclasses.asdict(task),
        "train_examples": examples,
        "test_examples": tested,
    }


def _network(host: Host, content: Mapping[str, Any]) -> dict[str, float]:
    """What is known of the network of a trial before anything is trained, by measure."""
    import torch

    from genbench.fitting.building import build

    trial = Trial.from_dict(content)
    try:
        built = build(trial, host)
        model = built.network()
        # As many rows as there are examples, which take no memory.
        inputs = torch.zeros(trial.task.input_shape).expand(
            built.train_examples or 1, *trial.task.input_shape
        )
        battery = Battery.resolve(
            [Request.of(host.find(Kind.MEASURE, each)) for each in OF_THE_ARCHITECTURE], host.probe_lookup
        )
        roots = {"model": model, "inputs": inputs, "task": trial.task, "device": torch.device("cpu")}
        values = list(compute(battery, roots, lambda component, settings: 0))
    except (GenbenchError, ValueError, TypeError, RuntimeError, MemoryError):
        return {}
    return {each.name: each.value for each in values if each.value is not None}


def _random(key: str, seed: int) -> float:
    """The measure `random` of a fit that was measured on a processor: it knows nothing but the key."""
    import torch

    generator = torch.Generator().manual_seed(stream_seed("measure", seed, key, "random"))
    return float(torch.randn((), generator=generator, dtype=torch.float64))


@lru_cache(maxsize=1)
def _reasons() -> list[tuple[str, ...]]:
    return sorted(set(_raised()))


def _raised() -> Iterator[tuple[str, ...]]:
    """Every text that a `NotApplicable` of the core is raised with, its varying parts left out."""
    for path in Path(genbench.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "NotApplicable":
                yield _fixed_parts(node.args[0])


def _fixed_parts(text: ast.expr) -> tuple[str, ...]:
    pieces = text.values if isinstance(text, ast.JoinedStr) else [text]
    return tuple(
        str(each.value) if isinstance(each, ast.Constant) and isinstance(each.value, str) else ""
        for each in pieces
    )


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout, default=list)
