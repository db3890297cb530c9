"""The folder where driver and pilots meet: plain files, taken by renaming, which file systems do at once.

``jobs/N.json`` waits; ``taken/P.N.json`` is with pilot P; ``done/N.json`` is its outcome. ``alive`` is
touched by the driver, ``stop`` ends the pilots, ``fault`` says in a line why none can work.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Spool"]


class Spool:
    """One driver's folder.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path):
        self.path = path

    def make(self) -> None:
        """Make the folder and what lies in it."""
        for name in ("jobs", "taken", "done"):
            (self.path / name).mkdir(parents=True, exist_ok=True)
        self.beat()

    # --- the driver --------------------------------------------------------------------------------

    def put(self, number: int, job: Mapping[str, Any]) -> None:
        """Have a job wait for a pilot."""
        self._write(self.path / "jobs" / f"{number:06d}.json", job)

    def withdraw(self, number: int) -> bool:
        """Take a waiting job back; False where a pilot has it."""
        try:
            (self.path / "jobs" / f"{number:06d}.json").unlink()
        except FileNotFoundError:
            return False
        return True

    def outcomes(self) -> dict[int, dict[str, Any]]:
        """Take the outcomes that are there, each with its pilot, by the number of their jobs."""
        found = {}
        for path in sorted((self.path / "done").glob("*.json")):
            found[int(path.stem)] = json.loads(path.read_text())
            path.unlink()
        return found

    def left_by(self, pilot: str) -> list[int]:
        """Numbers of the jobs that a pilot has taken and not finished."""
        return sorted(int(each.name.split(".")[1]) for each in (self.path / "taken").glob(f"{pilot}.*.json"))

    def return_job(self, pilot: str, number: int) -> None:
        """Have what a dead pilot had taken wait again."""
        taken = self.path / "taken" / f"{pilot}.{number:06d}.json"
        taken.rename(self.path / "jobs" / f"{number:06d}.json")

    def forget(self, pilot: str, number: int) -> None:
        """Give up what a dead pilot had taken."""
        (self.path / "taken" / f"{pilot}.{number:06d}.json").unlink(missing_ok=True)

    def beat(self) -> None:
        """Show that the driver lives."""
        (self.path / "alive").touch()

    def stop(self) -> None:
        """Tell the pilots to end."""
        (self.path / "stop").touch()

    def fault(self) -> str:
        """Why no pilot can work; empty where nothing is wrong."""
        try:
            return (self.path / "fault").read_text()
        except FileNotFoundError:
            return ""

    # --- a pilot -----------------------------------------------------------------------------------

    def take(self, pilot: str) -> tuple[int, dict[str, Any]] | None:
        """Take the oldest waiting job; None where none waits."""
        for path in sorted((self.path / "jobs").glob("*.json")):
            taken = self.path / "taken" / f"{pilot}.{path.name}"
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue  # another pilot was quicker
            return int(path.stem), json.loads(taken.read_text())
        return None

    def finish(self, pilot: str, number: int, outcome: Mapping[str, Any]) -> None:
        """Hand over an outcome; the job is no longer with the pilot only when it is there."""
        self._write(self.path / "done" / f"{number:06d}.json", {"pilot": pilot, "outcome": outcome})
        self.forget(pilot, number)

    def refuse(self, line: str) -> None:
        """Say why no pilot can work."""
        self._write_text(self.path / "fault", line)

    @property
    def stopped(self) -> bool:
        """Whether the driver told the pilots to end, or its folder is gone."""
        return (self.path / "stop").exists() or not self.path.exists()

    def last_beat(self) -> float:
        """When the driver last showed that it lives, by the file system's clock; 0 where nothing tells."""
        try:
            return (self.path / "alive").stat().st_mtime
        except OSError:
            return 0.0

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        self._write_text(path, json.dumps(content))

    def _write_text(self, path: Path, text: str) -> None:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        temporary.write_text(text)
        os.replace(temporary, path)  # noqa: PTH105
