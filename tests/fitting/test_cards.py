"""Constants of devices: the table, what is measured here, and plans that rest on them."""

from __future__ import annotations

import pytest
import torch
from running import command
from torch.utils.flop_counter import FlopCounterMode

from genbench.fitting import benchmark
from genbench.fitting.cards import MEASURED, Card, card_called, keep_card
from genbench.models.resnet import resnet


def test_what_is_measured_here_comes_before_the_table():
    first = MEASURED[0]
    assert card_called(first.name) == first
    assert card_called("a card that nobody has") is None
    mine = Card(name=first.name, date="2027-01-01", at_once=8, flops=1e12, flops_bfloat16=2e12)
    path = keep_card(mine)
    try:
        assert card_called(first.name) == mine
        path.write_text("{broken")
        assert card_called(first.name) == first
    finally:
        path.unlink()


def test_the_benchmark_counts_the_operations_of_its_network():
    with torch.device("meta"):
        model = resnet(benchmark.TASK, depth=benchmark.DEPTH).eval()
        counter = FlopCounterMode(display=False)
        with counter:
            model(torch.zeros(2, *benchmark.TASK.input_shape))
    assert pytest.approx(counter.get_total_flops() / 2, rel=0.01) == benchmark.FORWARD
    assert benchmark.operations(10, 3) == 4 * 3 * 10 * benchmark.FORWARD


def test_the_benchmark_measures_side_by_side(monkeypatch, one_thread):
    monkeypatch.setattr(benchmark, "DEPTH", 8)
    card = benchmark.benchmark("cpu", at_once=2, pictures=16, epochs=2, batch=8, warm_up=1)
    assert (card.name, card.at_once) == ("cpu", 2)
    assert card.flops > 0
    assert card.flops_bfloat16 > 0


def test_a_plan_for_a_gpu_names_the_card_and_its_hours(tiny_suite, tmp_path):
    planned = command("plan", "--suite", tiny_suite, "--out", tmp_path / "run", "--device", "cuda")
    assert planned.code == 0, planned.err
    assert "trainings side by side: about" in planned.out
    content = command(
        "plan", "--suite", tiny_suite, "--out", tmp_path / "run", "--device", "cuda", "--json"
    ).json  # fmt: skip
    assert content["card_hours"] > 0
    assert content["card"]["name"]
    refused = command("plan", "--suite", tiny_suite, "--device", "tpu")
    assert (refused.code, refused.err.count("no such device 'tpu'; there are cpu and cuda")) == (2, 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize(
    ("device", "visible", "why"),
    [
        ("cuda", None, "torch finds no CUDA devices here"),
        ("cuda:3", None, "torch finds no CUDA devices here"),
        ("cuda", "", "CUDA_VISIBLE_DEVICES='' hides all of them"),
        ("cuda", "-1", "CUDA_VISIBLE_DEVICES='-1' hides all of them"),
        ("cuda", "MIG-4f", "torch finds none of what CUDA_VISIBLE_DEVICES='MIG-4f' names"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused_with_the_reason(
    tiny_suite, tmp_path, monkeypatch, device, visible, why
):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    refused = command("run", "--suite", tiny_suite, "--out", tmp_path / "run", "--device", device)
    assert refused.code == 2
    assert f"no such device '{device}': {why}" in refused.err
    assert not (tmp_path / "run").exists()


def test_a_gpu_of_another_index_is_refused_with_those_that_there_are(tiny_suite, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    refused = command("run", "--suite", tiny_suite, "--out", tmp_path / "run", "--device", "cuda:2")
    assert refused.code == 2
    assert "no such device 'cuda:2': torch finds cuda:0 to cuda:1 here" in refused.err
