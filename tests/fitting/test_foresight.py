"""Predictions by whoever has a plugin's code: the same numbers, and networks without an answer found alone."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from genbench.base.errors import InvalidInput
from genbench.fitting.foresight import DEATHS_ENOUGH, foresee
from genbench.fitting.prediction import predict
from genbench.fitting.preflight import plan_suite
from genbench.host import Host
from genbench.host.elsewhere import NoAnswer
from genbench.host.plugin import PluginSource
from genbench.planning.plan import Chosen
from genbench.planning.suite import load_suite

SUITE = """\
dataset = { name = "digits", train_size = 100 }
model = [{ name = "mlp", width = [4, 8], depth = 1 }, { name = "b:net", width = [2, 3, 4] }]
protocol = { name = "interpolate", batch_size = 32, max_epochs = 1 }
seeds = 2
"""
PLUGIN = """
import genbench
from torch import nn

@genbench.model
def net(task, *, width: int = 4):
    if width == 3:
        raise ValueError("three")
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, task.outputs))
"""


class Fragile:
    """A deputy that predicts, and dies of some widths."""

    def __init__(self, live, deadly):
        self.live, self.deadly, self.silent, self.asked = live, deadly, set(), []

    def why_silent(self, name, settings):
        return "takes more than 30 s" if settings.get("width") in self.silent else ""

    def ask(self, plugins, what, given, seconds):
        from genbench.fitting.deputy import QUESTIONS

        widths = {each["model"]["settings"]["width"] for each in given["trials"]}
        self.asked.append(sorted(widths))
        if widths & self.deadly:
            raise NoAnswer("kills the process")
        return QUESTIONS[what](self.live, **given)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    source = PluginSource("b", file="b.py", text=PLUGIN)
    host = Host.described([source])
    file = tmp_path_factory.mktemp("suite") / "s.toml"
    file.write_text(SUITE)
    return host, Host.load([source]), plan_suite(load_suite(file, host), host).trials


def fragile(planned, *deadly):
    host, live, _ = planned
    host.deputies = Fragile(live, set(deadly))
    return host


def width(trial):
    return trial.model.settings["width"] if trial.model.name == "b:net" else None


def test_sums_and_order_are_those_of_one_prediction(planned):
    trials = [each for each in planned[2] if width(each) != 3][::-1]
    found = foresee(trials, fragile(planned))
    expected = asdict(predict(trials, planned[1]))
    assert found.doomed == {}
    for name, value in asdict(found.prediction).items():
        assert value == pytest.approx(expected[name], rel=1e-12)


def test_a_network_without_an_answer_costs_its_own_trials(planned):
    host = fragile(planned, 4)
    found = foresee(planned[2], host)
    whys = {
        3: "model 'b:net' for dataset 'digits': three",
        4: "'b:net': building the network kills the process",
    }
    assert found.doomed == {each.key: whys[width(each)] for each in planned[2] if width(each) in whys}
    seconds = dict(zip((each.key for each in planned[2]), found.prediction.gpu_seconds, strict=True))
    assert {seconds[key] for key in found.doomed} == {0.0}
    assert all(seconds[each.key] > 0 for each in planned[2] if each.key not in found.doomed)
    assert host.deputies.asked[0] == [2, 3, 4], "all at once, while nothing speaks against it"


def test_where_nothing_else_is_left_it_is_an_error_of_the_input(planned):
    with pytest.raises(InvalidInput, match="model 'b:net' for dataset 'digits': three"):
        foresee([each for each in planned[2] if width(each) == 3], fragile(planned))


def test_many_networks_that_die_alike_are_not_all_tried(planned):
    one = next(each for each in planned[2] if width(each) == 2)
    many = [
        replace(one, model=Chosen("b:net", 1, {"width": each}, one.model.source)) for each in range(50, 70)
    ]
    host = fragile(planned, *range(50, 70))
    assert len(foresee([*many, *planned[2]], host).doomed) == len(many) + 2
    assert sum(len(each) == 1 and each[0] >= 50 for each in host.deputies.asked) == DEATHS_ENOUGH


def test_what_gave_no_answer_before_is_not_asked(planned):
    host = fragile(planned)
    host.deputies.silent = {2, 3}
    found = foresee(planned[2], host)
    whys = {found.doomed.pop(each.key) for each in planned[2] if width(each) in (2, 3)}
    assert whys == {"'b:net': building the network takes more than 30 s"}
    assert (found.doomed, host.deputies.asked) == ({}, [[4]])


@pytest.mark.parametrize(
    "answer", [None, {}, {"gpu_hours": "x"}, {**asdict(predict([], None)), "layers": [1]}]
)
def test_an_answer_that_makes_no_sense_is_none(planned, answer):
    host = fragile(planned)
    host.deputies.ask = lambda *given: answer
    trials = [each for each in planned[2] if width(each) is not None]
    assert len(foresee(trials, host).doomed) == len(trials)
