"""What a result was computed with: versions, hardware, the commit of the suite, the plugins."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import genbench
from genbench.host import Host

__all__ = ["describe_environment", "describe_plugins", "now"]

PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "pandas")


def describe_environment(host: Host, device: str) -> dict[str, Any]:
    """Versions, hardware, git commit, and the plugins with the hash of their source; no names, no paths."""
    return {
        "genbench": genbench.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": _device_name(device),
        "packages": {name: _version(name) for name in PACKAGES},
        "plugins": describe_plugins(host),
    }


def describe_plugins(host: Host) -> list[dict[str, Any]]:
    """The plugins that are loaded, with the hash of the source of each component."""
    return [
        {
            "name": each.name,
            "origin": each.source.origin,
            "version": each.source.version,
            "components": {
                f"{component.kind} {component.name}": component.source_hash for component in each.components
            },
        }
        for each in host.plugins
        if each.status == "ok"
    ]


def now() -> str:
    """The time in UTC as records hold it; such texts sort by time."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


@lru_cache
def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _device_name(device: str) -> str:
    if not device.startswith("cuda"):
        return "mps" if device == "mps" else "cpu"
    import torch

    return torch.cuda.get_device_name(device)


@lru_cache(maxsize=1)
def _commit() -> str:
    """The commit of genbench's own checkout; empty for an installed package."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


@lru_cache(maxsize=1)
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
