"""Entries changed by somebody who knows how keys and seeds are made, so that nothing gives them away but content."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaderboard.lines import read, write

from genbench.host.identity import identity_digest, value_key
from genbench.planning.plan import Trial

FILES = ("environments", "fits", "measures", "values")


class Forgery:
    """The lines of an entry by file; `sealed` writes them with keys that fit."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.header = json.loads((folder / "entry.json").read_text())
        for name in FILES:
            setattr(self, name, read(folder / f"{name}.jsonl"))

    def value(self, measure: str, number: int = 0) -> dict[str, Any]:
        return [each for each in self.values if each["measure"] == measure][number]

    def sealed(self) -> None:
        renamed = {}
        for fit in self.fits:
            trial = Trial.from_dict(fit["trial"])
            renamed[fit["key"]] = fit["key"] = trial.key
            fit["seeds"] = trial.seeds()
            fit["gap"] = fit["test_error"] - fit["train_error"]
            fit["loss_gap"] = fit["test_loss"] - fit["train_loss"]
        identities = {each["measure"]: identity_digest(each["identity"]) for each in self.measures}
        related = {each["measure"] for each in self.measures if each["siblings"]}
        configurations = {fit["key"]: Trial.from_dict(fit["trial"]).configuration for fit in self.fits}
        for value in self.values:
            value["fit"] = renamed.get(value["fit"], value["fit"])
            own = configurations[value["fit"]]
            others = [key for key, each in configurations.items() if each == own and key != value["fit"]]
            used = others if value["measure"] in related else ()
            value["key"] = value_key(value["fit"], identities[value["measure"]], used)
        for name in FILES:
            write(self.folder / f"{name}.jsonl", getattr(self, name))
        (self.folder / "entry.json").write_text(json.dumps(self.header))


def forged(folder: Path, change: Callable[[Forgery], Any]) -> None:
    """Change an entry and make its keys and differences fit again."""
    forgery = Forgery(folder)
    old = {fit["key"]: fit for fit in forgery.fits}
    change(forgery)
    # Values follow their fits, by the place at which they stand.
    renames = {key: Trial.from_dict(fit["trial"]).key for key, fit in old.items()}
    for value in forgery.values:
        value["fit"] = renames.get(value["fit"], value["fit"])
    forgery.sealed()
