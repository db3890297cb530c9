"""Constants of devices: the table, what is measured here, and plans that rest on them."""

from __future__ import annotations

import pytest
import torch
from running import command

from genbench.auditing.battery_time import battery_hours, share_of_all
from genbench.auditing.stored import stored
from genbench.fitting import benchmark
from genbench.fitting.cards import ARITHMETIC, EVALUATION, MEASURED, Card, card_called, keep_card
from genbench.models.resnet import resnet


def test_what_is_measured_here_comes_before_the_table():
    first = MEASURED[0]
    assert card_called(first.name) == first
    assert card_called("a card that nobody has") is None
    mine = Card(
        name=first.name, date="2027-01-01", at_once=8, numbers=1e10, numbers_bfloat16=2e10, layer_seconds=1e-6
    )
    path = keep_card(mine)
    try:
        assert card_called(first.name) == mine
        path.write_text("{broken")
        assert card_called(first.name) == first
    finally:
        path.unlink()


RESNET_20 = {"flops": 8.1e7, "numbers": benchmark.NUMBERS, "layers": benchmark.LAYERS, "examples": 50_000}


@pytest.mark.parametrize(
    ("precision", "batch", "measured"),
    [("bfloat16", 128, 0.35), ("bfloat16", 512, 0.30), ("tf32", 128, 0.75)],
)
def test_the_table_gives_the_epochs_that_it_was_made_from(precision, batch, measured):
    """They were measured without evaluations, which the constants count as a third of the passes."""
    times = {"steps": -(-50_000 // batch), "epochs": 1, "precision": precision}
    evaluation = 50_000 * benchmark.NUMBERS * EVALUATION / (
        MEASURED[0].numbers_bfloat16 if precision == "bfloat16" else MEASURED[0].numbers
    )  # fmt: skip
    found = MEASURED[0].training_seconds(**RESNET_20, **times)
    assert found - evaluation == pytest.approx(measured, rel=0.02)


def test_wide_layers_are_bound_by_arithmetic():
    wide = {"numbers": 1.0, "layers": 1, "examples": 1000, "steps": 0, "epochs": 2}
    found = MEASURED[0].training_seconds(flops=1e10, precision="float32", **wide)
    assert found == pytest.approx(2 * 1000 * (3 + 1) * 1e10 / ARITHMETIC["float32"])


def test_the_benchmark_tells_what_a_step_takes_from_what_an_example_takes():
    pictures, batch, step, example = 12_800, 128, 1e-3, 1e-5
    small, large = (pictures * example + pictures / each * step for each in (batch, 4 * batch))
    numbers, layer = benchmark.constants(small, large, pictures=pictures, batch=batch)
    assert numbers == pytest.approx(benchmark.NUMBERS * (1 + EVALUATION) / example)
    assert layer == pytest.approx(step / benchmark.LAYERS)
    assert benchmark.constants(large, small, pictures=pictures, batch=batch)[1] == 0


def test_an_epoch_takes_its_share_of_the_time_of_all_that_run_side_by_side():
    together = [[0.0, 3.0, 5.0, 7.0 + late] for late in (0.0, 0.01, 0.02, 0.03)]
    assert benchmark.epoch_seconds(together, 1) == pytest.approx(2 / 4, rel=0.01)
    apart = [[0.0, 3.0, 5.0, 7.0], [0.0, 2.0, 6.0, 10.0]]
    assert benchmark.epoch_seconds(apart, 1) == pytest.approx(1 / (1 / 2 + 1 / 4))


def test_the_benchmark_knows_its_network(one_thread):
    model = resnet(benchmark.TASK, depth=benchmark.DEPTH).eval()
    found: list[int] = []
    leaves = [each for each in model.modules() if not list(each.children())]
    for each in leaves:
        each.register_forward_hook(lambda module, given, output: found.append(output.numel()))
    model(torch.zeros(1, *benchmark.TASK.input_shape))
    assert (sum(found), len(leaves)) == (pytest.approx(benchmark.NUMBERS, rel=0.01), benchmark.LAYERS)


def test_a_battery_takes_its_share_of_all_measures():
    audited = stored("cost")["measures"]
    assert share_of_all(audited) == pytest.approx(1)
    assert share_of_all([]) == 0
    assert share_of_all(["core:unheard-of"]) == pytest.approx(1 / len(audited))
    card = MEASURED[0]
    seconds = 3600 * battery_hours(card, audited, [10, 20], workers=2)
    assert seconds == pytest.approx((2 * card.battery_seconds + 30 * card.battery_layer_seconds) / 2)


def test_the_benchmark_measures_side_by_side(monkeypatch, one_thread):
    monkeypatch.setattr(benchmark, "DEPTH", 8)
    card = benchmark.benchmark("cpu", at_once=2, pictures=8, epochs=1, batch=4, warm_up=1)
    assert (card.name, card.at_once) == ("cpu", 2)
    assert card.numbers > 0
    assert card.numbers_bfloat16 > 0


def test_a_plan_for_a_gpu_names_the_card_and_its_hours(tiny_suite, tmp_path):
    planned = command("plan", "--suite", tiny_suite, "--out", tmp_path / "run", "--device", "cuda")
    assert planned.code == 0, planned.err
    assert "trainings side by side: about" in planned.out
    content = command(
        "plan", "--suite", tiny_suite, "--out", tmp_path / "run", "--device", "cuda", "--json"
    ).json  # fmt: skip
    assert content["card_hours"] > 0
    assert content["card_measuring_hours"] > 0
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
