"""How long ``genbench --help`` takes, from start to end of the process; 0.2 s is the aim."""

import subprocess
import sys

import pytest


@pytest.mark.benchmark(group="command line")
def test_help(benchmark):
    command = [sys.executable, "-c", "from genbench.cli import main; main(['--help'])"]
    ended = benchmark.pedantic(
        subprocess.run,
        args=(command,),
        kwargs={"capture_output": True, "check": True},
        rounds=5,
        warmup_rounds=1,
    )
    assert b"Usage: genbench" in ended.stdout
