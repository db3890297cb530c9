"""The executor of a run: found by name, held to what is asked of it, and made where its code belongs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.base.errors import MissingResult, UsageError, nearest
from genbench.base.names import CORE
from genbench.contract.components import Kind
from genbench.execution.engine_apart import EngineApart, EngineFault
from genbench.execution.mirror import Mirror
from genbench.execution.places import devices
from genbench.host.settings import parse_variant

if TYPE_CHECKING:
    from genbench.contract.jobs import Executor
    from genbench.host import Host

__all__ = ["Asked", "maker"]

NOT_SETTINGS = {"devices", "device", "workers", "address", "options", "per_device", "say", "watch"}
"""Parameters of executors that have options of their own on the command line, or none."""


@dataclass(frozen=True)
class Asked:
    """How a command asks for its executor, in plain data.

    Attributes
    ----------
    name : str
    settings : mapping
    device, workers, per_device, address
        As given to `genbench.run`.
    """

    name: str
    settings: Mapping[str, Any]
    device: str = "auto"
    workers: int | None = None
    per_device: int | None = None
    address: str | None = None

    def check(self, executor: Callable[..., Executor]) -> None:
        """See whether an executor's class takes all that.

        Raises
        ------
        UsageError
            It does not, or this machine has no such devices.
        """
        takes = inspect.signature(executor).parameters
        known = set(takes) - NOT_SETTINGS
        for each in self.settings:
            if each not in known:
                raise UsageError(f"executor '{self.name}': unknown setting '{each}'{nearest(each, known)}")
        if getattr(executor, "remote", False):
            return
        if self.address is not None:
            raise UsageError(f"--address is of a cluster; executor '{self.name}' works on this machine")
        devices(self.device, self.workers, self.per_device)
        if self.per_device is not None and "per_device" not in takes:
            raise UsageError(f"executor '{self.name}' takes no --per-device")

    def make(
        self, executor: Callable[..., Executor], say: Callable[[str], None], heard: Callable[..., None]
    ) -> tuple[Executor, str]:
        """The executor and its kind of device.

        Parameters
        ----------
        say : callable
            Takes lines for the user, where it works elsewhere.
        heard : callable
            Takes each job's events, where it works here.
        """
        more: dict[str, Any] = dict(self.settings)
        if getattr(executor, "remote", False):
            if self.address is not None:
                more["address"] = self.address
            if self.per_device is not None:
                more["options"] = {"per_device": self.per_device}
            remote = executor(device=self.device, workers=self.workers, say=say, **more)
            return remote, getattr(remote, "device", self.device)
        there = devices(self.device, self.workers, self.per_device)
        if self.per_device is not None:
            more["per_device"] = self.per_device
        if "watch" in inspect.signature(executor).parameters:
            more["watch"] = heard
        return executor(devices=there, **more), there[0]


def maker(
    spelling: str, host: Host, run: Path, say: Callable[[str], None], **asked: Any
) -> Callable[[Callable[..., None]], tuple[Executor, str]]:
    """What makes the executor and tells its kind of device; what is asked for is checked before.

    One of a plugin is made in a process of its own, and if it works on this machine, in a mirror of the run
    folder. What this returns takes who is to hear which component a worker of this machine is at.

    Parameters
    ----------
    spelling : str
        Name of the executor, with settings as in ``"ray[gpus=0.5]"``.
    run : Path
        The run folder.
    say : callable
        Takes lines for the user.
    asked
        The other fields of `Asked`.

    Raises
    ------
    UsageError, InvalidInput
        There is none, or it has not what is asked for.
    MissingResult
        Its code breaks.
    """
    name, settings = parse_variant(spelling)
    component, wanted = host.find(Kind.EXECUTOR, name), Asked(name, settings, **asked)
    if component.plugin == CORE:
        wanted.check(component.object)
        return lambda heard: wanted.make(component.object, say, heard)
    sources = [asdict(each) for each in host.sources_with({component.plugin})]

    def made(heard: Callable[..., None]) -> tuple[Executor, str]:
        try:
            return engine, engine.make(heard)
        except EngineFault as fault:
            raise MissingResult(f"executor '{component.full_name}' {fault}") from None

    mirror = None if component.object.remote else Mirror(run)
    try:
        engine = EngineApart(component.full_name, asdict(wanted), sources, say, mirror)
    except EngineFault as fault:
        raise MissingResult(f"executor '{component.full_name}' {fault}") from None
    return made
