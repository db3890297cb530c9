"""Laws of what a plugin has beside components: its suites and its observers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from genbench.base.errors import GenbenchError
from genbench.execution.observers import PATIENCE_SECONDS, Observers
from genbench.fitting.prediction import predict
from genbench.fitting.preflight import plan_suite
from genbench.host import Host
from genbench.host.plugin import Plugin
from genbench.planning.suite import Suite, read_suite
from genbench.testing.laws import Broken, Laws, leave_out

__all__ = ["ObserverLaws", "SuiteLaws"]

OBSERVING = ("genbench_run_started", "genbench_trial_finished", "genbench_run_finished")


class SuiteLaws(Laws):
    """Laws of a suite.

    Attributes
    ----------
    component : str
        Its name, ``"mine:small"``, or the path of its file.
    """

    component: ClassVar[Any] = None

    @property
    def host(self) -> Host:
        """The plugins."""
        return self.once("host", lambda: Host.load(self.plugins))

    @property
    def suite(self) -> Suite:
        """The suite as read."""
        return self.once("suite", lambda: read_suite(str(self.component), self.host))

    def test_it_is_documented(self) -> None:
        """It has a title that says what it is."""
        if len(self.suite.title) < 10:
            raise Broken("it has no title, or one that says nothing")

    def test_it_reads(self) -> None:
        """Every name, key and type in it is known."""
        try:
            assert self.suite
        except GenbenchError as fault:
            raise Broken(str(fault)) from fault

    def test_every_network_can_be_built(self) -> None:
        """Its networks can be built for its data, and their regularizers used on them."""
        try:
            plan = plan_suite(self.suite, self.host)
        except GenbenchError as why:
            leave_out(f"it cannot be planned here: {why}")
        try:
            predict(plan.trials, self.host, self.suite.keep)
        except GenbenchError as fault:
            raise Broken(str(fault)) from fault

    def test_it_varies_something(self) -> None:
        """Its grid has two configurations at least, or nothing could be ranked."""
        if self.suite.size < 2:
            raise Broken("it has one configuration only: give some setting a list of values")


class ObserverLaws(Laws):
    """Laws of the observing hooks of a plugin.

    Attributes
    ----------
    component : str
        The plugin's name.
    """

    component: ClassVar[Any] = None

    @property
    def host(self) -> Host:
        """The plugins."""
        return self.once("host", lambda: Host.load(self.plugins))

    def hooks(self) -> Iterator[str]:
        """The observing hooks that the plugin has."""
        for hook in OBSERVING:
            if any(each.name == self.component for each in self.host.plugins_with(hook)):
                yield hook

    def told(self) -> tuple[list[str], float]:
        """What is said of the plugin while a run of two trials is told, and the longest time of a hook."""
        return self.once("told", self._tell)

    def _tell(self) -> tuple[list[str], float]:
        said: list[str] = []
        alone = Observers(_Only(self.host, str(self.component)), said.append)  # type: ignore[arg-type]
        longest = 0.0
        with contextlib.closing(alone):
            alone.start(*OBSERVING)  # what the plugin imports is no part of a hook's time
            for hook, arguments in _a_run(self.host):
                began = time.perf_counter()
                alone.tell(hook, **arguments)
                longest = max(longest, time.perf_counter() - began)
        return said, longest

    def test_it_is_documented(self) -> None:
        """The plugin's module has a docstring."""
        modules = [each.module for each in self.host.plugins if each.name == self.component]
        if not modules:
            raise Broken(f"no plugin is named '{self.component}'")
        if not (modules[0] and (modules[0].__doc__ or "").strip()):
            raise Broken("the module has no docstring")

    def test_it_observes(self) -> None:
        """It has one observing hook at least."""
        if not list(self.hooks()):
            raise Broken(f"it has none of the hooks {', '.join(OBSERVING)}")

    def test_it_raises_nothing(self) -> None:
        """Told of a run, none of its hooks raises or takes over five seconds: it would be switched off."""
        said, _ = self.told()
        if said:
            raise Broken(said[0])

    def test_it_is_quick(self) -> None:
        """No hook takes a tenth of the time after which it is switched off."""
        limit = PATIENCE_SECONDS / 10
        _, longest = self.told()
        for _ in range(2):  # another run, where the machine was busy with something else
            if longest > limit:
                longest = min(longest, self._tell()[1])
        if longest > limit:
            raise Broken(f"a hook takes {longest:.1f} s, for every trial")


class _Only:
    """Stands in for a host that has the observing hooks of one plugin only."""

    def __init__(self, host: Host, name: str):
        self._host, self._name = host, name

    def plugins_with(self, hook: str) -> list[Plugin]:
        return [each for each in self._host.plugins_with(hook) if each.name == self._name]


def _a_run(host: Host) -> Iterator[tuple[str, dict[str, Any]]]:
    """What observers are told of a run of two trials, one of which diverged."""
    suite = read_suite("digits-quick", host)
    trials = [each.as_dict() for each in plan_suite(suite, host, limit=2).trials]
    run = {"folder": "runs/observed", "suite": dict(suite.content), "trials": trials}
    yield "genbench_run_started", {"run": run}
    for trial, loss in zip(trials, (0.01, None), strict=True):
        record = {
            "trial": trial, "stop_reason": "target" if loss else "diverged", "stop_note": "", "epochs": 1,
            "steps": 10, "seconds": 0.1, "device": "cpu", "train_error": 0.0, "train_loss": loss,
            "train_error_clean": 0.0, "test_error": 0.1, "test_loss": loss and 0.4, "states": ["final"],
            "history": {"epoch": [0.0, 1.0], "step": [0, 10], "train_loss": [1.0, loss]},
        }  # fmt: skip
        yield "genbench_trial_finished", {"trial": trial, "record": record}
    yield "genbench_run_finished", {"run": run}
