"""The process that has an executor of a plugin: reads a question a line, answers each on its channel.

See `genbench.execution.engine_apart`, which starts it. It ends when its input does.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from genbench.base.children import die_with_parent
from genbench.base.errors import GenbenchError, InvalidInput, first_line, message_of
from genbench.base.read_only import hold_read_only
from genbench.contract.components import Kind
from genbench.contract.jobs import Executor, Job, JobOutcome
from genbench.execution.channel import CHANNEL, Speaker
from genbench.execution.engine_apart import OUTCOME
from genbench.execution.engines import Asked
from genbench.host import Host
from genbench.host.plugin import PluginSource

__all__ = ["Served"]


class Served:
    """An executor and what can be asked of it, each question a method.

    Parameters
    ----------
    say : callable
        Takes events.
    """

    def __init__(self, say: Callable[[Mapping[str, Any]], None]):
        self._say = say
        self._class: Callable[..., Executor] | None = None
        self._asked: Asked | None = None
        self._executor: Executor | None = None
        self._outcomes: Iterator[Any] | None = None

    @property
    def slots(self) -> Any:
        """The executor's, once it is made."""
        return 1 if self._executor is None else self._executor.slots

    def begin(self, name: str, sources: Sequence[Mapping[str, Any]], asked: Mapping[str, Any]) -> None:
        """Import the executor, and see whether it takes what is asked for."""
        host = Host.of([PluginSource(**each) for each in sources])
        if problems := host.problems():
            raise InvalidInput(problems)
        self._class, self._asked = host.find(Kind.EXECUTOR, name).object, Asked(**asked)
        assert self._class is not None
        self._asked.check(self._class)

    def make(self) -> dict[str, Any]:
        """Make it."""
        assert self._class is not None
        assert self._asked is not None
        self._executor, device = self._asked.make(self._class, self._said, self._watched)
        return {"device": device, "remote": bool(getattr(self._executor, "remote", False))}

    def submit(self, job: Mapping[str, Any]) -> None:
        """Hand it a job."""
        self._made.submit(Job(**job))

    def next(self) -> dict[str, Any] | None:
        """Its next outcome in plain data; None when there are no more."""
        if self._outcomes is None:
            self._outcomes = iter(self._made.results())
        for outcome in self._outcomes:
            return _plain(outcome)
        self._outcomes = None
        return None

    def cancel(self, id: str) -> None:
        """Have it leave a job out."""
        self._made.cancel(id)

    def close(self) -> None:
        """Close it, if it was made."""
        if self._executor is not None:
            self._executor.close()

    @property
    def _made(self) -> Executor:
        assert self._executor is not None
        return self._executor

    def _said(self, line: str) -> None:
        self._say({"event": "said", "line": str(line)})

    def _watched(self, job: Job, event: Mapping[str, Any]) -> None:
        self._say({"event": "watched", "job": job.id, "told": {"event": event["event"], **_component(event)}})


def _component(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"component": event["component"]} if "component" in event else {}


def _plain(outcome: Any) -> dict[str, Any]:
    """An outcome by its fields; of what is none, or cannot be said, nothing."""
    if not isinstance(outcome, JobOutcome):
        return {}
    told = {"job": getattr(outcome.job, "id", None), **{each: getattr(outcome, each) for each in OUTCOME}}
    try:
        return dict(json.loads(json.dumps(told)))
    except (TypeError, ValueError, RecursionError):
        return {}


def answer(served: Served, question: Mapping[str, Any]) -> dict[str, Any]:
    """The event that answers a question, whatever code of the plugin does meanwhile."""
    what = dict(question)
    try:
        found = getattr(served, what.pop("what"))(**what)
        return {"event": "answer", "answer": found, "slots": int(served.slots)}
    except GenbenchError as fault:
        problems = fault.problems if isinstance(fault, InvalidInput) else [message_of(fault)]
        return {"event": "fault", "kind": type(fault).__name__, "problems": list(map(str, problems))}
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # a plugin may call sys.exit or raise anything
        return {"event": "fault", "problems": [f"raised {type(fault).__name__}: {first_line(fault)}"]}


def main() -> None:
    """Answer until the executor is to be closed, or the input ends."""
    die_with_parent()
    hold_read_only([Path(each) for each in json.loads(sys.argv[1])])
    die_with_parent()  # whoever changes namespaces is no longer held to it
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells have background jobs ignore
    spoken = int(os.environ.pop(CHANNEL))
    os.set_inheritable(spoken, False)
    say = Speaker(os.fdopen(spoken, "w", buffering=1))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # this process ends at once
    questions: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
    owner = threading.main_thread().ident
    assert owner is not None

    def listen() -> None:
        for line in sys.stdin:
            question = json.loads(line)
            if question["what"] == "close":  # as Ctrl-C would, wherever the executor is
                signal.pthread_kill(owner, signal.SIGINT)
            else:
                questions.put(question)
        os._exit(0)  # whatever the plugin still does

    threading.Thread(target=listen, daemon=True).start()
    served = Served(say)
    try:
        while True:
            say(answer(served, questions.get()))
    except KeyboardInterrupt:
        said = answer(served, {"what": "close"})
        if said["event"] == "fault":
            say(said)
    os._exit(0)


if __name__ == "__main__":
    main()
