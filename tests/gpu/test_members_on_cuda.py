"""What only a CUDA device can show: captured steps and company give the bits of calls and of being alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fitting.test_held import HOST, KEPT, SUITE
from training.problems import same_states
from training.test_conductor import Training, all_ended
from training.test_member import CASES, SEEDS, Case, assert_same, regularizer
from training.test_pixels import both

from genbench.base.values import StopReason
from genbench.contract.regularizer import Regularizer
from genbench.fitting import held
from genbench.fitting.building import build
from genbench.fitting.fit import fit
from genbench.fitting.held import SharedData
from genbench.fitting.preflight import plan_suite
from genbench.planning.suite import Limits, load_suite
from genbench.training.conductor import Conductor
from genbench.training.member import Assignment, Member
from genbench.training.pixels import Pixels

pytestmark = [
    pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]  # fmt: skip

CUDA = torch.device("cuda", 0)
COMPANY = ["normalized", "crops", "adam", "rmsprop", "mixup", "gl", "gld", "sgdl", "wgd", "sam", "jacobian"]


def on_cuda(case: Case, **how: Any) -> Member:
    return Member(case.assignment(case.objects()), CUDA, **how)


@pytest.mark.parametrize("name", CASES)
def test_captured_steps_give_the_bits_of_calls(name):
    captured = on_cuda(CASES[name])
    found = captured.train()
    assert captured.why_not_captured == ""
    assert_same(found, on_cuda(CASES[name], why_eager="for comparison").train())


@pytest.mark.parametrize("name", ["plain", "normalized", "adam", "crops"])
def test_cuda_agrees_with_the_cpu(name):
    case = CASES[name]
    cuda, cpu = on_cuda(case).train(), Member(case.assignment(case.objects()), torch.device("cpu")).train()
    assert cuda.train_loss == pytest.approx(cpu.train_loss, rel=0.1)  # dropout draws others there


def test_every_byte_becomes_the_float_that_the_cpu_makes():
    generator = torch.Generator().manual_seed(0)
    mean, std = torch.rand(2, 64, generator=generator) / 2 + 0.1
    table = Pixels(
        torch.arange(256, dtype=torch.uint8)[:, None].expand(256, 64), torch.arange(256), mean, std
    )
    assert torch.equal(table.to(CUDA)[:].cpu(), table[:])


@pytest.mark.parametrize("how", [{}, {"why_eager": "for comparison"}], ids=["captured", "calls"])
@pytest.mark.parametrize("name", ["plain", "normalized", "crops", "adam", "jacobian", "mixup"])
def test_bytes_on_the_device_give_the_bits_of_floats(name, how):
    floats, as_bytes = both(CASES[name])
    assert_same(Member(as_bytes, CUDA, **how).train(), Member(floats, CUDA, **how).train())


def test_fits_on_cuda_share_the_bytes_of_their_data(monkeypatch, tmp_path):
    (tmp_path / "tiny.toml").write_text(SUITE)
    trials = plan_suite(load_suite(tmp_path / "tiny.toml", HOST), HOST).trials
    shared = SharedData(None, CUDA)
    parts = [shared.of(build(each, HOST)).inputs for each in trials]
    assert {(each.whole.dtype, each.whole.device) for each in parts} == {(torch.uint8, CUDA)}
    assert len({each.whole.data_ptr() for each in parts}) == 1
    given = {"root": None, "device": "cuda", "keep": KEPT, "limits": Limits()}
    record, states = fit(trials[0], HOST, **given)
    monkeypatch.setattr(held, "keeps_bytes", lambda device: False)
    other, others = fit(trials[0], HOST, **given)
    assert {**other, "seconds": 0} == {**record, "seconds": 0}
    assert all(same_states(state, others[name]) for name, state in states.items())


def test_company_changes_no_bit():
    class OnCuda(Training):
        def begin(self) -> Member:
            return on_cuda(self.case)

    alone = {name: on_cuda(CASES[name]).train() for name in COMPANY}
    for at_once in (3, len(COMPANY)):
        found = all_ended(Conductor(CUDA, at_once), *(OnCuda(name, CASES[name]) for name in COMPANY))
        for name in COMPANY:
            assert_same(found[name], alone[name])


def test_a_member_that_diverges_beside_others_leaves_them_alone():
    class OnCuda(Training):
        def begin(self) -> Member:
            return on_cuda(self.case)

    alone = on_cuda(CASES["normalized"]).train()
    found = all_ended(
        Conductor(CUDA, 2), OnCuda("diverges", Case(protocol={"learning_rate": 1e30})),
        OnCuda("normalized", CASES["normalized"]),
    )  # fmt: skip
    assert found["diverges"].stop_reason is StopReason.DIVERGED
    assert_same(found["normalized"], alone)


def test_a_broken_capture_goes_on_as_calls_with_the_same_bits():
    class Looks(Regularizer):
        def after_update(self, step: Any) -> None:
            torch.randn(3, generator=step.generator, device=step.inputs.device)
            if float(step.model[1].weight.norm()) > 1e9:
                raise AssertionError

    def assignment() -> Assignment:
        return CASES["normalized"].assignment([regularizer("dropout[rate=0.3]"), Looks()])

    broken, calls = Member(assignment(), CUDA), Member(assignment(), CUDA, why_eager="for comparison")
    found = broken.train()
    assert broken.why_not_captured
    assert_same(found, calls.train())
    assert torch.rand(2, device=CUDA).isfinite().all(), "the device's own generator is as it was"


def test_torchs_own_random_state_stays():
    torch.cuda.manual_seed(5)
    before = torch.cuda.get_rng_state()
    on_cuda(CASES["dropout"]).train()
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert SEEDS["dropout"] == 3
