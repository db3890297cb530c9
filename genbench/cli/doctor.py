"""``genbench doctor``: what this machine has."""

from __future__ import annotations

import os
from pathlib import Path

import click

from genbench.cli import options


@click.command("doctor")
@click.option("--data", type=options.PATH, metavar="DIR", help="Folder with the data.")
@options.plugins
@options.as_json
def command(data: Path | None, plugins: tuple[str, ...], without: tuple[str, ...], json_: bool) -> int:
    """Show versions, devices, plugins that are broken, and which data sets are in the cache."""
    import torch

    from genbench.base.files import cache_folder
    from genbench.host import Host
    from genbench.runs.environment import describe_environment

    host = Host.load(plugins, without)
    devices = ["cpu"] + [
        f"cuda:{each} {torch.cuda.get_device_name(each)}" for each in range(torch.cuda.device_count())
    ]
    given = data or (Path(os.environ["GENBENCH_DATA"]) if os.environ.get("GENBENCH_DATA") else None)
    environment = describe_environment(host, "cpu")
    content = {
        "genbench": environment["genbench"],
        "python": environment["python"],
        "system": environment["system"],
        "processor": f"{environment['processor']}, {environment['cores']} cores",
        "packages": environment["packages"],
        "devices": devices,
        "cache": str(cache_folder()),
        "data": str(given) if given else "none given (--data DIR or $GENBENCH_DATA)",
        "found": sorted(each.name for each in given.iterdir()) if given and given.is_dir() else [],
        "problems": host.problems(),
    }
    if json_:
        options.echo_json(content)
    else:
        for key, value in content.items():
            if isinstance(value, dict):
                value = ", ".join(f"{name} {version}" for name, version in value.items())
            elif isinstance(value, list):
                value = "; ".join(value) or "none"
            click.echo(f"{key:<12}{value}")
    return 1 if host.problems() else 0
