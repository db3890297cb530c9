"""How long commands that compute nothing take, from start to end of the process.

The aim is 0.2 s for ``genbench --help`` and 1 s for lists and cards, whose first call makes what later ones
read. Ranking makes few replicates here, so that what it imports shows.
"""

import subprocess
import sys

import pytest


def timed(benchmark, *words: str) -> bytes:
    command = [sys.executable, "-c", "from genbench.cli import main; main()", *words]
    ended = benchmark.pedantic(
        subprocess.run,
        args=(command,),
        kwargs={"capture_output": True, "check": True},
        rounds=5,
        warmup_rounds=1,
    )
    return ended.stdout


@pytest.mark.benchmark(group="command line")
def test_help(benchmark):
    assert b"Usage: genbench" in timed(benchmark, "--help")


@pytest.mark.benchmark(group="command line")
@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("list", "measures"), b"param_norm"),
        (("list", "plugins"), b"regularizers"),
        (("show", "inverse_margin"), b"inverse_margin"),
        (("show", "suite:digits"), b'name = "digits"'),
    ],
    ids=["list measures", "list plugins", "card", "suite"],
)
def test_lists_and_cards(benchmark, words, part):
    assert part in timed(benchmark, *words)


@pytest.mark.benchmark(group="command line")
@pytest.mark.parametrize("words", [("status",), ("rank", "--bootstrap", "10")], ids=["status", "rank"])
def test_reading_a_run(benchmark, finished, words):
    assert b"param_norm" in timed(benchmark, *words, str(finished))
