"""``genbench doctor``: what this machine has."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from genbench.cli import options


@click.command("doctor")
@click.option("--data", type=options.PATH, metavar="DIR", help="Folder with the data.")
@click.option("--benchmark", is_flag=True, help="Measure how fast this machine trains, for 'genbench plan'.")
@options.plugins
@options.as_json
def command(
    data: Path | None, benchmark: bool, plugins: tuple[str, ...], without: tuple[str, ...], json_: bool
) -> int:
    """Show versions, devices, plugins that are broken, and which data sets are in the cache."""
    import torch

    from genbench.base.files import cache_folder
    from genbench.host import Host
    from genbench.runs.environment import describe_environment

    host = Host.described(plugins, without)
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
        "plugins": _bounds(),
        "problems": host.problems(),
    }
    if benchmark:
        content["benchmark"] = _benchmark()
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


def _bounds() -> str:
    """What keeps code of plugins from test data and records here, tried in processes of its own."""
    import subprocess
    import sys

    from genbench.base.children import child_environment
    from genbench.base.confinement import SWITCH, is_off

    if is_off():
        return f"their measures can reach any file and the network: {SWITCH} is off"

    def tried(module: str, call: str) -> Any:
        program = f"import json; from pathlib import Path; from {module} import *; print(json.dumps({call}))"
        done = subprocess.run(
            [sys.executable, "-P", "-c", program], env=child_environment(), capture_output=True, text=True
        )
        return json.loads(done.stdout) if done.returncode == 0 else None

    held = tried("genbench.base.confinement", "confine([], [])") or {"files": "", "network": ""}
    folders = tried("genbench.base.read_only", "hold_read_only([Path.cwd()])")
    files = f"no files but their own ({held['files']})" if held["files"] else "any file (no Landlock here)"
    network = f"no network ({held['network']})" if held["network"] else "the network"
    records = "records are read-only to" if folders else "records can be removed by"
    return f"their measures can reach {files} and {network}; {records} their observers"


def _benchmark() -> list[str]:
    """Measure and keep the constants of each device; a line for each."""
    import torch

    from genbench.fitting.benchmark import benchmark
    from genbench.fitting.cards import keep_card

    # Whole batches of either size on CUDA: a smaller last one would be captured among the epochs that count.
    sizes = {
        "cuda": {"at_once": 4, "pictures": 97 * 512},
        "cpu": {"at_once": 1, "pictures": 256, "batch": 64},
    }
    devices = [f"cuda:{each}" for each in range(torch.cuda.device_count())] or ["cpu"]
    lines = []
    for device in devices:
        card = benchmark(device, **sizes[device.partition(":")[0]])
        keep_card(card)
        lines.append(
            f"{card.name}, {card.at_once} trainings side by side: {card.numbers:.3g} outputs of layers a "
            f"second in tf32, {card.numbers_bfloat16:.3g} in bfloat16, {card.layer_seconds:.2g} s for each "
            "layer of a step"
        )
    return lines
