"""Apple's GPUs, imitated where there is none: what they lack is not asked of them."""

from __future__ import annotations

import pytest
import torch

from genbench.base.errors import UsageError
from genbench.contract.jobs import Job
from genbench.execution.places import devices, measuring_device
from genbench.executors import local
from genbench.training.determinism import GlobalStream
from genbench.training.evaluation import where_doubles_are

MPS = torch.device("mps")


@pytest.fixture
def a_mac(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: True)


def test_mps_is_a_device_where_torch_offers_it(a_mac):
    assert devices("mps", None) == ("mps",)
    assert devices("mps", 2) == ("mps", "mps")
    assert devices("auto", 1) != ("mps",), "what is not asked for stays comparable"
    with pytest.raises(UsageError, match="no such device 'mps:1'"):
        devices("mps:1", 1)


def test_without_it_the_line_says_why():
    if torch.backends.mps.is_available():
        pytest.skip("there is one here")
    with pytest.raises(UsageError, match=r"^no such device 'mps': this torch was built without it"):
        devices("mps", 1)


def test_fits_that_an_apple_gpu_trains_are_measured_on_the_cpu(monkeypatch):
    placed = {}

    def supervise(job, slot, watch):
        placed[job.kind] = job.device
        return local.JobOutcome(job)

    monkeypatch.setattr(local, "supervise", supervise)
    executor = local.LocalExecutor(devices=("mps",))
    trial = {"threads": 1}
    for kind in ("train", "measure"):
        executor.submit(Job(kind=kind, key=kind, trial=trial, folder="", plugins=(), data=None))
    assert {each.status for each in executor.results()} == {"ok"}
    executor.close()
    assert placed == {"train": "mps", "measure": "cpu"}
    assert (measuring_device("cuda:1"), measuring_device("cpu")) == ("cuda:1", "cpu")


def test_sums_in_float64_are_made_beside_it():
    assert where_doubles_are(MPS) == torch.device("cpu")
    for each in ("cpu", "cuda:1"):
        assert where_doubles_are(torch.device(each)) == torch.device(each)


def test_its_random_stream_goes_on_where_it_was_and_is_put_back(monkeypatch):
    general = torch.Generator().manual_seed(9)
    monkeypatch.setattr(torch.mps, "get_rng_state", general.get_state)
    monkeypatch.setattr(torch.mps, "set_rng_state", general.set_state)
    monkeypatch.setattr(torch.mps, "manual_seed", general.manual_seed)
    stream = GlobalStream(MPS, 5)
    drawn = []
    for _ in range(2):
        with stream.in_place():
            drawn.append(torch.rand(3, generator=general))
    assert torch.equal(
        torch.rand(3, generator=general), torch.rand(3, generator=torch.Generator().manual_seed(9))
    )
    assert torch.equal(torch.cat(drawn), torch.rand(6, generator=torch.Generator().manual_seed(5)))
    with stream.in_place():
        stream.restart(7)
        assert torch.equal(
            torch.rand(3, generator=general), torch.rand(3, generator=torch.Generator().manual_seed(7))
        )
