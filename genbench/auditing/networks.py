"""The networks on which measures are audited: fits of the small suites in this folder, trained here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genbench.host import Host

__all__ = ["ARCHITECTURES", "COST_SUITE", "NETWORKS", "AuditedNetwork", "titles", "train_networks"]

_FOLDER = Path(__file__).parent

NETWORKS: dict[str, Path] = {path.stem: path for path in sorted((_FOLDER / "networks").glob("*.toml"))}
"""Name and suite of each network that is changed; the first seed of a suite is the network."""

ARCHITECTURES: dict[str, Path] = {
    path.stem: path for path in sorted((_FOLDER / "architectures").glob("*.toml"))
}
"""Further networks and tasks, on which it is seen which measures have a value."""

COST_SUITE = _FOLDER / "cost.toml"


@dataclass(frozen=True)
class AuditedNetwork:
    """A trained network with everything that measures may ask for.

    Attributes
    ----------
    name, title : str
    key : str
        Of the fit; the seeds of generators depend on it.
    roots : dict
        What measures start from, by root name.
    """

    name: str
    title: str
    key: str
    roots: dict[str, Any]


def titles(suites: dict[str, Path], host: Host) -> dict[str, str]:
    """What the network of each suite is called; nothing is trained for it."""
    from genbench.planning.suite import load_suite

    return {name: load_suite(path, host, name=name).title for name, path in suites.items()}


def train_networks(suites: dict[str, Path], host: Host) -> Iterator[AuditedNetwork]:
    """Train the fits of each suite in a folder that is gone afterwards, and yield the first of them.

    Fits with other seeds are its siblings. Training takes one thread, so that the same weights come out.
    """
    from genbench.contract.components import ROOTS
    from genbench.fitting.fit import fit
    from genbench.fitting.preflight import plan_suite
    from genbench.fitting.roots import roots
    from genbench.planning.suite import load_suite
    from genbench.runs.store import Folder

    for name, path in suites.items():
        suite = load_suite(path, host, name=name)
        trials = plan_suite(suite, host).trials
        with tempfile.TemporaryDirectory() as scratch:
            folder = Folder(scratch)
            for trial in trials:
                record, states = fit(
                    trial, host, root=None, device="cpu", keep=suite.keep, limits=suite.limits
                )
                folder.write_fit(trial.key, record, states)
            stored = [each for each in (folder.fit(trial.key) for trial in trials) if each is not None]
            given = roots(
                stored[0], host, root=None, device="cpu", needed=frozenset(ROOTS), siblings=stored[1:]
            )
        yield AuditedNetwork(name, suite.title, trials[0].key, given)
