"""The process that answers for plugins: ``python -m genbench.fitting.deputy``.

It loads the plugins that the first line of its input describes, then answers one question a line, each on the
descriptor that its argument names. `genbench.host.elsewhere.Deputies` starts it, and ends it when an answer
takes too long; it ends by itself with its input.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from genbench.base.children import die_with_parent
from genbench.base.confinement import keep_whole
from genbench.base.errors import InvalidInput, UsageError, first_line
from genbench.base.files import cache_folder
from genbench.contract.components import Kind
from genbench.host import Host
from genbench.host.plugin import PluginSource
from genbench.host.settings import check

__all__ = ["QUESTIONS", "answer"]

FORKED = 70


def _construct(host: Host, kind: str, name: str, settings: Mapping[str, Any]) -> None:
    """See whether a protocol or a regularizer can be made with these settings."""
    component = host.find(kind, name)
    try:
        component.object(**_as_given(settings))
    except ValueError as fault:
        raise InvalidInput(first_line(fault)) from None


def _checked(host: Host, kind: str, name: str, setting: str, value: Any) -> dict[str, Any]:
    """A value as a setting takes it, or why it is none."""
    component = host.find(kind, name)
    settings, problems = check(
        dataclasses.replace(component, settings={setting: component.settings[setting]}), {setting: value}
    )
    if problems:
        return {"fault": problems[0].partition(": ")[2]}
    try:
        return {"value": json.loads(json.dumps(settings[setting]))}
    except TypeError:
        return {"fault": "it is taken for what is no plain data"}


def _composition(host: Host, stack: list[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Why regularizers cannot be used together."""
    from genbench.contract.regularizer import check_composition

    made = [host.find(Kind.REGULARIZER, name).object(**_as_given(settings)) for name, settings in stack]
    return [str(each) for each in check_composition(made)]


def _facts(host: Host, kind: str, name: str, settings: Mapping[str, Any], data: str | None) -> dict[str, Any]:
    """What planning must know of a data set."""
    from genbench.fitting.preflight import facts_of

    found = facts_of(host.find(kind, name), _as_given(settings), Path(data) if data else None)
    return {"checksum": found.checksum, "task": dataclasses.asdict(found.task)}


def _predict(host: Host, trials: list[Mapping[str, Any]], **given: Any) -> dict[str, Any]:
    """What trials will take."""
    from genbench.fitting.cards import Card
    from genbench.fitting.prediction import predict
    from genbench.planning.plan import Trial

    card = given.pop("card")
    found = predict(map(Trial.from_dict, trials), host, card=Card(**card) if card else None, **given)
    return dataclasses.asdict(found)


def _prepare(host: Host, trials: list[Mapping[str, Any]], data: str | None, splits: list[Any]) -> list[str]:
    """Have the data of trials in the cache; what is wrong with them."""
    from genbench.fitting.preflight import prepare_all
    from genbench.planning.plan import Trial

    root = Path(data) if data else None
    return prepare_all([Trial.from_dict(each) for each in trials], host, root, splits)


def _networks(host: Host, **asked: Any) -> dict[str, Any]:
    """Networks of the user's own with their data, handed over in the cache; what they do on the data."""
    from genbench.fitting.handed_networks import HANDED_OVER, hand_over_networks
    from genbench.fitting.own_networks import Asked, open_networks

    opened = open_networks(Asked(**asked), host)
    folder = cache_folder() / HANDED_OVER
    folder.mkdir(parents=True, exist_ok=True)
    hand_over_networks(opened.networks, asked["model"], opened.data.task, folder)
    return opened.told()


def _captured(host: Host, trial: Mapping[str, Any]) -> str:
    """Why the steps of a trial would not be captured on CUDA; empty where they would."""
    from genbench.fitting.work import why_not_captured
    from genbench.planning.plan import Trial

    return why_not_captured(Trial.from_dict(trial), host)


def _statistic(
    host: Host, kind: str, name: str, values: list[float], target: list[float],
    axes: Mapping[str, list[int]], groups: list[int], weights: list[list[float]],
) -> list[float]:  # fmt: skip
    """A statistic of the rows given under every set of weights."""
    import numpy as np

    from genbench.ranking.from_elsewhere import Rows, evaluated

    codes = {axis: np.array(each, dtype=np.int64) for axis, each in axes.items()}
    rows = Rows(np.array(target), codes, np.array(groups, dtype=np.int64))
    return evaluated(host.find(kind, name).object, np.array(values), rows, np.array(weights))


QUESTIONS: Mapping[str, Callable[..., Any]] = {
    "captured": _captured,
    "construct": _construct,
    "checked": _checked,
    "composition": _composition,
    "facts": _facts,
    "networks": _networks,
    "predict": _predict,
    "prepare": _prepare,
    "statistic": _statistic,
}
"""What can be asked, by name; each takes the host and what is given with the question."""


def _who_answers(what: str) -> Callable[..., Any]:
    """One of the questions, or a function of a room above, told as ``genbench.MODULE:FUNCTION``."""
    module, colon, name = what.partition(":")
    if not colon:
        return QUESTIONS[what]
    if not module.startswith("genbench."):
        raise ValueError(f"'{what}' is no function of genbench")
    return getattr(importlib.import_module(module), name)


def _as_given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a component takes them: JSON holds a tuple as a list."""
    return {name: tuple(each) if isinstance(each, list) else each for name, each in settings.items()}


def answer(host: Host, question: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a question, whatever code of plugins does meanwhile, as long as it comes back."""
    try:
        return {"answer": _who_answers(question["what"])(host, **question["given"])}
    except (InvalidInput, UsageError) as fault:
        return {"problems": str(fault).splitlines(), "exit_code": fault.exit_code}
    except BaseException as fault:  # a plugin may call sys.exit or raise anything
        return {"raised": f"{type(fault).__name__}: {first_line(fault)}"}


def main() -> None:
    """Answer until the input ends."""
    bounds = {name: [Path(each) for each in places] for name, places in json.loads(sys.argv[2]).items()}
    die_with_parent()
    keep_whole(**bounds)
    spoken, process = int(sys.argv[1]), os.getpid()
    os.set_inheritable(spoken, False)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)  # whatever a plugin still does

    def say(content: Any) -> None:
        if os.getpid() != process:
            os._exit(FORKED)  # a copy of this process has no business beyond the plugin's code
        with os.fdopen(os.dup(spoken), "w", encoding="utf-8") as stream:
            stream.write(json.dumps(content) + "\n")

    threading.Thread(target=listen, daemon=True).start()
    first = json.loads(lines.get())
    host = Host.of([PluginSource(**each) for each in first["question"]])
    say({"answer": None, "number": first["number"]})
    while True:
        asked = json.loads(lines.get())
        say({**answer(host, asked["question"]), "number": asked["number"]})


if __name__ == "__main__":
    main()
