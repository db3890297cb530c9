"""The hooks: functions with these names in a plugin's module are called, no decorator needed.

A hook may leave out parameters that it does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

hookspec = pluggy.HookspecMarker("genbench")


@hookspec
def genbench_components() -> Iterable[Any]:  # type: ignore[empty-body]
    """Return decorated functions and classes that were built by a program, not written in the module."""


@hookspec
def genbench_suites() -> Iterable[Path]:  # type: ignore[empty-body]
    """Return the TOML files of suites; a suite's name is its file's name."""


@hookspec
def genbench_run_started(run: Mapping[str, Any]) -> None:
    """Called once before the first trial; `run` has folder, suite and trials."""


@hookspec
def genbench_trial_finished(trial: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Called after each fit whose record this command wrote, in a process of the plugin's own."""


@hookspec
def genbench_run_finished(run: Mapping[str, Any]) -> None:
    """Called once after the last value is on disk."""
