"""Test data, records and the network are out of the reach of a plugin's measures, whatever way these take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from running import Ended, command, values

from genbench.base.confinement import offered

SUITE = """\
dataset = { name = "digits", train_size = 100 }
model = { name = "mlp", width = 8, depth = 1 }
protocol = { name = "interpolate", batch_size = 32, max_epochs = 1 }
"""

SPY = '''\
"""Every way to the test error that we know."""

import gc
import json
import os
import pathlib
import socket
import subprocess
import sys
import urllib.request

import torch

import genbench

RUN, CACHE = pathlib.Path({run!r}), pathlib.Path({cache!r})


def spy(function):
    return genbench.measure(family="spy", direction="+")(function)


def found_in(content, depth=0):
    """A number by a name of the test split's, in whatever holds it."""
    if isinstance(content, dict):
        for name, each in content.items():
            if name in ("test_error", "test_loss") and isinstance(each, float):
                return each
    if depth < 6:
        if isinstance(content, dict):
            parts = list(content.values())
        elif isinstance(content, (list, tuple)):
            parts = list(content)
        else:
            parts = [getattr(content, "__dict__", None)]
        for each in parts:
            number = None if each is None else found_in(each, depth + 1)
            if number is not None:
                return number
    return None


def error_on(model, split):
    inputs = split.inputs.float()
    if split.inputs.dtype == torch.uint8:
        inputs = inputs / 255
    return float((model(inputs).argmax(1) != split.targets).float().mean())


def datasets():
    from genbench.contract.components import Component

    return [each for each in gc.get_objects() if isinstance(each, Component) and str(each.kind) == "dataset"]


@spy
def callers(model):
    frame = sys._getframe(1)
    while frame is not None:
        number = found_in(dict(frame.f_locals))
        if number is not None:
            return number
        frame = frame.f_back
    raise genbench.NotApplicable("nothing")


@spy
def garbage(model):
    for each in gc.get_objects():
        if type(each) is dict and isinstance(each.get("test_error"), float):
            return each["test_error"]
    raise genbench.NotApplicable("nothing")


@spy
def record(model):
    for each in RUN.glob("fits/*/fit.json"):
        return json.loads(each.read_text())["test_error"]
    (name,) = os.listdir(RUN / "fits")
    return json.loads((RUN / "fits" / name / "fit.json").read_text())["test_error"]


@spy
def exported(model):
    return float(len(subprocess.run(["cat", str(RUN / "suite.toml")], check=True, capture_output=True).stdout))


@spy
def prepared(model):
    from safetensors.torch import load_file

    for each in os.listdir(CACHE / "prepared"):
        found = load_file(CACHE / "prepared" / each / "test.safetensors")
        return error_on(model, genbench.Split(found["inputs"], found["targets"]))


@spy
def component(model):
    (digits,) = [each for each in datasets() if each.name == "digits"]
    return error_on(model, digits.object(None, **digits.defaults()).test)


@spy
def library(model):
    from sklearn.datasets import load_digits

    found = load_digits()
    return float(found.data.sum())


@spy
def rebuilt(model):
    from genbench.fitting import splits
    from genbench.host import Host

    digits = Host.load().find("dataset", "digits")
    prepared = splits.prepare(digits, {{"test_fraction": 0.5}}, None)
    return error_on(model, splits.load_test(prepared, mean=torch.zeros(1), std=torch.ones(1)))


@spy
def downloaded(model):
    from genbench.host import Host

    mnist = Host.load().find("dataset", "mnist")
    return float(len(mnist.object(None, **mnist.defaults()).test))


@spy
def parent(model):
    return float(len(pathlib.Path(f"/proc/{{os.getppid()}}/root{{RUN}}/suite.toml").read_bytes()))


@spy
def memory(model):
    with open(f"/proc/{{os.getppid()}}/mem", "rb") as file:
        return float(file.seekable())


@spy
def linked(model):
    os.symlink(RUN, "run")
    return float(len(pathlib.Path("run/suite.toml").read_text()))


@spy
def asked(model):
    return float(len(urllib.request.urlopen("http://127.0.0.1:80").read()))


@spy
def datagram(model):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"values", ("127.0.0.1", 9))
    return 1.0


@spy
def kills(model):
    os.kill(os.getppid(), 0)
    return 1.0


@spy
def overwrites(model):
    (name,) = os.listdir(RUN / "fits")
    (RUN / "fits" / name / "fit.json").write_text("{{}}")
    return 1.0


@spy
def deletes(model):
    (RUN / "suite.toml").unlink()
    return 1.0


@spy
def writes_what_it_was_handed(model):
    (pathlib.Path.cwd().parent / "handed" / "data.safetensors").write_bytes(b"")
    return 1.0


@genbench.measure(family="fair", direction="+")
def works(model, inputs, targets, history):
    pathlib.Path("scratch").write_text("its own")
    pathlib.Path.home().joinpath("cached").write_text("its own")
    return error_on(model, genbench.Split(inputs, targets))
'''


@pytest.fixture(scope="module")
def spied(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    if not offered():
        pytest.skip("this system has no Landlock")
    folder = tmp_path_factory.mktemp("spied")
    (folder / "one.toml").write_text(SUITE)
    (folder / "spy.py").write_text(SPY.format(run=str(folder / "run"), cache=str(cache)))
    ended = command(
        "run", "--suite", folder / "one.toml", "--workers", 1, "--out", folder / "run",
        "--measures", "family:spy,family:fair,train_error,param_norm", "--plugin", folder / "spy.py",
    )  # fmt: skip
    return folder / "run", ended


@pytest.fixture(scope="module")
def found(spied: tuple[Path, Ended]) -> dict[str, Mapping[str, Any]]:
    return {each["measure"].removeprefix("spy:"): each for each in values(spied[0])}


@pytest.mark.slow  # a run of real workers
@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("callers", "nothing"),
        ("garbage", "nothing"),
        ("record", "PermissionError"),
        ("exported", "CalledProcessError"),
        ("prepared", "PermissionError"),
        ("component", "PermissionError"),
        ("library", "PermissionError"),
        ("rebuilt", "PermissionError"),
        ("downloaded", "mnist"),
        ("parent", "PermissionError"),
        ("memory", "PermissionError"),
        ("linked", "PermissionError"),
        ("asked", "URLError"),
        ("datagram", "OSError"),
        ("kills", "PermissionError"),
        ("overwrites", "PermissionError"),
        ("deletes", "PermissionError"),
        ("writes_what_it_was_handed", "PermissionError"),
    ],
)
def test_no_way_leads_there(found, way, reason):
    assert found[way]["value"] is None
    assert reason in found[way]["reason"]


@pytest.mark.slow  # the same run
def test_what_a_measure_may_know_is_there_and_the_core_has_its_values(spied, found):
    assert found["works"]["status"] == "ok"
    assert found["works"]["value"] == pytest.approx(found["train_error"]["value"], rel=1e-6)
    assert found["param_norm"]["status"] == "ok"
    described = [json.loads(each.read_text()) for each in (spied[0] / "environments").iterdir()]
    (bounds,) = [each["plugins_confined_by"] for each in described if "plugins_confined_by" in each]
    assert bounds["files"].startswith("Landlock")
