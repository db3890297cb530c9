"""What the trainings of a process hold in common: bytes where they do, with the bits of floats."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from genbench.fitting import held
from genbench.fitting.building import build
from genbench.fitting.cards import MEASURED
from genbench.fitting.fit import fit
from genbench.fitting.held import SharedData
from genbench.fitting.prediction import predict
from genbench.fitting.preflight import plan_suite
from genbench.host import Host
from genbench.planning.suite import Limits, load_suite
from genbench.training.evaluation import evaluate
from genbench.training.member import Member
from genbench.training.pixels import Pixels

CPU = torch.device("cpu")
SUITE = """\
dataset = { name = "digits", train_size = 60, validation_size = 20, test_size = 50 }
model = { name = "convnet", width = 4, depth = 2 }
protocol = { name = "interpolate", batch_size = 16, max_epochs = 3, augmentation = ["crop", "none"] }
seeds = 2
"""
CHANGES = {
    "as it is": ("", ""),
    "not normalized": ("test_size = 50", "normalize = false"),
    "noisy labels": ('"interpolate"', '"interpolate", label_noise = 0.2'),
    "vanilla": ('"interpolate"', '"vanilla-sgd"'),
    "Adam": ('"interpolate"', '"interpolate", optimizer = "adam"'),
}
KEPT = ["initial", "final", "milestones", "test_history"]


@pytest.fixture
def bytes_held(monkeypatch):
    monkeypatch.setattr(held, "keeps_bytes", lambda device: True)


HOST = Host.load()


@pytest.fixture
def planned(tmp_path):
    """Makes the trials of the suite, changed."""

    def made(*changes):
        text = SUITE
        for change in changes:
            text = text.replace(*change)
        (tmp_path / "tiny.toml").write_text(text)
        return plan_suite(load_suite(tmp_path / "tiny.toml", HOST), HOST).trials

    return made


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_fit_on_bytes_has_the_bits_of_one_on_floats(monkeypatch, planned, change):
    trial = planned(change)[0]
    given = {"root": None, "device": "cpu", "keep": KEPT, "limits": Limits()}
    record, states = fit(trial, HOST, **given)
    monkeypatch.setattr(held, "keeps_bytes", lambda device: True)
    other, others = fit(trial, HOST, **given)
    assert {**other, "seconds": 0} == {**record, "seconds": 0}
    assert states.keys() == others.keys()
    for name, state in states.items():
        assert all(torch.equal(each, others[name][key]) for key, each in state.items())


def test_all_training_sets_are_parts_of_one_copy(bytes_held, planned):
    shared = SharedData(None, CPU)
    found = [shared.of(build(each, HOST)) for each in planned()]
    assert len({id(each) for each in found}) == 2, "one for each seed"
    for split in ("inputs", "test_inputs"):
        parts = [getattr(each, split) for each in found]
        assert all(isinstance(each, Pixels) for each in parts)
        assert len({each.whole.data_ptr() for each in parts}) == 1
    assert found[0].validation.inputs.dtype == torch.float32


def test_a_split_is_let_go_with_its_last_training_set(bytes_held, planned):
    shared = SharedData(None, CPU, most=1)
    for each in planned():
        shared.of(build(each, HOST))
    assert len(shared._wholes) == 2
    shared._held.clear()
    assert not shared._wholes


def test_data_that_are_floats_stay_floats(bytes_held, planned):
    changes = [
        ('"digits"', '"polynomial"'),
        ('"convnet"', '"mlp"'),
        (', augmentation = ["crop", "none"]', ""),
    ]
    trial = planned(*changes)[0]
    assert isinstance(SharedData(None, CPU).of(build(trial, HOST)).inputs, torch.Tensor)


def test_predicted_memory_knows_of_bytes(planned):
    trials = planned()
    SharedData(None, CPU).of(build(trials[0], HOST))  # the data are in the cache
    floats, as_bytes = (predict(trials, HOST, on_cuda=each).memory_bytes for each in (False, True))
    whole, numbers = 899, math.prod(trials[0].task.input_shape)
    assert floats - as_bytes == 4 * 60 * numbers - whole * numbers
    assert predict(trials, HOST, card=MEASURED[0]).memory_bytes == as_bytes
    unknown = [replace(each, checksum="sha256:other") for each in trials]
    assert predict(unknown, HOST, on_cuda=True).memory_bytes == floats


def test_the_test_split_is_evaluated_with_the_settings_of_the_training(monkeypatch, planned):
    inside = []

    @contextmanager
    def turn(member):
        inside.append(member)
        with real(member):
            yield
        inside.pop()

    def evaluated(*given, **named):
        seen.append(bool(inside))
        return evaluate(*given, **named)

    real, seen = Member.turn, []
    monkeypatch.setattr(Member, "turn", turn)
    monkeypatch.setattr("genbench.fitting.work.evaluate", evaluated)
    fit(planned()[0], HOST, root=None, device="cpu", keep=["final"], limits=Limits())
    assert seen == [True]
