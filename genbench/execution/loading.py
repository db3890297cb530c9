"""Which plugins the process of a job loads: those whose code the job needs, and no others.

What the core computes on a trial of the core comes from processes in which no other code was ever imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from genbench.fitting.imported import code_folder
from genbench.host import Host
from genbench.host.battery import Battery
from genbench.planning.plan import Trial

__all__ = ["Companies"]


class Companies:
    """The plugins that trials and measures need.

    Parameters
    ----------
    host : Host
        All plugins there are.
    battery : Battery
        The measures that are wanted.
    """

    def __init__(self, host: Host, battery: Battery):
        self._host = host
        self._of_measure = {each.spelling: battery.plugins_of(each) for each in battery.requests}

    def sources(self, trial: Trial, measures: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The core's rooms and the plugins for these measures of a trial, in plain data for a worker."""
        needed = trial.plugins.union(*(self._of_measure[each] for each in measures))
        return [asdict(each) for each in self._host.sources_with(needed)]

    def code(self, trial: Trial) -> list[str]:
        """Folders of code that the networks of a trial are made of, beside that of the plugins."""
        folders = [code_folder(each.text) for each in self._host.sources_with(trial.plugins) if each.text]
        return [str(each) for each in folders if each is not None]

    def first(self, measures: Sequence[str]) -> list[str]:
        """Those of the measures that share the process which is due first, the core's before others."""
        groups: dict[frozenset[str], list[str]] = {}
        for each in measures:
            groups.setdefault(self._of_measure[each], []).append(each)
        return groups[min(groups, key=lambda names: (len(names), sorted(names)))] if groups else []
