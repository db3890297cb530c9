"""The grid as a reader without components expands it, against the plan that the components make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from genbench.base.errors import InvalidInput
from genbench.contract.protocol import NEUTRAL
from genbench.fitting.preflight import plan_suite
from genbench.host import Host
from genbench.leaderboard.pack import _declared, _spellings
from genbench.leaderboard.points import point_of, points_of
from genbench.planning.suite import load_suite
from genbench.suites import genbench_suites

UNION = """
version = 1
dataset = { name = "digits", train_size = ["none", 100] }
seeds = [0, 7]

[[grid]]
model = ["mlp", { name = "mlp", width = [16, 128] }]
regularizers = [[], ["sam", { name = "weight-decay", strength = [1e-4, 1e-3] }]]

[[grid]]
model = { name = "mlp", depth = 3 }
protocol = [{ name = "interpolate", decay_epochs = [10, 20] }, { name = "interpolate", decay_epochs = [[10], [20, 30]], learning_rate = 1 }]
seeds = 1
"""


@pytest.fixture(scope="module")
def host() -> Host:
    return Host.load()


def expanded(file: Path, host: Host) -> tuple[set, set, int]:
    suite = load_suite(file, host)
    declared = json.loads(json.dumps([_declared(*each) for each in _spellings(suite, host)]))
    plan = plan_suite(suite, host)
    trials = [json.loads(json.dumps(each.as_dict())) for each in plan.trials]
    return points_of(suite.content, declared), {point_of(each) for each in trials}, len(trials)


def test_fits_that_are_older_than_a_setting_are_points_all_the_same(tmp_path, host):
    file = tmp_path / "union.toml"
    file.write_text(UNION)
    suite = load_suite(file, host)
    declared = [_declared(*each) for each in _spellings(suite, host)]
    trials = [each.as_dict() for each in plan_suite(suite, host).trials]
    for settings in [each["defaults"] for each in declared if each["kind"] == "protocol"]:
        assert NEUTRAL.items() <= settings.items()
        for name in NEUTRAL:
            del settings[name]
    trials = [
        {**each, "protocol": {**each["protocol"], "settings": _older(each["protocol"]["settings"])}}
        for each in trials
    ]
    assert {point_of(each) for each in trials} == points_of(suite.content, declared)


def _older(settings: dict) -> dict:
    return {name: value for name, value in settings.items() if name not in NEUTRAL}


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(each, marks=[] if each.stem.endswith(("quick", "digits")) else [pytest.mark.slow])
        for each in genbench_suites()
    ],
    ids=lambda file: file.stem,
)
def test_built_in_suites_expand_to_their_plans(file, host):
    points, planned, count = expanded(file, host)
    assert points == planned
    assert len(points) == count


def test_unions_lists_aliases_and_defaults_expand_to_the_plan(host, tmp_path):
    (tmp_path / "union.toml").write_text(UNION)
    points, planned, count = expanded(tmp_path / "union.toml", host)
    assert points == planned
    assert len(points) == count == 2 * 2 * 2 * 3 + 2 * 3


@pytest.mark.parametrize("seeds", [-1, True, "2", [0.5], {}])
def test_seeds_that_are_none_are_refused(seeds):
    with pytest.raises(InvalidInput, match="seeds"):
        points_of({"dataset": [], "model": [], "protocol": [], "seeds": seeds}, [])
