"""The guide to clusters: its commands exist with the options that it gives them, its model follows from its figures."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

import genbench
from genbench.host import Host
from genbench.host.settings import parse_variant

GUIDE = (Path(genbench.__file__).parent / "report/guide/texts/clusters.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    blocks = re.findall(r"```console\n(.*?)```", GUIDE, flags=re.DOTALL)
    lines = [line.partition(" > ")[0] for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("genbench ")]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_taken_as_it_stands(words):
    known = importlib.import_module(f"genbench.cli.{words[0]}").command
    known.make_context(words[0], words[1:])  # refuses options and values that there are not


def test_every_executor_and_setting_is_there():
    from genbench.contract.components import Kind

    host = Host.load()
    for words in commands():
        spelled = words[words.index("--executor") + 1] if "--executor" in words else "local"
        name, _ = parse_variant(spelled)
        if name != "slurm":  # a plugin's, tested there
            host.find(Kind.EXECUTOR, name)


def test_the_table_of_the_model_follows_from_the_measured_time():
    settle = float(re.search(r"`s` = (\d+) ms", GUIDE).group(1)) / 1000
    rows = re.findall(r"^\| (10 s|1 min|10 min) \|(.+)\|$", GUIDE, flags=re.MULTILINE)
    seconds = {"10 s": 10, "1 min": 60, "10 min": 600}
    assert len(rows) == 3
    for name, cells in rows:
        for workers, cell in zip((10, 100, 1000), cells.split("|"), strict=True):
            share = min(1.0, seconds[name] / (workers * settle))
            assert cell.split()[0] == f"{100 * share:.0f}"
