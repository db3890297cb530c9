"""Audits with measures of plugins: the core's entries are what they are without, and who dies costs itself."""

from __future__ import annotations

import os

import pytest
from running import TINY, command, processes_in

from genbench.host.elsewhere import Deputies

PLUGIN = """
import os
import genbench
import torch
from torch import nn

with open({mark!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")

def measure(name):
    return genbench.measure(name=name, family="norm", direction="+", cost="A")

@measure("drawing")
def drawing(model, generator):
    return float(torch.rand((), generator=generator))

@measure("patching")
def patching(model, generator):
    torch.nn.functional.relu = lambda *given, **named: given[0] * 0
    return float(torch.rand((), generator=generator))

@measure("dying")
def dying(model, generator):
    os._exit(3)

@genbench.model
def net(task):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
"""
DIES = "genbench: b:dying: was not audited: plugin 'b' ends the process with code 3\n"


@pytest.fixture
def plugin_file(tmp_path):
    """A plugin that tells where it is imported, with measures that harm the process which they are in."""
    (tmp_path / "mark").touch()
    file = tmp_path / "b.py"
    file.write_text(PLUGIN.format(mark=str(tmp_path / "mark")))
    return file


@pytest.mark.slow
@pytest.mark.usefixtures("processes_of_plugins")
def test_repeatability_beside_a_plugin_is_that_without(finished, plugin_file):
    words = ("audit", "repeatability", finished, "--repeats", 2, "--json", "--measures")
    alone = command(*words, "random,pacbayes_flatness").json
    ended = command(*words, "b:dying,b:patching,random,b:drawing,pacbayes_flatness", "--plugin", plugin_file)
    assert ended.code == 1
    assert DIES in ended.err, ended.err
    found = ended.json["measures"]
    assert set(found) == {"random", "pacbayes_flatness", "b:drawing", "b:patching"}
    assert {name: found[name] for name in alone["measures"]} == alone["measures"]
    assert found["b:drawing"]["fits"] == 4
    assert found["b:drawing"]["within"] > 0
    assert os.getpid() not in processes_in(plugin_file.with_name("mark"))


@pytest.mark.slow
@pytest.mark.usefixtures("inline", "processes_of_plugins")
def test_the_fits_of_a_plugin_are_measured_where_it_is(plugin_file, tmp_path):
    (tmp_path / "suite.toml").write_text(TINY.replace('"mlp", width = 8, depth = 1', '"b:net"'))
    given = ("--workers", 1, "--measures", "random", "--plugin", plugin_file)
    ran = command("run", "--suite", tmp_path / "suite.toml", "--out", tmp_path / "run", *given)
    assert ran.code == 0, ran.err
    processes_in(plugin_file.with_name("mark"))
    ended = command("audit", "repeatability", tmp_path / "run", "--json", *given[2:])
    assert ended.code == 0, ended.err
    assert ended.json["measures"]["random"]["fits"] == 4
    assert processes_in(plugin_file.with_name("mark")).isdisjoint({os.getpid()})


@pytest.mark.slow
@pytest.mark.usefixtures("processes_of_plugins")
def test_what_measures_cost_is_found_where_their_plugins_are(plugin_file):
    ended = command(
        "audit", "cost", "--json", "--measures", "b:dying,b:drawing,param_norm", "--plugin", plugin_file
    )
    assert ended.code == 1
    assert DIES in ended.err, ended.err
    assert set(ended.json["measures"]) == {"b:drawing", "param_norm"}
    assert ended.json["battery_milliseconds"] > 0
    assert os.getpid() not in processes_in(plugin_file.with_name("mark"))


@pytest.mark.slow
@pytest.mark.usefixtures("processes_of_plugins")
def test_invariances_beside_a_plugin_are_those_without(plugin_file):
    words = ("audit", "invariance", "--json", "--measures")
    alone = command(*words, "param_norm,train_loss").json
    ended = command(*words, "b:patching,param_norm,train_loss,b:drawing,b:dying", "--plugin", plugin_file)
    assert ended.code == 1
    assert DIES in ended.err, ended.err
    found = ended.json
    assert {name: found["measures"][name] for name in alone["measures"]} == alone["measures"]
    assert (found["networks"], found["changes"]) == (alone["networks"], alone["changes"])
    entries = found["measures"]["b:drawing"]["networks"]
    assert list(entries) == list(found["networks"])
    assert entries["mlp"]["changes"]["unit_permutation"]["verdict"] == "invariant"
    assert os.getpid() not in processes_in(plugin_file.with_name("mark"))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"b:drawing": None},
        {"b:drawing": {"no such fit": [1.0, 2.0]}},
        {"b:drawing": {"": ["x"]}},
    ],
)
def test_an_answer_that_makes_no_sense_costs_its_measure(finished, plugin_file, answer, monkeypatch):
    monkeypatch.setattr(Deputies, "ask", lambda *given: answer)
    words = ("audit", "repeatability", finished, "--repeats", 2, "--fits", 2, "--json", "--measures")
    ended = command(*words, "random,b:drawing", "--plugin", plugin_file)
    assert ended.code == 1
    assert "b:drawing: was not audited: plugin 'b' gives an answer that makes no sense" in ended.err
    assert set(ended.json["measures"]) == {"random"}


@pytest.mark.parametrize("what", ["os:getcwd", "genbench_other.thing:function"])
def test_a_process_of_plugins_answers_by_functions_of_genbench_alone(what):
    from genbench.fitting.deputy import answer
    from genbench.host import Host

    told = answer(Host.of([]), {"what": what, "given": {}})
    assert told == {"raised": f"ValueError: '{what}' is no function of genbench"}
