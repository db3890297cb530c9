"""``genbench rank`` with statistics of plugins: a column beside the others, an order, what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from running import command

PLUGIN = '''\
"""Statistics of somebody else."""

import os

import numpy as np

import genbench


@genbench.statistic
def agreement(values, target, axes, groups, weights):
    """Share of the pairs that are ordered alike, ties one half."""
    one, other = np.triu_indices(len(values), 1)
    pairs = weights[one] * weights[other]
    alike = np.sign(values[one] - values[other]) * np.sign(target[one] - target[other])
    return (pairs * (1 + alike)).sum() / (2 * pairs.sum())


@genbench.statistic
def disagreement(values, target, axes, groups, weights):
    """What is left to one."""
    return 1 - agreement(values, target, axes, groups, weights)


@genbench.statistic
def dies(values, target, axes, groups, weights):
    """Takes the process with it."""
    os._exit(3)


@genbench.statistic
def says(values, target, axes, groups, weights):
    """A word."""
    return "many"
'''


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> tuple[Path, Path]:
    """A table of 18 networks, with a measure of either direction and one without, and the plugin."""
    folder = tmp_path_factory.mktemp("statistics")
    gap = [0.1 + 0.02 * (place % 3) - 0.01 * (place // 6) + 0.003 * (place * 7 % 5) for place in range(18)]
    table = pd.DataFrame(
        {"lr": [place % 3 for place in range(18)], "decay": [place // 6 for place in range(18)]}
    )
    table["gap"] = gap
    table["rising"] = [each + 0.01 * (place * 5 % 7) for place, each in enumerate(gap)]
    table["falling"] = [-each + 0.004 * (place * 3 % 8) for place, each in enumerate(gap)]
    table["neither"] = [place * 11 % 18 for place in range(18)]
    table.to_csv(folder / "table.csv", index=False)
    (folder / "others.py").write_text(PLUGIN)
    return folder / "table.csv", folder / "others.py"


def rank(sources, *words, plugin: bool = True):
    """The command on the table; all directions are told."""
    table, file = sources
    told = [word for each in ("rising=+", "falling=-", "neither=?") for word in ("--direction", each)]
    added = ["--plugin", file] if plugin else []
    return command("rank", table, "--axes", "lr,decay", "--bootstrap", 20, *told, *words, *added)


def rows(ended) -> dict[str, dict]:
    assert ended.code == 0, ended.err
    return {row["measure"]: row for row in json.loads(ended.out)["rows"]}


def test_a_plugins_statistic_gets_values_times_their_direction_and_an_interval(sources):
    found = rows(rank(sources, "--statistics", "tau,psi,agreement,disagreement", "--json"))
    for name, sign in (("rising", 1), ("falling", -1)):
        row = found[name]
        assert row["agreement"] == pytest.approx((1 + sign * row["tau"]) / 2)
        assert row["disagreement"] == pytest.approx(1 - row["agreement"])
        assert row["agreement_low"] < row["agreement"] < row["agreement_high"]
    assert found["neither"]["agreement"] is None


def test_it_orders_the_rows_whichever_end_is_the_better_one(sources):
    by_tau = rank(sources, "--rank-by", "tau", "--json")
    orders = [list(rows(by_tau))]
    for name in ("agreement", "others:disagreement"):
        ended = rank(sources, "--rank-by", name, "--json")
        content = json.loads(ended.out)
        assert content["better"] == {name: 1.0 if name == "agreement" else -1.0}
        orders.append([row["measure"] for row in content["rows"]])
    assert orders[0] == orders[1] == orders[2]
    text = rank(sources, "--rank-by", "disagreement").out
    assert "disagreement: of values times the direction claimed; smaller is better" in " ".join(text.split())


def test_components_of_the_core_are_found_by_the_names_that_lists_show(sources):
    found = rows(rank(sources, "--statistics", "tau,psi,kendall_tau_a", "--json", plugin=False))
    assert found["falling"]["kendall_tau_a"] == pytest.approx(-found["falling"]["tau"])


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("says", 1, "statistic 'others:says' raised TypeError: returns a str, not one number"),
        ("agrement", 3, "unknown statistic 'agrement'; did you mean 'agreement'?"),
        ("sperman", 3, "unknown statistic 'sperman'; did you mean 'spearman'?"),
    ],
)
def test_what_goes_wrong_is_one_line(sources, name, code, line):
    ended = rank(sources, "--statistics", f"psi,{name}")
    assert (ended.code, ended.err.strip()) == (code, f"genbench: {line}")


@pytest.mark.slow  # a process of its own imports torch and the plugin
def test_a_statistic_that_takes_its_process_with_it_takes_no_other(sources):
    table, file = sources
    words = [
        "rank",
        table,
        "--axes",
        "lr,decay",
        "--direction",
        "+",
        "--statistics",
        "psi,dies",
        "--plugin",
        file,
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "genbench", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.strip() == "genbench: statistic 'others:dies' ends the process with code 3"
